-- accept: store a transaction, its place in the due index and its wake-up, all or nothing. Repeating it changes nothing.
--
-- KEYS   1 t:<id>   2 p:<id>   3 due   4 count   5 minute stem   6 queue (list)   7 queue's messages (hash)
-- ARGV   1 id   2 fingerprint   3 payload   4 grace ms   5 message template   6 shift
-- reply  { 'accepted', submitted ms }
--        { 'replayed' | 'other', status, submitted ms, completed ms | nil, code | nil, detail | nil }

local record, id, fingerprint = KEYS[1], ARGV[1], ARGV[2]
local now = clock(ARGV[6])

local known = redis.call('HMGET', record, 'fingerprint', 'status', 'submitted', 'completed', 'code', 'detail')
if known[1] then
    return { known[1] == fingerprint and 'replayed' or 'other', known[2], known[3], known[4], known[5], known[6] }
end

redis.call('HSET', record, 'status', 'pending', 'fingerprint', fingerprint, 'submitted', int(now))
redis.call('SET', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[3], int(now + ARGV[4]), id)
redis.call('HINCRBY', KEYS[4], 'pending', 1)
tally(KEYS[4], KEYS[5], now, 'accepted')
redis.call('HSET', KEYS[7], id, message_body(ARGV[5], id, id, now))
redis.call('RPUSH', KEYS[6], id)
return { 'accepted', int(now) }
