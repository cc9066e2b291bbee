-- fetch: acknowledge what was processed and take the next messages, in one round trip. With nothing to do it writes nothing.
--
-- KEYS   1 queue (list)   2 queue's messages (hash)   3 this consumer's ack set
-- ARGV   1 how many   2 ... ids of messages to acknowledge
-- reply  { id, body, id, body, ... }, oldest first

for i = 2, #ARGV do
    -- Only what is still ours: the reaper may have given it to somebody else.
    if redis.call('SREM', KEYS[3], ARGV[i]) == 1 then redis.call('HDEL', KEYS[2], ARGV[i]) end
end

-- Redis 6.2 logs an LPOP that found nothing as an empty transaction, so look before.
local wanted = math.min(tonumber(ARGV[1]), redis.call('LLEN', KEYS[1]))
local ids = wanted > 0 and redis.call('LPOP', KEYS[1], wanted) or {}
local reply = {}
for _, id in ipairs(ids) do
    local body = redis.call('HGET', KEYS[2], id)
    if body then
        redis.call('SADD', KEYS[3], id)
        reply[#reply + 1] = id
        reply[#reply + 1] = body
    end
end
return reply
