-- callbacks_due: take callbacks whose time has come, for one worker process to send: each is its owner's until the lease ends.
--
-- They wait in lanes, one for each receiver, so that one that does not answer holds up nobody else: of each lane a process
-- takes no more than it has room for. A lane's score is that of its first callback.
--
-- KEYS   1 callbacks (lanes)
-- ARGV   1 how many   2 how many of one lane   3 lease ms   4 owner   5 longest wait ms   6 shift
--        7 how many of all lanes together that are not proven to answer at once   8 of these, how many of lanes that fail
--        9 ... a lane, how many of it, and proven | unproven | failing. One that is not named is unproven.
-- reply  { name, { field, value, ... }, ... }

local callbacks, lease, longest, now = KEYS[1], tonumber(ARGV[3]), tonumber(ARGV[5]), clock(ARGV[6])
local left, room, taken = tonumber(ARGV[1]), {}, {}
local kind, left_of = {}, { proven = left, unproven = tonumber(ARGV[7]), failing = tonumber(ARGV[8]) }
for i = 9, #ARGV, 3 do room[ARGV[i]], kind[ARGV[i]] = tonumber(ARGV[i + 1]), ARGV[i + 2] end
local LANES = 1000

local function take(waiting, name)
    local callback = callbacks .. ':' .. name
    local r = redis.call('HGETALL', callback)
    local is_over = #r == 0
    for i = 1, #r, 2 do is_over = is_over or (r[i] == 'died' and r[i + 1] ~= '') end
    -- Its record could not be written, or what ended it could not take it out.
    if is_over then return redis.call('ZREM', waiting, name) end
    redis.call('ZADD', waiting, int(now + lease), name)
    redis.call('HSET', callback, 'owner', ARGV[4])
    taken[#taken + 1], taken[#taken + 2] = name, r
    left = left - 1
end

-- What is further away than any wait was set before the clock was set back.
local function bring_near(index)
    local beyond = redis.call('ZRANGEBYSCORE', index, '(' .. int(now + longest), '+inf', 'LIMIT', 0, LANES)
    for _, name in ipairs(beyond) do redis.call('ZADD', index, int(now), name) end
end

local function look_at(lane, most)
    local waiting = callbacks .. ':to:' .. lane
    bring_near(waiting)
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', waiting, '-inf', int(now), 'LIMIT', 0, most)) do
        -- One that cannot be taken must not hold the others up.
        if not try(take, waiting, name) then redis.call('ZADD', waiting, int(now + lease), name) end
    end
    lane_again(callbacks, lane)
end

local function offer(lane)
    local its_kind, before = kind[lane] or 'unproven', left
    local most = math.min(left, left_of[its_kind], room[lane] or tonumber(ARGV[2]))
    if its_kind == 'failing' then most = math.min(most, left_of.unproven) end
    if most > 0 and not try(look_at, lane, most) then redis.call('ZADD', callbacks, int(now + lease), lane) end
    left_of[its_kind] = left_of[its_kind] - (before - left)
    if its_kind == 'failing' then left_of.unproven = left_of.unproven - (before - left) end
end

bring_near(callbacks)
local more = redis.call('ZCOUNT', callbacks, '-inf', int(now)) - LANES
if more > 0 then
    -- Those for which there is no room stay the first. So whoever is known to answer is looked at by name.
    for i = 9, #ARGV, 3 do
        local due = ARGV[i + 2] == 'proven' and tonumber(redis.call('ZSCORE', callbacks, ARGV[i]))
        if due and due <= now then offer(ARGV[i]) end
    end
end
-- With more than can be looked at, another part of them each time.
local first = more > 0 and now % (more + 1) or 0
for _, lane in ipairs(redis.call('ZRANGEBYSCORE', callbacks, '-inf', int(now), 'LIMIT', int(first), LANES)) do offer(lane) end
return taken
