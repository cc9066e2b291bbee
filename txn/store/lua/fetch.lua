-- fetch: acknowledge what was processed and take the next messages, in one round trip. With nothing to do it writes nothing.
--
-- KEYS   1 queue (list)   2 queue's messages (hash)   3 this consumer's ack set   4 posting   5 probes   6 in_flight
--        7 count
-- ARGV   1 how many   2 shift   3 ... ids of messages to acknowledge
-- reply  { id, body, id, body, ... }, oldest first

local queue, bodies, acks = KEYS[1], KEYS[2], KEYS[3]
-- Lua hands a few thousand values on at a time, and Redis is never busy with us for long.
local MOST = 1000

if #ARGV > 2 then
    local processed, ours = { unpack(ARGV, 3) }, {}
    -- Only what is still ours: the reaper may have given it to somebody else.
    for i, held in ipairs(redis.call('SMISMEMBER', acks, unpack(processed))) do
        if held == 1 then ours[#ours + 1] = processed[i] end
    end
    if #ours > 0 then
        redis.call('HDEL', bodies, unpack(ours))
        redis.call('SREM', acks, unpack(ours))
    end
end

-- Redis 6.2 logs an LPOP that found nothing as an empty transaction, so look before.
local wanted = math.min(tonumber(ARGV[1]), redis.call('LLEN', queue), MOST)
if wanted < 1 then return {} end
-- What would only be refused stays where it is. A message for a probe is offered by due.lua.
local state = redis.call('HMGET', KEYS[4], 'breaker', 'cap', 'probe_at', 'paused', 'paused_until', 'offered',
    'most', 'pace', 'next_at', 'counted_from', 'hold_until')
if state[1] or state[4] then
    wanted = math.min(wanted, (gate(state, KEYS[5], clock(ARGV[2]))))
    if wanted < 1 or (state[1] == 'open' and not state[6]) then return {} end
end

local limits = { unpack(state, 7, 11) }
local pace = tonumber(limits[2])
local is_limited, now = tonumber(limits[1]) or pace, nil
if is_limited or limits[5] then
    now = clock(ARGV[2])
    wanted = math.min(wanted, (room_within(limits, KEYS[6], KEYS[7], now, ARGV[2])))
    if wanted < 1 then return {} end
end

local reply, taken = {}, {}
local ids = redis.call('LRANGE', queue, 0, wanted - 1)
for i, body in ipairs(redis.call('HMGET', bodies, unpack(ids))) do
    if body then
        taken[#taken + 1] = ids[i]
        reply[#reply + 1] = ids[i]
        reply[#reply + 1] = body
    end
end
-- A place for each until its claim, which needs none then. One that is in flight already keeps its own.
if is_limited and #taken > 0 then
    if pace then take_out(KEYS[4], pace, limits[3], ARGV[2], #taken) end
    local places = {}
    for _, id in ipairs(taken) do
        places[#places + 1] = int(now + KEPT_MS)
        places[#places + 1] = id:match('^[^~]*')
    end
    redis.call('ZADD', KEYS[6], 'GT', unpack(places))
end
-- In the ack set before it leaves the list, so that it is always in one of them; and if it stays in the list, only there.
if #taken > 0 then redis.call('SADD', acks, unpack(taken)) end
local popped, failure = pcall(redis.call, 'LPOP', queue, wanted)
if not popped then
    if #taken > 0 then redis.call('SREM', acks, unpack(taken)) end
    error(failure, 0)
end
return reply
