-- due: look at unfinished transactions whose time has come, and queue those for which no message is on its way.
--
-- The transaction stays in the due index, with a later score: only settle takes it out. A message that is queued or held
-- excuses its transaction, but not for ever: held is not alive. The queue is first in, first out, so a transaction whose
-- message was pushed after the one that is now at the head may well stand behind it, however long that takes.
--
-- What is finished and still here was cut short after its record was written: that is completed. What has no record was
-- never accepted.
--
-- KEYS   1 due   2 t: stem   3 count   4 epoch   5 queue (list)   6 queue's messages (hash)   7 failed
--        8 failed:<code> stem   9 the queue's dead letters   10 their messages   11 p: stem   12 posting   13 outage
--        14 probes   15 in_flight   16 turned_back   17 minute stem   18 changes   19 expiring
--        20 callbacks
-- ARGV   1 how many   2 grace ms   3 patience ms   4 lease ms   5 doubt window ms   6 claims seen   7 message template
--        8 longest wait ms: no backoff, lease or doubt is longer   9 shift
-- reply  { looked at, queued or expired, claims, ids of the expired }

local due, t_stem, count, queue, bodies = KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[6]
local at = { due = due, failed = KEYS[7], codes = KEYS[8], dead = KEYS[9], dead_bodies = KEYS[10], count = count,
    minutes = KEYS[17], changes = KEYS[18], callbacks = KEYS[20] }
local grace, patience, lease, template = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[7]
local longest, now = tonumber(ARGV[8]), clock(ARGV[9])
local quarantined, claims = quarantine(KEYS[4], tonumber(ARGV[6]), now, lease, tonumber(ARGV[5]))

-- One round of looks is spread over a second per thousand that wait, so that a large backlog costs no more than a small one.
local function pause() return math.max(grace, redis.call('ZCARD', due)) end

-- A look that is further away than any can be was set before the clock was set back, and so were the times of the record.
local function is_beyond(score) return score and tonumber(score) > now + longest + pause() end
local function bring_near(id)
    local record = t_stem .. id
    local r = redis.call('HMGET', record, 'status', 'next', 'lease', 'doubt')
    local function limit(field, value, most)
        if (tonumber(value) or 0) > most then redis.call('HSET', record, field, int(most)) end
    end
    if r[1] then
        limit('doubt', r[4], now + lease + ARGV[5])
        limit('lease', r[3], now + lease)
        limit('next', r[2], now)
    end
    redis.call('ZADD', due, int(r[1] == 'processing' and now + lease or now), id)
end
if is_beyond(redis.call('ZREVRANGE', due, 0, 0, 'WITHSCORES')[2]) then
    local beyond = int(now + longest + pause())
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '(' .. beyond, '+inf', 'LIMIT', 0, ARGV[1])) do
        if not try(bring_near, id) then redis.call('ZADD', due, int(now), id) end
    end
end

