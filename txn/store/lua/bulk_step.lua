-- bulk_step: one chunk of a run. Replays or discards, counts, and advances the cursor: a worker that dies before or after
-- it has lost and doubled nothing, and whoever had lost the lease changes nothing. If a write fails on the way, what is
-- done is counted, and the cursor stays: the rest is in the next chunk that is read from there.
--
-- KEYS   1 bulk:<run>   2 runs that are not over   3 journal   4 t: stem   5 due   6 count   7 failed
--        8 failed:<code> stem   9 the queue's dead letters   10 their messages
-- ARGV   1 run   2 worker   3 lease ms   4 cursor that the chunk was read behind   5 new cursor   6 looked at
--        7 1: nothing is left   8 history line   9 shift   10 ... ids
-- reply  'moved' | 'finished' | 'over' | 'lost' (the lease) | 'elsewhere' (the cursor)

local RATE_MS = 3000
local run, now = KEYS[1], clock(ARGV[9])
local r = redis.call('HMGET', run, 'state', 'owner', 'cursor', 'before', 'what', 'looked', 'mark', 'mark_looked',
    'started', 'by', 'done')
if r[1] ~= 'running' then return 'over' end
if r[2] ~= ARGV[2] then return 'lost' end
if r[3] ~= ARGV[4] then return 'elsewhere' end

local at = { due = KEYS[5], count = KEYS[6], failed = KEYS[7], codes = KEYS[8], dead = KEYS[9], dead_bodies = KEYS[10] }
local done, looked = tonumber(r[11]) or 0, (tonumber(r[6]) or 0) + ARGV[6]
for i = 10, #ARGV do
    local id = ARGV[i]
    local record, failed_at = KEYS[4] .. id, tonumber(redis.call('ZSCORE', KEYS[7], id))
    -- Somebody else was here since the chunk was read, or it has failed anew.
    local there = failed_at and failed_at <= tonumber(r[4])
    local verdict = there and operable(r[5], at, record, id)
    if verdict == 'half' then
        operate(r[5], true, at, record, id, ARGV[8], now)
        looked = looked - 1
    else
        raise(run, 'looked', 1)
        if verdict == 'done' then
            raise(run, 'done', 1)
            operate(r[5], false, at, record, id, ARGV[8], now)
            done = done + 1
        else
            raise(run, 'gone', 1)
            committed()
        end
    end
end

local moved = { 'cursor', ARGV[5], 'lease', int(now + ARGV[3]), 'moved', int(now), 'looked', looked, 'done', done }
-- Letters a second, over the latest seconds.
local mark, mark_looked = tonumber(r[7]) or tonumber(r[9]), tonumber(r[8]) or 0
if now - mark >= RATE_MS then
    for _, item in ipairs({ 'rate', int((looked - mark_looked) * 1000 / (now - mark)), 'mark', int(now), 'mark_looked', looked }) do
        moved[#moved + 1] = item
    end
end
if ARGV[7] ~= '1' then
    redis.call('HSET', run, unpack(moved))
    return 'moved'
end

journalled(KEYS[3], function()
    redis.call('HSET', run, 'state', 'done', 'finished', int(now), unpack(moved))
end, 'by', r[10], 'what', r[5] .. ' all: finished', 'count', done, 'run', ARGV[1])
-- Where this fails, bulk_take.lua does it.
redis.call('ZREM', KEYS[2], ARGV[1])
return 'finished'
