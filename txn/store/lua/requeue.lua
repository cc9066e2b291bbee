-- requeue: give back everything in the ack set beyond what the consumer knows that it holds.
-- That is what a fetch or an ack whose answer was lost has left there, and at the end everything that was not processed.
--
-- KEYS   1 queue (list)   2 queue's messages (hash)   3 this consumer's ack set
-- ARGV   ids that the consumer holds
-- reply  how many went back

local held = {}
for _, id in ipairs(ARGV) do held[id] = true end

local unknown = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[3])) do
    if not held[id] then unknown[#unknown + 1] = id end
end
return give_back(KEYS[1], KEYS[2], KEYS[3], unknown)
