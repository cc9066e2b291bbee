-- callback_operate: an operator has given-up callbacks sent again, or discards them, and the journal says which. Repeating it
-- changes nothing.
--
-- KEYS   1 callbacks (lanes)   2 callbacks_dead   3 count   4 journal
-- ARGV   1 replay | discard   2 who   3 why   4 shift   5 ... names, each once
-- reply  { 'done' | 'unknown' | 'not_dead', ... }, one for each name

local callbacks, dead, count, what, now = KEYS[1], KEYS[2], KEYS[3], ARGV[1], clock(ARGV[4])

local reply, wanted = {}, {}
local function verdict_on(name)
    local r = redis.call('HMGET', callbacks .. ':' .. name, 'died', 'lane', 'transaction')
    if r[3] and (r[1] or '') ~= '' then return 'done', r end
    redis.call('ZREM', dead, name)  -- what a replay or discard could not tidy up
    return r[3] and 'not_dead' or 'unknown'
end
for i = 5, #ARGV do
    local verdict, r = verdict_on(ARGV[i])
    reply[#reply + 1] = verdict
    if r then wanted[#wanted + 1] = { name = ARGV[i], lane = r[2], transaction = r[3] } end
end

local function operate_on(one)
    local callback = callbacks .. ':' .. one.name
    raise(count, 'callbacks_dead', -1)
    if what == 'discard' then
        redis.call('DEL', callback)
    else
        raise(count, 'callbacks_waiting', 1)
        redis.call('ZADD', callbacks, 'LT', int(now), one.lane)
        redis.call('ZADD', callbacks .. ':to:' .. one.lane, int(now), one.name)
        redis.call('HSET', callback, 'died', '', 'tries', 0, 'since', '', 'owner', '')
    end
    committed()
    one.is_done = true
    redis.call('ZREM', dead, one.name)
end

local function entry(some)
    local ids = {}
    for _, one in ipairs(some) do ids[#ids + 1] = one.transaction end
    return 'by', ARGV[2], 'what', what .. ' callbacks', 'why', ARGV[3], 'count', #ids, 'ids', table.concat(ids, ' ')
end

local function work()
    for _, one in ipairs(wanted) do operate_on(one) end
end

if #wanted == 0 then return reply end
local ok, failure = pcall(journalled, KEYS[4], work, entry(wanted))
if ok then return reply end
-- Some may be done, and stay so: the journal says which.
local done = {}
for _, one in ipairs(wanted) do
    if one.is_done then done[#done + 1] = one end
end
if #done > 0 then journalled(KEYS[4], function() end, entry(done)) end
error(failure, 0)
