-- bulk_take: let one worker move a run on, until its lease ends. Holding on to it writes once in half a lease.
--
-- KEYS   1 bulk:<run>   2 runs that are not over
-- ARGV   1 run   2 worker   3 lease ms   4 shift
-- reply  'taken' | 'leased' (to somebody else) | 'over'

local run, now, lease = KEYS[1], clock(ARGV[4]), tonumber(ARGV[3])
local r = redis.call('HMGET', run, 'state', 'owner', 'lease')
local ends = tonumber(r[3]) or 0
if r[1] ~= 'running' then
    redis.call('ZREM', KEYS[2], ARGV[1])
    return 'over'
end
-- No lease is that long: it is from before the clock was set back.
if ends > now + lease then ends = 0 end
if r[2] ~= ARGV[2] and ends > now then return 'leased' end
if r[2] ~= ARGV[2] or ends < now + lease / 2 then
    redis.call('HSET', run, 'owner', ARGV[2], 'lease', int(now + lease))
end
return 'taken'
