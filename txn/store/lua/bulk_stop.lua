-- bulk_stop: end a run where it stands. What it has done stays done.
--
-- KEYS   1 bulk:<run>   2 runs that are not over   3 journal
-- ARGV   1 run   2 who   3 shift
-- reply  'stopped' | 'over' | 'unknown'

local r = redis.call('HMGET', KEYS[1], 'state', 'what', 'done')
if not r[1] then return 'unknown' end
if r[1] ~= 'running' then return 'over' end
journalled(KEYS[3], function()
    redis.call('HSET', KEYS[1], 'state', 'stopped', 'finished', int(clock(ARGV[3])), 'stopped_by', ARGV[2])
end, 'by', ARGV[2], 'what', r[2] .. ' all: stopped', 'count', r[3] or 0, 'run', ARGV[1])
-- Where this fails, bulk_take.lua does it.
redis.call('ZREM', KEYS[2], ARGV[1])
return 'stopped'
