-- heartbeat: say that this consumer lives, and give back what consumers hold that do not.
--
-- KEYS   1 heartbeats (zset)   2 queue (list)   3 queue's messages (hash)   4 ack sets' stem
-- ARGV   1 consumer   2 queue name   3 dead after ms   4 shift
-- reply  how many messages went back, to the head of the queue

local now, returned = clock(ARGV[4]), 0
redis.call('ZADD', KEYS[1], int(now), ARGV[1])

for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now - ARGV[3]), 'LIMIT', 0, 10)) do
    local acks = KEYS[4] .. dead .. '.' .. ARGV[2]
    for _, id in ipairs(redis.call('SMEMBERS', acks)) do
        if redis.call('HEXISTS', KEYS[3], id) == 1 then
            redis.call('LPUSH', KEYS[2], id)
            returned = returned + 1
        end
    end
    redis.call('DEL', acks)
    redis.call('ZREM', KEYS[1], dead)
end
return returned
