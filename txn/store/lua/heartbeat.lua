-- heartbeat: say that this consumer lives and what it is, and give back what consumers hold that do not live.
--
-- KEYS   1 heartbeats (zset)   2 queue (list)   3 queue's messages (hash)   4 ack sets' stem   5 count
--        6 what this consumer says of itself (hash, expires)   7 events (stream)
-- ARGV   1 consumer   2 queue name   3 dead after ms   4 shift   5 ms for which 6 is kept   6 ... field, value, ...
-- reply  how many messages went back

local now, returned = clock(ARGV[4]), 0
redis.call('ZADD', KEYS[1], int(now), ARGV[1])
if #ARGV > 5 then
    redis.call('HSET', KEYS[6], unpack(ARGV, 6))
    redis.call('PEXPIRE', KEYS[6], ARGV[5])
end

-- A heartbeat from later than now is from before the clock was set back: who lives will say so again.
for _, ahead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], int(now + ARGV[3]), '+inf', 'LIMIT', 0, 10)) do
    redis.call('ZADD', KEYS[1], int(now), ahead)
end

-- For people to read: it must not hold anything up.
local EVENTS = 10000
local function tell(dead, beat, back)
    local about = KEYS[6]:sub(1, -#ARGV[1] - 1) .. dead
    local r = fields(about, 'host', 'pid', 'in_flight')
    local name = r[1] and r[2] and r[1] .. ':' .. r[2] or dead
    redis.pcall('XADD', KEYS[7], 'MAXLEN', '~', EVENTS, '*', 'what', 'worker', 'is', 'gone', 'since', int(beat), 'detail', name,
        'returned', int(back), 'in_flight', r[3] or 0)
    redis.pcall('DEL', about)
end

local function reap(dead)
    local acks, beat, before = KEYS[4] .. dead .. '.' .. ARGV[2], tonumber(redis.call('ZSCORE', KEYS[1], dead)) or now, returned
    for _, id in ipairs(redis.call('SMEMBERS', acks)) do
        if redis.call('HEXISTS', KEYS[3], id) == 1 then raise(KEYS[5], 'reaped', 1) end
        returned = returned + give_back(KEYS[2], KEYS[3], acks, { id })
        committed()
    end
    if redis.call('ZREM', KEYS[1], dead) == 1 then tell(dead, beat, returned - before) end
end

-- Whoever cannot be reaped now has his turn again, and holds up neither the others nor who is alive.
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now - ARGV[3]), 'LIMIT', 0, 10)) do
    if not try(reap, dead) then redis.call('ZADD', KEYS[1], int(now - ARGV[3] / 2), dead) end
end
return returned
