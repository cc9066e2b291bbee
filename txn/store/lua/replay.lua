-- replay: an operator sends a failed transaction on its way again. Its doubt and its history stay, so that the next delivery
-- is exactly as careful as any other.
--
-- KEYS   1 t:<id>   2 due   3 count   4 failed   5 failed:<code> stem   6 the queue's dead letters   7 their messages
-- ARGV   1 id   2 history line   3 shift
-- reply  'replayed' | 'unknown' | 'not_failed'

local record, id, now = KEYS[1], ARGV[1], clock(ARGV[3])
local r = redis.call('HMGET', record, 'status', 'code', 'history')
if not r[1] then return 'unknown' end
if r[1] ~= 'failed' then return 'not_failed' end

if redis.call('ZREM', KEYS[4], id) == 1 then redis.call('HINCRBY', KEYS[3], 'dead', -1) end
redis.call('ZREM', KEYS[5] .. r[2], id)
redis.call('ZREM', KEYS[6], id)
redis.call('HDEL', KEYS[7], id)
redis.call('HDEL', record, 'code', 'detail', 'completed', 'discarded')
redis.call('HSET', record, 'status', 'pending', 'next', int(now), 'history', (r[3] or '') .. int(now) .. ' ' .. ARGV[2] .. '\n')
redis.call('ZADD', KEYS[2], int(now), id)
redis.call('HINCRBY', KEYS[3], 'pending', 1)
redis.call('HINCRBY', KEYS[3], 'replayed', 1)
return 'replayed'
