-- rights: may this user run what the other scripts run, on keys under the prefix? Leaves nothing behind.
--
-- KEYS   1-5 a key for a string, a hash, a list, a set and a sorted set   6 one for a stream
-- reply  { command refused for want of a right, ... }

local s, h, l, set, z, x = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local CALLS = {
    { 'SET', s, '1', 'PX', 10000 }, { 'GET', s }, { 'EXISTS', s }, { 'EXPIRE', s, 10 }, { 'PEXPIRE', s, 10000 }, { 'TIME' },
    { 'SCAN', '0', 'MATCH', s, 'COUNT', 1 },
    { 'HSET', h, 'a', 1 }, { 'HSETNX', h, 'a', 1 }, { 'HINCRBY', h, 'a', 1 }, { 'HGET', h, 'a' }, { 'HMGET', h, 'a' },
    { 'HGETALL', h }, { 'HEXISTS', h, 'a' }, { 'HDEL', h, 'a' },
    { 'LPUSH', l, 'a' }, { 'RPUSH', l, 'b' }, { 'LINDEX', l, 0 }, { 'LLEN', l }, { 'LRANGE', l, 0, 1 }, { 'LPOP', l },
    { 'SADD', set, 'a' }, { 'SCARD', set }, { 'SMEMBERS', set }, { 'SRANDMEMBER', set }, { 'SMISMEMBER', set, 'a' }, { 'SREM', set, 'a' },
    { 'ZADD', z, 1, 'a' }, { 'ZCARD', z }, { 'ZCOUNT', z, 0, 1 }, { 'ZRANGE', z, 0, 0 }, { 'ZREVRANGE', z, 0, 0 },
    { 'ZRANDMEMBER', z }, { 'ZRANGEBYSCORE', z, 0, 1 }, { 'ZSCORE', z, 'a' }, { 'ZREM', z, 'a' },
    { 'XADD', x, '*', 'a', 1 }, { 'XDEL', x, '0-1' },
}

-- How Redis 7, Valkey and Redis 6 say it; they may also be full, which is another matter.
local function is_refusal(reply)
    local said = type(reply) == 'table' and reply.err or ''
    return said:find('ACL failure', 1, true) or said:find('NOPERM', 1, true)
        or said:find('user executing the script', 1, true)
end

local refused = {}
local function try(call)
    if is_refusal(redis.pcall(unpack(call))) then refused[#refused + 1] = call[1] end
end

for _, call in ipairs(CALLS) do try(call) end
try({ 'DEL', unpack(KEYS) })
return refused