-- What expires while it waits, and of which provably nothing was ever posted, fails at that moment: that needs neither a claim
-- nor a call, so nothing that holds deliveries up holds it up. Of all others a claim decides, with a GET.
local expiring, expired, EXPIRED = KEYS[19], {}, 'its deliverBy was over before anything was posted'
local function expire(id, record, attempts, r)
    local line = '{"attempt":' .. int(attempts) .. ',"mode":"expired","outcome":"expired","detail":"' .. EXPIRED
        .. '","http":null,"ms":0}'
    raise(count, 'dead', 1)
    fail_unposted(at, record, id, 'expired', EXPIRED, line, r, now)
    put_away(at, record, id, 'failed', 'expired', now, template)
    redis.call('ZREM', KEYS[13], id)
    expired[#expired + 1] = id
end
local function look_whether_expired(id)
    local record = t_stem .. id
    local r = redis.call('HMGET', record, 'status', 'deliver_by', 'attempts', 'unposted', 'doubt', 'submitted', 'lease',
        'history', 'client', 'callback', 'uncertain', 'failing', 'sent_away')
    if r[1] == 'processing' then
        redis.call('ZADD', expiring, int(math.max(tonumber(r[7]) or 0, now + 1000)), id)
        return
    end
    local attempts = tonumber(r[3]) or 0
    local may_be_posted = attempts > (tonumber(r[4]) or 0) or (tonumber(r[5]) or 0) > now
        or (tonumber(r[6]) or 0) <= quarantined
    if r[1] == 'pending' and (tonumber(r[2]) or math.huge) <= now and not may_be_posted then
        expire(id, record, attempts, { deliver_by = r[2], submitted = r[6], history = r[8], client = r[9], callback = r[10],
            uncertain = r[11], failing = r[12], sent_away = r[13] })
    end
    redis.call('ZREM', expiring, id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', expiring, '-inf', int(now), 'LIMIT', 0, ARGV[1])) do
    if not try(look_whether_expired, id) then redis.call('ZADD', expiring, int(now + grace), id) end
end
local function reply(looked, queued)
    return { looked + #expired, queued + #expired, claims, expired }
end

-- Puts one that waits because of an outage at the head of the queue, if nothing is on its way for it and it can be claimed:
-- whether it did. `early`: also if it is in doubt, for a look. `fresh`: not if its last POST may have been written, as it
-- would only be found, and prove nothing of POSTs. `since`: it is brought back, unless it has failed by itself after that.
local posting, outage, probes = KEYS[12], KEYS[13], KEYS[14]
local function put_first(id, early, fresh, since)
    local record = t_stem .. id
    local r = redis.call('HMGET', record, 'status', 'message', 'doubt', 'lease', 'away', 'uncertain')
    local message_id, doubt = r[2] or id, tonumber(r[3]) or 0
    local is_waiting = r[1] == 'pending' or (r[1] == 'processing' and (tonumber(r[4]) or 0) <= now)
    local next_look = early and now or math.max(now, doubt)
    if not is_waiting or (since and (tonumber(r[5]) or 0) > since) then
        redis.call('ZREM', outage, id)
    elseif fresh and r[6] == '1' then
        return false
    elseif redis.call('HEXISTS', bodies, message_id) == 1 or next_look > now then
        if not since then return false end
        redis.call('ZADD', due, int(math.max(next_look, now + 100)), id)
        redis.call('HSET', record, 'next', int(next_look))
        redis.call('ZREM', outage, id)
    else
        redis.call('ZADD', due, int(now + pause()), id)
        redis.call('HSET', record, 'next', int(now), 'message', id)
        -- As old as it is, so that it does not look as if what stands behind it had been passed over.
        if r[1] == 'pending' then redis.call('HDEL', record, 'queued') else redis.call('HSET', record, 'queued', int(now)) end
        redis.call('LPUSH', queue, id)
        redis.call('HSET', bodies, id, message_body(template, id, id, now))
        if since then redis.call('ZREM', outage, id) end
        return true
    end
end
local function is_put_first(...)
    local ok, reply = try(put_first, ...)
    -- The due index will bring it back.
    if not ok then redis.call('ZREM', outage, (...)) end
    return ok and reply
end

-- Up to so many of those that wait, each in its turn: how many.
local LOOKED_AT = 100
local function offer(most, turn, early, waits)
    local rank = turn and redis.call('ZRANK', outage, turn)
    local first, offered = rank and rank + 1 or 0, 0
    local ids = redis.call('ZRANGE', outage, first, first + LOOKED_AT)
    for _, fresh in ipairs({ not early, false }) do
        for _, id in ipairs(ids) do
            if offered >= most then break end
            turn = id
            if is_put_first(id, early, fresh) then offered = offered + 1 end
        end
        if waits > 0 then break end
    end
    -- After the last it is the turn of what is in the queue, and then of the first.
    redis.call('HSET', posting, 'turn', #ids > 0 and turn or '')
    return offered
end

local BACK_AT_ONCE = 100
local function bring_back(since)
    local ids = redis.call('ZREVRANGE', outage, 0, BACK_AT_ONCE - 1)
    -- The youngest first, so that the oldest is at the head in the end.
    for _, id in ipairs(ids) do is_put_first(id, false, false, since) end
    if #ids < BACK_AT_ONCE then redis.call('HDEL', posting, 'refill') end
    return #ids
end

-- What the limits have turned back goes to the head of the queue, when its message is acknowledged.
local function turn_round(id)
    local r = redis.call('HMGET', t_stem .. id, 'message', 'away')
    local since = now - (tonumber(r[2]) or 0)
    if redis.call('HEXISTS', bodies, r[1] or id) == 1 and since >= 0 and since < KEPT_MS then return end
    redis.call('ZREM', KEYS[16], id)
    put_first(id, true)
end
local function turn_all_round()
    local ids = redis.call('ZREVRANGE', KEYS[16], 0, BACK_AT_ONCE - 1)
    for _, id in ipairs(ids) do
        if not try(turn_round, id) then redis.call('ZREM', KEYS[16], id) end
    end
    if #ids == 0 then redis.call('HDEL', posting, 'turned_back') end
end
-- Places of those that are gone are free, and none is held for longer than a lease: a clock was set back.
local function tidy_places(counted_from)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[15], '-inf', int(now), 'LIMIT', 0, 1000)) do
        redis.call('ZREM', KEYS[15], id)
    end
    if (tonumber(counted_from) or 0) > now + lease then redis.call('HSET', posting, 'counted_from', int(now + lease)) end
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[15], '(' .. int(now + lease), '+inf')) do
        redis.call('ZADD', KEYS[15], int(now + lease), id)
    end
