-- accept: store transactions, each with its place in the due index and its wake-up, all or nothing of it; or, if that is
-- asked for, all or nothing of all of them. Repeating it changes nothing, but for what is missing of a transaction that was
-- half stored (by an older version, or by hand): that is completed.
--
-- The caller bounds how many there are: nobody else is served meanwhile.
--
-- KEYS   1 t: stem   2 p: stem   3 due   4 count   5 minute stem   6 queue (list)   7 queue's messages (hash)
--        8 accepted stem   9 accepted_hours   10 expiring
-- ARGV   1 1: all of them or none   2 grace ms   3 message template   4 shift   5 ... of each:
--        id   fingerprint   payload   client | ''   when it expires (ms) | ''   traceparent | ''
--        where its callback goes: a URL, client, or ''
-- reply  one for each: { 'accepted', submitted ms }
--        { 'foreign' }: the id is another client's
--        { 'replayed' | 'other', status, submitted ms, completed ms | nil, code | nil, detail | nil,
--          when it expires (ms) | nil }
--        { 'past', now ms }: it is not known, and has expired already
--        { 'unreadable' }: its key holds something else
--        of all or none, { 'left' }: it could be stored, and was not, because of others

uses_reserve = false
local FIRST, WIDTH = 5, 7
local count, now = KEYS[4], clock(ARGV[4])
local at = { due = KEYS[3], grace = ARGV[2], template = ARGV[3], now = now,
    accepted = KEYS[8], hours = KEYS[9] }

-- An id in the list without a body is dropped by whoever fetches it; a body without its id in the list would excuse its
-- transaction for a while.
function at.queue(items)
    local messages, bodies = {}, {}
    for _, it in ipairs(items) do
        -- So that it fails when it has expired, whatever goes out then.
        if it.deliver_by then redis.call('ZADD', KEYS[10], it.deliver_by, it.id) end
        if it.payload then redis.call('SET', it.payload_key, it.payload) end
        if it.message then
            messages[#messages + 1] = it.message
            bodies[#bodies + 1], bodies[#bodies + 2] = it.message, it.body
        end
    end
    if #messages > 0 then
        redis.call('RPUSH', KEYS[6], unpack(messages))
        redis.call('HSET', KEYS[7], unpack(bodies))
    end
end

local function look(i)
    local id, fingerprint, payload, deliver_by = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 4]
    local record, payload_key = KEYS[1] .. id, KEYS[2] .. id
    at.client, at.trace = ARGV[i + 3], ARGV[i + 5]
    local found = accepted_before(at, record, id, fingerprint, payload_key, payload) or too_late(deliver_by, now)
    if found then return found end
    raise(count, 'pending', 1)
    tally(count, KEYS[5], now, 'accepted')
    make_deliverable(at, id, payload_key, payload)
    gathering.deliver_by = deliver_by ~= '' and deliver_by
    write_record(at, record, fingerprint, deliver_by, ARGV[i + 6])
    return { 'accepted', int(now) }
end

-- Of one whose key is of another type.
local function is_unreadable(id)
    local looked = redis.pcall('HMGET', KEYS[1] .. id, 'status')
    return looked.err and looked.err:find('WRONGTYPE', 1, true)
end

if ARGV[1] ~= '1' then
    local replies = each(FIRST, WIDTH, at, look)
    for n, reply in ipairs(replies) do
        if reply.err and is_unreadable(ARGV[FIRST + WIDTH * (n - 1)]) then replies[n] = { 'unreadable' } end
    end
    return replies
end

-- All or none: look at all of them, write what does no harm without the records, and then the records. Nobody sees some
-- of them without the others, so those that are written can be taken back.
local replies, items, new, refused = {}, {}, {}, false
for i = FIRST, #ARGV, WIDTH do
    local id, fingerprint = ARGV[i], ARGV[i + 1]
    local before, reply = new[id]
    if before and ARGV[before + 1] == fingerprint then
        reply = { 'replayed', 'pending', int(now), false, false, false, ARGV[before + 4] }
    elseif before then
        reply = { 'other' }
    else
        gathering = { id = id, raised = {} }
        local it, ok, found = gathering, pcall(look, i)
        gathering = nil
        if not ok and not is_unreadable(id) then error(found, 0) end
        reply = ok and found or { 'unreadable' }
        if reply[1] == 'accepted' then new[id] = i end
        if ok then items[#items + 1] = it end
    end
    refused = refused or not (reply[1] == 'accepted' or reply[1] == 'replayed')
    replies[#replies + 1] = reply
end
if refused then
    for n, reply in ipairs(replies) do
        if reply[1] ~= 'other' and new[ARGV[FIRST + WIDTH * (n - 1)]] then replies[n] = { 'left' } end
    end
end

local function store()
    local stored = {}
    for _, it in ipairs(items) do
        if not (refused and it.written) then stored[#stored + 1] = it end
    end
    raise_all(stored)
    write_harmless(stored, at)
    for _, it in ipairs(stored) do
        if it.listed then list_accepted(at, it) end
    end
    for _, it in ipairs(stored) do
        if it.written then redis.call('HSET', it.record, unpack(it.written)) end
    end
    committed()
end

local ok, failure = try(store)
if not ok then
    for _, it in ipairs(items) do
        if it.written and not refused then redis.pcall('DEL', it.record, it.payload_key) end
    end
    error(failure, 0)
end
return replies
