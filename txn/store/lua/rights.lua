-- rights: may this user run what the other scripts run, on keys under the prefix, and do our keys hold what they must?
-- Leaves nothing behind.
--
-- KEYS   1-5 a key for a string, a hash, a list, a set and a sorted set   6 one for a stream
-- ARGV   type, key, ... of keys that are in use, or could be; of them nothing is changed
-- reply  { { command refused for want of a right, ... }, { key that may not be used, ... }, { key, its type, ... of a wrong one } }

local s, h, l, set, z, x = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local CALLS = {
    { 'SET', s, '1', 'PX', 10000 }, { 'GET', s }, { 'EXISTS', s }, { 'TYPE', s }, { 'EXPIRE', s, 10 }, { 'PEXPIRE', s, 10000 },
    { 'TIME' }, { 'SCAN', '0', 'MATCH', s, 'COUNT', 1 },
    { 'HSET', h, 'a', 1 }, { 'HINCRBY', h, 'a', 1 }, { 'HGET', h, 'a' }, { 'HMGET', h, 'a' },
    { 'HGETALL', h }, { 'HEXISTS', h, 'a' }, { 'HDEL', h, 'a' },
    { 'LPUSH', l, 'a' }, { 'RPUSH', l, 'b' }, { 'LINDEX', l, 0 }, { 'LLEN', l }, { 'LRANGE', l, 0, 1 }, { 'LPOP', l },
    { 'RPOP', l, 1 },
    { 'SADD', set, 'a' }, { 'SCARD', set }, { 'SMEMBERS', set }, { 'SRANDMEMBER', set }, { 'SMISMEMBER', set, 'a' },
    { 'SREM', set, 'a' },
    { 'ZADD', z, 1, 'a' }, { 'ZCARD', z }, { 'ZCOUNT', z, 0, 1 }, { 'ZRANGE', z, 0, 0 }, { 'ZREVRANGE', z, 0, 0 },
    { 'ZRANDMEMBER', z }, { 'ZSCAN', z, '0' }, { 'ZRANGEBYSCORE', z, 0, 1 }, { 'ZSCORE', z, 'a' }, { 'ZRANK', z, 'a' },
    { 'ZREM', z, 'a' },
    { 'XADD', x, '*', 'a', 1 }, { 'XRANGE', x, '-', '+' }, { 'XREVRANGE', x, '+', '-' }, { 'XDEL', x, '0-1' },
}

-- How Redis 7, Valkey and Redis 6 say it; they may also be full, which is another matter.
local function is_refusal(reply)
    local said = type(reply) == 'table' and reply.err or ''
    return said:find('ACL failure', 1, true) or said:find('NOPERM', 1, true)
        or said:find('user executing the script', 1, true)
end

local commands, is_refused = {}, {}
local function try_call(call)
    if is_refusal(redis.pcall(unpack(call))) then
        commands[#commands + 1] = call[1]
        is_refused[call[1]] = true
    end
end

for _, call in ipairs(CALLS) do try_call(call) end
-- Should DEL be what is missing.
for _, key in ipairs(KEYS) do redis.pcall('EXPIRE', key, 10) end
try_call({ 'DEL', unpack(KEYS) })

-- A write that comes to nothing: rights are looked at before arguments.
local nothing = is_refused.EXPIRE and { 'TYPE' } or { 'EXPIRE', '', 'no number' }
local keys, wrong = {}, {}
for i = 1, #ARGV, 2 do
    local key = ARGV[i + 1]
    nothing[2] = key
    if not is_refused[nothing[1]] and is_refusal(redis.pcall(unpack(nothing))) then
        keys[#keys + 1] = key
    elseif not is_refused.TYPE then
        local is = redis.pcall('TYPE', key).ok
        if is and is ~= 'none' and is ~= ARGV[i] then
            wrong[#wrong + 1] = key
            wrong[#wrong + 1] = is
        end
    end
end
return { commands, keys, wrong }
