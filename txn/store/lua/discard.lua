-- discard: an operator takes a dead letter off the list. The transaction stays `failed`; who, when and why is recorded.
--
-- KEYS   1 t:<id>   2 count   3 failed   4 failed:<code> stem   5 the queue's dead letters   6 their messages
-- ARGV   1 id   2 who, when and why, as one line of JSON
-- reply  'discarded' | 'unknown' | 'not_failed'

local record, id = KEYS[1], ARGV[1]
local r = redis.call('HMGET', record, 'status', 'code')
if not r[1] then return 'unknown' end
if r[1] ~= 'failed' or redis.call('ZREM', KEYS[3], id) == 0 then return 'not_failed' end

redis.call('ZREM', KEYS[4] .. r[2], id)
redis.call('ZREM', KEYS[5], id)
redis.call('HDEL', KEYS[6], id)
redis.call('HSET', record, 'discarded', ARGV[2])
redis.call('HINCRBY', KEYS[2], 'dead', -1)
return 'discarded'
