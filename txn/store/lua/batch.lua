-- batch: store many transactions with one call, each as accept.lua does: all or nothing of each of them, or, if that is
-- asked for, of all of them. Repeating it changes nothing.
--
-- The caller bounds how many there are: nobody else is served meanwhile.
--
-- KEYS   1 t: stem   2 p: stem   3 due   4 count   5 minute stem   6 queue (list)   7 queue's messages (hash)
--        8 accepted stem   9 accepted_hours   10 expiring
-- ARGV   1 1: all of them or none   2 grace ms   3 message template   4 shift   5 client | ''   6 traceparent | ''
--        7 ... id, fingerprint, payload, when it expires, or '', and where its callback goes, or '', of each
-- reply  one for each: what accept.lua replies, or { 'unreadable' } (its key holds something else), or, of all or none,
--        { 'left' }: it could be stored, and was not, because of others

uses_reserve = false
local now = clock(ARGV[4])
local at = { due = KEYS[3], queue = KEYS[6], bodies = KEYS[7], grace = ARGV[2], template = ARGV[3], now = now, client = ARGV[5], trace = ARGV[6],
    accepted = KEYS[8], hours = KEYS[9], expiring = KEYS[10] }
local replies = {}

local function before(i)
    local id = ARGV[i]
    return accepted_before(at, KEYS[1] .. id, id, ARGV[i + 1], KEYS[2] .. id, ARGV[i + 2])
        or too_late(ARGV[i + 3], now)
end

local function count(by)
    raise(KEYS[4], 'pending', by)
    tally_by(by, KEYS[4], KEYS[5], now, 'accepted')
end

-- Of one whose key is of another type the others need not know; any other failure is about all of them.
local function alone(work, i)
    local ok, reply = try(work, i)
    if ok then return reply end
    local looked = redis.pcall('HMGET', KEYS[1] .. ARGV[i], 'status')
    if not (looked.err and looked.err:find('WRONGTYPE', 1, true)) then error(reply, 0) end
    return { 'unreadable' }
end

local function one(i)
    local found = before(i)
    if found then return found end
    count(1)
    make_deliverable(at, ARGV[i], KEYS[2] .. ARGV[i], ARGV[i + 2])
    list_accepted(at, ARGV[i])
    note_expiry(at, ARGV[i], ARGV[i + 3])
    write_record(at, KEYS[1] .. ARGV[i], ARGV[i + 1], ARGV[i + 3], ARGV[i + 4])
    committed()
    return { 'accepted', int(now) }
end

if ARGV[1] ~= '1' then
    for i = 7, #ARGV, 5 do replies[#replies + 1] = alone(one, i) end
    return replies
end

-- All or none: look at all of them, write what does no harm without the records, and then the records. Nobody sees some
-- of them without the others, so those that are written can be taken back.
local new, fingerprints, expiries, refused = {}, {}, {}, false
for i = 7, #ARGV, 5 do
    local id, fingerprint = ARGV[i], ARGV[i + 1]
    local found
    if not fingerprints[id] then
        found = alone(before, i)
    elseif fingerprints[id] == fingerprint then
        found = { 'replayed', 'pending', int(now), false, false, false, expiries[id] }
    else
        found = { 'other' }
    end
    if not found then
        new[#new + 1], fingerprints[id], expiries[id] = i, fingerprint, ARGV[i + 3]
        found = { 'accepted', int(now) }
    end
    refused = refused or not (found[1] == 'accepted' or found[1] == 'replayed')
    replies[#replies + 1] = found
end
if refused then
    for n, reply in ipairs(replies) do
        if reply[1] ~= 'other' and fingerprints[ARGV[5 * n + 2]] then replies[n] = { 'left' } end
    end
    return replies
end

local function store()
    if #new == 0 then return end
    count(#new)
    local ids = {}
    for n, i in ipairs(new) do
        make_deliverable(at, ARGV[i], KEYS[2] .. ARGV[i], ARGV[i + 2])
        note_expiry(at, ARGV[i], ARGV[i + 3])
        ids[n] = ARGV[i]
    end
    list_accepted(at, unpack(ids))
    for _, i in ipairs(new) do write_record(at, KEYS[1] .. ARGV[i], ARGV[i + 1], ARGV[i + 3], ARGV[i + 4]) end
    committed()
end

local ok, failure = try(store)
if not ok then
    for _, i in ipairs(new) do redis.pcall('DEL', KEYS[1] .. ARGV[i], KEYS[2] .. ARGV[i]) end
    error(failure, 0)
end
return replies