end

-- While nothing may go out, nothing is queued, but for probes.
local state = redis.call('HMGET', posting, 'breaker', 'cap', 'probe_at', 'paused', 'paused_until', 'offered', 'turn',
    'kind', 'refill', 'limited', 'hold_until', 'turned_back', 'counted_from')
local most, LONGEST_PAUSE, OFFERED_MS = ARGV[1], 60000, 2000
if state[4] then
    if (tonumber(state[5]) or now + 1) > now then return reply(0, 0) end
    redis.call('HSET', posting, 'refill', int(now))
    redis.call('HDEL', posting, 'paused', 'paused_until', 'paused_at')
    state[9] = now
end
if state[10] then tidy_places(state[13]) end
if held_ms(state[11], now) > 0 then return reply(0, 0) end
if state[11] then redis.call('HDEL', posting, 'hold_until') end
if state[1] then
    -- From before the clock was set back.
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', probes, '(' .. int(now + lease), '+inf')) do redis.call('ZREM', probes, id) end
    if (tonumber(state[3]) or 0) > now + LONGEST_PAUSE then redis.call('HSET', posting, 'probe_at', int(now)) end
    local room, offered = gate({ state[1], state[2], state[3] }, probes, now), 0
    local is_open, waits = state[1] == 'open', redis.call('LLEN', queue)
    local offered_at = tonumber(state[6]) or 0
    if is_open and room > 0 and (now - offered_at > OFFERED_MS or offered_at > now) then
        offered = offer(1, state[7], state[8] == 'gets', waits)
        if offered > 0 or waits > 0 then redis.call('HSET', posting, 'offered', int(now)) end
    elseif not is_open and room > waits then
        offered = offer(math.min(room - waits, BACK_AT_ONCE), state[7], false, waits)
        if waits + offered == 0 and room == tonumber(state[2]) and redis.call('ZCARD', outage) == 0 then
            -- Nobody is left to go up the ramp.
            redis.call('HDEL', posting, 'breaker', 'cap', 'kind', 'probe_at', 'offered', 'turn')
        end
    end
    -- With nobody to offer, it is somebody's turn whose worker died, or whose message was lost.
    if is_open and (room < 1 or offered + waits > 0) then return reply(0, offered) end
    most = is_open and 1 or most
end
if state[12] and not state[1] then turn_all_round() end
local brought_back = not state[1] and state[9] and bring_back(tonumber(state[9])) or 0

local ids = redis.call('ZRANGEBYSCORE', due, '-inf', int(now), 'LIMIT', 0, most)
if #ids == 0 then return reply(brought_back, brought_back) end
local next_round = now + pause()

local head = redis.call('LINDEX', queue, 0)
local head_pushed, passed_up_to = math.huge, 0
if head then
    local r = fields(t_stem .. head:match('^[^~]*'), 'queued', 'submitted')
    head_pushed = tonumber(r[1]) or tonumber(r[2]) or 0
    -- With one that was queued again at its head, the queue says nothing of what it has passed.
    if not r[1] then passed_up_to = head_pushed end
end

-- Queues a transaction again; `held` is the message that it was waiting for, if there is one.
local function queue_again(id, record, held, known_message, rescued)
    local message_id = held and id .. '~' .. int(now) or id
    if rescued then raise(count, 'rescued', 1) end
    if held then redis.call('HDEL', bodies, held) end
    redis.call('ZADD', due, int(next_round), id)
    redis.call('HSET', record, 'queued', int(now))
    if message_id ~= (known_message or id) then redis.call('HSET', record, 'message', message_id) end
    push(queue, bodies, message_id, message_body(template, id, message_id, now))
    committed()
end

-- Whether its message may be gone because it was handed over to a loop a moment ago, and not because it is lost: only if
-- the queue has passed it, and only until the next look. After an outage those that are due first are also those
-- that are fetched first: queued again, each of them would come twice. While older ones are brought back to its head, the
-- queue does not say what it has passed.
local HANDED_OVER_MS = 1000
local function is_handed_over(status, pushed, due_since, missed)
    local is_first_look = missed < pushed or missed > now
    return status == 'pending' and pushed >= due_since and (pushed <= passed_up_to or state[9]) and is_first_look
end

-- What waited because of an outage or a pause is brought back before anything younger, and not behind all that wait because
-- its own time has come.
local is_returning = state[1] ~= 'open' and (state[1] or state[9])
local function is_brought_back(id) return is_returning and redis.call('ZSCORE', outage, id) end

-- Whether it was queued.
local function look_at(id)
    local record = t_stem .. id
    local r = redis.call('HMGET', record, 'status', 'next', 'lease', 'message', 'queued', 'submitted', 'code',
        'completed', 'missed')
    local status, message_id = r[1], r[4] or id
    if status == 'processing' and (tonumber(r[3]) or 0) > now then
        -- A settle was cut short when it had set the time of the next look.
        redis.call('ZADD', due, r[3], id)
    elseif status == 'pending' or status == 'processing' then
        local pushed = tonumber(r[5]) or tonumber(r[6]) or 0
        local due_since = tonumber(status == 'processing' and r[3] or r[2]) or 0
        local age = now - math.max(pushed, due_since)
        local has_message = redis.call('HEXISTS', bodies, message_id) == 1
        -- Whoever was woken by a message from before the lease ended is gone, and the message with him. One that was
        -- pushed later than now was pushed before the clock was set back.
        local may_come = has_message and pushed <= now and (status == 'pending' or pushed >= due_since)
        if not has_message and is_handed_over(status, pushed, due_since, tonumber(r[9]) or 0) then
            redis.call('ZADD', due, int(now + HANDED_OVER_MS), id)
            redis.call('HSET', record, 'missed', int(now))
            return false
        end
        if not has_message and is_brought_back(id) then
            redis.call('ZADD', due, int(now + HANDED_OVER_MS), id)
            return false
        end
        if not may_come or (age >= patience and head_pushed > pushed) then
            queue_again(id, record, has_message and message_id, r[4], status == 'processing' or not r[2])
            return true
        end
        redis.call('ZADD', due, int(math.max(next_round, now + math.min(age, longest))), id)
    elseif status == 'completed' or status == 'failed' then
        put_away(at, record, id, status, r[7], tonumber(r[8]) or now, template)
    elseif not status then
        redis.call('DEL', KEYS[11] .. id)
        redis.call('HDEL', bodies, id)
        redis.call('ZREM', due, id)
    else
        -- A newer version's, left alone.
        redis.call('ZADD', due, int(now + longest), id)
    end
end

-- One that cannot be looked at must not hold the others up.
local queued, failure = 0, nil
for _, id in ipairs(ids) do
    local ok, reply = try(look_at, id)
    if not ok then
        failure = reply
        redis.call('ZADD', due, int(next_round), id)
    elseif reply then
        queued = queued + 1
    end
end
if failure then error(failure, 0) end
return reply(#ids + brought_back, queued + brought_back)
