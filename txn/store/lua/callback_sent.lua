-- callback_sent: write down how one sending of a callback ended. Only who has taken it last can, and only once.
--
-- KEYS   1 callbacks (lanes)   2 callbacks_dead   3 count
-- ARGV   1 name   2 owner   3 told | again | gone (it is no use to send it again)   4 wait ms   5 why
--        6 ms after its first failure from which on it is not sent again   7 shift
-- reply  'told' | 'again' | 'dead' | 'refused'

local callbacks, count, name, now = KEYS[1], KEYS[3], ARGV[1], clock(ARGV[7])
local callback = callbacks .. ':' .. name
local r = redis.call('HMGET', callback, 'owner', 'lane', 'tries', 'since')
if r[1] ~= ARGV[2] then return 'refused' end
local waiting = callbacks .. ':to:' .. r[2]

local function tidy()
    redis.call('ZREM', waiting, name)
    lane_again(callbacks, r[2])
end

if ARGV[3] == 'told' then
    raise(count, 'callbacks_waiting', -1)
    raise(count, 'callbacks_told', 1)
    redis.call('DEL', callback)
    committed()
    redis.call('ZREM', KEYS[2], name)  -- it may have been given up before, by half
    tidy()
    return 'told'
end

local since = tonumber(r[4]) or now
local next_at = now + ARGV[4]
local noted = { 'owner', '', 'tries', int((tonumber(r[3]) or 0) + 1), 'since', int(since), 'why', ARGV[5] }
raise(count, 'callbacks_failed', 1)
if ARGV[3] == 'again' and next_at - since <= tonumber(ARGV[6]) then
    redis.call('ZADD', waiting, int(next_at), name)
    redis.call('HSET', callback, unpack(noted))
    committed()
    lane_again(callbacks, r[2])
    return 'again'
end
raise(count, 'callbacks_waiting', -1)
raise(count, 'callbacks_dead', 1)
redis.call('ZADD', KEYS[2], int(now), name)
redis.call('HSET', callback, 'died', int(now), unpack(noted))
committed()
tidy()
return 'dead'
