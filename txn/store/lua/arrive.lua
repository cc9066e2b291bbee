-- arrive: a worker process has connected to a server that was promoted, and says what it has seen. From the first arrival
-- on nobody posts for a moment, within which everybody who lives arrives: whoever has seen a claim that this server lacks
-- must be heard before another one, who has not, posts (model: tests/model/lost_past.py).
--
-- KEYS   1 epoch
-- ARGV   1 promotion: names it, the same for all   2 claims seen   3 lease ms   4 doubt window ms   5 moment ms   6 shift
-- reply  claims

local now = clock(ARGV[6])
local _, claims = quarantine(KEYS[1], tonumber(ARGV[2]), now, tonumber(ARGV[3]), tonumber(ARGV[4]))
if redis.call('HGET', KEYS[1], 'promotion') ~= ARGV[1] then
    redis.call('HSET', KEYS[1], 'promotion', ARGV[1], 'moment', int(now + ARGV[5]))
end
return claims
