-- bulk_step: one chunk of a run. Replays or discards, advances the cursor and counts, all or nothing: a worker that dies
-- before or after it has lost and doubled nothing, and whoever had lost the lease changes nothing.
--
-- KEYS   1 bulk:<run>   2 runs that are not over   3 journal   4 t: stem   5 due   6 count   7 failed
--        8 failed:<code> stem   9 the queue's dead letters   10 their messages
-- ARGV   1 run   2 worker   3 lease ms   4 cursor that the chunk was read behind   5 new cursor   6 looked at
--        7 1: nothing is left   8 history line   9 shift   10 ... ids
-- reply  'moved' | 'finished' | 'over' | 'lost' (the lease) | 'elsewhere' (the cursor)

local RATE_MS = 3000
local run, now = KEYS[1], clock(ARGV[9])
local r = redis.call('HMGET', run, 'state', 'owner', 'cursor', 'before', 'what', 'looked', 'mark', 'mark_looked', 'started')
if r[1] ~= 'running' then return 'over' end
if r[2] ~= ARGV[2] then return 'lost' end
if r[3] ~= ARGV[4] then return 'elsewhere' end

local at = { due = KEYS[5], count = KEYS[6], failed = KEYS[7], codes = KEYS[8], dead = KEYS[9], dead_bodies = KEYS[10] }
local done, gone = 0, 0
for i = 10, #ARGV do
    local id = ARGV[i]
    local failed_at = tonumber(redis.call('ZSCORE', KEYS[7], id))
    -- Somebody else was here since the chunk was read, or it has failed anew.
    local there = failed_at and failed_at <= tonumber(r[4])
    if there and operate(r[5], at, KEYS[4] .. id, id, ARGV[8], now) == 'done' then done = done + 1 else gone = gone + 1 end
end

local looked = (tonumber(r[6]) or 0) + ARGV[6]
redis.call('HSET', run, 'cursor', ARGV[5], 'lease', int(now + ARGV[3]), 'moved', int(now), 'looked', looked)
redis.call('HINCRBY', run, 'done', done)
redis.call('HINCRBY', run, 'gone', gone)

-- Letters a second, over the latest seconds.
local mark, mark_looked = tonumber(r[7]) or tonumber(r[9]), tonumber(r[8]) or 0
if now - mark >= RATE_MS then
    redis.call('HSET', run, 'rate', int((looked - mark_looked) * 1000 / (now - mark)), 'mark', int(now), 'mark_looked', looked)
end

if ARGV[7] ~= '1' then return 'moved' end
redis.call('HSET', run, 'state', 'done', 'finished', int(now))
redis.call('ZREM', KEYS[2], ARGV[1])
local all = redis.call('HMGET', run, 'by', 'done')
write_journal(KEYS[3], 'by', all[1], 'what', r[5] .. ' all: finished', 'count', all[2], 'run', ARGV[1])
return 'finished'
