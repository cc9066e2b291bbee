-- operate: an operator replays or discards dead letters, and the journal says which. Repeating it changes nothing.
-- What is written to one record is in prelude.lua (`operate`, `put_back`), which bulk.lua shares.
--
-- KEYS   1 t: stem   2 due   3 count   4 failed   5 failed:<code> stem   6 the queue's dead letters   7 their messages
--        8 journal   9 changes
-- ARGV   1 replay | discard   2 history line   3 who   4 why   5 shift   6 ... ids
-- reply  { 'done' | 'unknown' | 'not_failed', ... }, one for each id

local what, line, now = ARGV[1], ARGV[2], clock(ARGV[5])
local at = { due = KEYS[2], count = KEYS[3], failed = KEYS[4], codes = KEYS[5], dead = KEYS[6], dead_bodies = KEYS[7],
    changes = KEYS[9] }

local reply, wanted, fresh, half = {}, {}, {}, {}
for i = 6, #ARGV do
    local id = ARGV[i]
    local verdict = half[id] == nil and operable(what, at, KEYS[1] .. id, id) or 'not_failed'
    half[id] = half[id] or verdict == 'half'
    if verdict == 'half' or verdict == 'done' then wanted[#wanted + 1] = id end
    if verdict == 'done' then fresh[#fresh + 1] = id end
    reply[#reply + 1] = verdict == 'half' and 'done' or verdict
end

local function entry(ids)
    return 'by', ARGV[3], 'what', what, 'why', ARGV[4], 'count', #ids, 'ids', table.concat(ids, ' ')
end

local function work()
    for _, id in ipairs(wanted) do operate(what, half[id], at, KEYS[1] .. id, id, line, now) end
end

if #fresh == 0 then
    work()
    return reply
end
local ok, failure = pcall(journalled, KEYS[8], work, entry(fresh))
if ok then return reply end
-- Some may be done, and stay so: the journal says which.
local done = {}
for _, id in ipairs(fresh) do
    if operable(what, at, KEYS[1] .. id, id) ~= 'done' then done[#done + 1] = id end
end
if #done > 0 then journalled(KEYS[8], function() end, entry(done)) end
error(failure, 0)
