-- requeue: give back everything in the ack set beyond what the consumer knows that it holds.
-- That is what a fetch or an ack whose answer was lost has left there, and at the end everything that was not processed.
--
-- KEYS   1 queue (list)   2 queue's messages (hash)   3 this consumer's ack set
-- ARGV   ids that the consumer holds
-- reply  how many went back, to the head of the queue: they have waited longest

local held = {}
for _, id in ipairs(ARGV) do held[id] = true end

local returned = 0
for _, id in ipairs(redis.call('SMEMBERS', KEYS[3])) do
    if not held[id] then
        redis.call('SREM', KEYS[3], id)
        if redis.call('HEXISTS', KEYS[2], id) == 1 then
            redis.call('LPUSH', KEYS[1], id)
            returned = returned + 1
        end
    end
end
return returned
