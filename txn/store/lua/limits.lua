-- Limits on what goes out, in the hash `posting`, and how they are kept. Model: tests/model/limits.py.
--
--   most, pace   most deliveries in flight, and microseconds from one to the next; nothing or empty: no limit
--   rate         `pace` as the operator said it      next_at   the bucket is full again then (microseconds)
--   limited, limited_at   who and why, as a line of JSON, and when
--   counted_from   from then on `in_flight` holds all that are in flight: before, there was no limit
--   hold_until   the posting service has asked to be left alone until then
--   turned_back  1: there are some in the zset of that name
--
-- `in_flight` (zset, by the end of the lease): one place each. Who fetches a message keeps a place for it for a moment;
-- the claim takes that place, and settle gives it back, or the end of the lease does. `turned_back` (zset, by
-- `submitted`) are those that were claimed without a place: due.lua puts them at the head of the queue again.

-- So long a place is kept for a message on its way to a claim.
local KEPT_MS = 2000
-- No wait that the posting service asks for is longer.
local LONGEST_HOLD_MS = 60000
-- The bucket holds so many microseconds' worth, and one delivery at least.
local BUCKET_US = 100000

-- For how many ms the posting service wants to be left alone. A longer time is from before the clock was set back.
local function held_ms(hold_until, now)
    local left = (tonumber(hold_until) or 0) - now
    return left <= LONGEST_HOLD_MS and math.max(left, 0) or 0
end

-- Whether to be asked to wait is about everybody: half of the latest calls failed, of two transactions at least. A few
-- among many that go well, or one alone again and again, do not hold the others up. `window`: see breaker.lua.
local function is_about_all(window)
    local failures, first, is_alone = 0, nil, true
    for who in (window or ''):gmatch('...') do
        if who ~= '...' then
            failures, first, is_alone = failures + 1, first or who, is_alone and who == (first or who)
        end
    end
    return not is_alone and failures * 6 >= #window
end

-- How much of the bucket is used, in microseconds' worth of deliveries that have begun; its size; and the time.
local function filled(pace, next_at, shift)
    local time = redis.call('TIME')
    local now_us = time[1] * 1000000 + time[2] + shift * 1000
    local size, used = math.max(pace, BUCKET_US), math.max((tonumber(next_at) or 0) - now_us, 0)
    -- More than it holds was taken out before the clock was set back, or at another rate.
    return used <= size + 1 and used or 0, size, now_us
end

-- How many deliveries hold a place. `count` knows those that began before there was a limit.
local function places_held(counted_from, in_flight, count, now)
    if now >= (tonumber(counted_from) or 0) then return redis.call('ZCOUNT', in_flight, '(' .. int(now), '+inf') end
    return (tonumber(redis.call('HGET', count, 'processing')) or 0)
        + redis.call('ZCOUNT', in_flight, '(' .. int(now), int(now + KEPT_MS))
end

-- How many more deliveries may begin now; if none, for how many ms at least. Writes nothing.
-- `limits`: most, pace, next_at, counted_from, hold_until.
local function room_within(limits, in_flight, count, now, shift)
    local wait, room, most, pace = held_ms(limits[5], now), math.huge, tonumber(limits[1]), tonumber(limits[2])
    if wait > 0 then return 0, wait end
    if most then room = most - places_held(limits[4], in_flight, count, now) end
    if pace then
        local used, size = filled(pace, limits[3], shift)
        room = math.min(room, math.floor((size - used) / pace))
        wait = (used + pace - size) / 1000
    end
    return room, math.max(wait, 50)
end

-- Takes so many out of the bucket.
local function take_out(posting, pace, next_at, shift, how_many)
    local used, _, now_us = filled(pace, next_at, shift)
    redis.call('HSET', posting, 'next_at', int(now_us + used + how_many * pace))
end
