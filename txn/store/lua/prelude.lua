-- Put before every script of this folder by txn/store/scripts.py. Scripts are for Redis 6.2 and newer.
--
-- Times are milliseconds since the epoch on this server's clock; `shift` moves it in tests and is 0 everywhere else.
-- A stem is a key without its last part; the script adds that part, in the same slot if the prefix has a hash tag.

local function clock(shift)
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(shift)
end

-- Raises `field` of the totals and of the minute's bucket.
local MINUTES_KEPT = 1500
local function tally(count, minute_stem, now, ...)
    local bucket = minute_stem .. string.format('%d', math.floor(now / 60000))
    for _, field in ipairs({...}) do
        redis.call('HINCRBY', count, field, 1)
        if redis.call('HINCRBY', bucket, field, 1) == 1 then
            redis.call('EXPIRE', bucket, MINUTES_KEPT * 60)
        end
    end
end

-- Numbers go into records without exponent or fraction.
local function int(number)
    return string.format('%.0f', number)
end

-- The message for `id`, under `message_id`, made from the queue's template.
local function message_body(template, id, message_id, now)
    return (template:gsub('@(%u+)@', { ID = id, MESSAGE = message_id, NOW = int(now) }))
end

-- Whether claims may post, or Redis has lost what it had acknowledged: a counter lower than a worker remembers.
-- Then nobody posts until every request of the lost time has shown itself. Returns the end of that time and the counter.
local function quarantine(epoch, seen, now, lease, doubt_window)
    local state = redis.call('HMGET', epoch, 'claims', 'quarantine')
    local claims, ends = tonumber(state[1]) or 0, tonumber(state[2]) or 0
    if claims < seen then
        claims, ends = seen, now + lease + doubt_window
        redis.call('HSET', epoch, 'claims', int(claims), 'quarantine', int(ends))
    end
    return ends, claims
end

-- What an operator does to one dead letter: `replay` or `discard`. `at` names the keys due, count, failed, codes (stem),
-- dead and dead_bodies (the queue's dead letters). `line` says who, what and why, as one line of JSON, for the history.
-- A replay leaves the doubt alone, so that the next delivery is exactly as careful as any other.
-- Returns 'done' | 'unknown' | 'not_failed'.
local function operate(what, at, record, id, line, now)
    local r = redis.call('HMGET', record, 'status', 'code', 'history')
    if not r[1] then return 'unknown' end
    if r[1] ~= 'failed' then return 'not_failed' end
    local was_letter = redis.call('ZREM', at.failed, id) == 1
    if what == 'discard' and not was_letter then return 'not_failed' end

    redis.call('ZREM', at.codes .. r[2], id)
    redis.call('ZREM', at.dead, id)
    redis.call('HDEL', at.dead_bodies, id)
    if was_letter then redis.call('HINCRBY', at.count, 'dead', -1) end
    redis.call('HSET', record, 'history', (r[3] or '') .. int(now) .. ' ' .. line .. '\n')
    if what == 'discard' then
        redis.call('HSET', record, 'discarded', line)
        redis.call('HINCRBY', at.count, 'discarded', 1)
        return 'done'
    end
    redis.call('HDEL', record, 'code', 'detail', 'completed', 'discarded')
    redis.call('HSET', record, 'status', 'pending', 'next', int(now))
    redis.call('ZADD', at.due, int(now), id)
    redis.call('HINCRBY', at.count, 'pending', 1)
    redis.call('HINCRBY', at.count, 'replayed', 1)
    return 'done'
end

-- One more entry of the journal: who did what. Old ones go.
local JOURNAL_ENTRIES = 10000
local function write_journal(journal, ...)
    redis.call('XADD', journal, 'MAXLEN', '~', JOURNAL_ENTRIES, '*', ...)
end
