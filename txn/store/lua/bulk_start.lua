-- bulk_start: begin a run over all dead letters that a filter names and that have failed by now. Repeating it begins no second one.
--
-- KEYS   1 bulk:<run>   2 runs by their start   3 runs that are not over   4 the index that the run walks   5 journal
--        6 bulk: stem
-- ARGV   1 run   2 since ms | ''   3 until ms | ''   4 replay | discard   5 who   6 why   7 filter (JSON)   8 runs kept   9 shift
-- reply  'started' | 'known'

local run, id, now = KEYS[1], ARGV[1], clock(ARGV[9])
if redis.call('EXISTS', run) == 1 then return 'known' end

-- What a replay sends on its way, and fails again, fails after `before`: no run touches a transaction twice.
local before = math.min(now, tonumber(ARGV[3]) or now)
-- The score behind which the next look begins.
local cursor = (tonumber(ARGV[2]) or 0) - 1
local total = redis.call('ZCOUNT', KEYS[4], '(' .. int(cursor), int(before))

-- An id without its hash is passed over by whoever reads these two.
redis.call('ZADD', KEYS[2], int(now), id)
redis.call('ZADD', KEYS[3], int(now), id)
for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, -ARGV[8] - 1)) do
    if not redis.call('ZSCORE', KEYS[3], old) then
        redis.call('DEL', KEYS[6] .. old)
        redis.call('ZREM', KEYS[2], old)
    end
end
journalled(KEYS[5], function()
    redis.call('HSET', run, 'what', ARGV[4], 'by', ARGV[5], 'why', ARGV[6], 'filter', ARGV[7], 'state', 'running',
        'started', int(now), 'before', int(before), 'cursor', int(cursor), 'total', total)
end, 'by', ARGV[5], 'what', ARGV[4] .. ' all', 'why', ARGV[6], 'count', total, 'run', id)
return 'started'
