-- statistics: what health needs, read in one go. Writes nothing; its cost does not grow with the backlog.
--
-- KEYS   1 count   2 due   3 queue (list)   4 heartbeats   5 posting   6 minute stem   7 t: stem
--        8 sweep   9 outage   10 oldest   11 epoch   12 in_flight   13 turned_back
-- ARGV   1 minutes for the error rate   2 ms after which a worker without a heartbeat does not count   3 shift
-- reply  { counts (flat), unfinished, most overdue ms, oldest unfinished ms, its id, due lag ms, workers, attempts,
--          failed attempts, { answered, outage, reason, refused, taken, gets, posts }, records left alone,
--          { breaker, opened, probe_at, cap, kind, paused, paused_at, paused_until, most, rate, limited,
--          limited_at, hold_until, places in use, µs used of the bucket, its size, pace }, held, end of the quarantine,
--          completions in the best minute of the last hour, while deliveries are held up, or 0, now }

local SAMPLE = 100
local now = clock(ARGV[3])

-- For how long a transaction has been due without being claimed; one whose next attempt is ahead is not. And which of those
-- that are looked at is unfinished for longest, since it was submitted or last replayed.
local overdue, since, oldest = 0, math.huge, ''
local function consider(id)
    local r = fields(KEYS[7] .. id, 'status', 'submitted', 'next', 'replayed')
    if r[1] ~= 'pending' and r[1] ~= 'processing' then return false end
    local begun = tonumber(r[4]) or tonumber(r[2]) or now
    if r[1] == 'pending' then overdue = math.max(overdue, now - math.max(begun, tonumber(r[3]) or 0)) end
    if begun < since then since, oldest = begun, id end
    return true
end

-- The queue is first in, first out, so its head has waited longest; the due index knows those that are in no queue.
local head = redis.call('LINDEX', KEYS[3], 0)
if head then consider(head:match('^[^~]*')) end
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, SAMPLE - 1)) do consider(id) end

-- Those that were unfinished for longest when the workers last looked at all: the first that still is, is the oldest.
for id in (redis.call('HGET', KEYS[10], 'found') or ''):gmatch('%d+ ([^\n]+)\n') do
    if consider(id) then break end
end
-- Where a round over a large backlog is not over yet, this is mostly as old.
for _, id in ipairs(redis.call('ZRANGE', KEYS[9], 0, 0)) do consider(id) end

local first_look = tonumber(redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2])

local attempts, failed_attempts, minute = 0, 0, math.floor(now / 60000)
for m = minute - ARGV[1] + 1, minute do
    local bucket = redis.call('HMGET', KEYS[6] .. int(m), 'attempts', 'failed_attempts')
    attempts = attempts + (tonumber(bucket[1]) or 0)
    failed_attempts = failed_attempts + (tonumber(bucket[2]) or 0)
end

local posting = redis.call('HMGET', KEYS[5], 'answered', 'outage', 'reason', 'refused', 'taken', 'gets', 'posts')
local flow = redis.call('HMGET', KEYS[5], 'breaker', 'opened', 'probe_at', 'cap', 'kind', 'paused', 'paused_at', 'paused_until',
    'most', 'rate', 'limited', 'limited_at', 'hold_until', 'pace', 'next_at', 'counted_from')
local pace, next_at, counted_from = tonumber(flow[14]), flow[15], flow[16]
local used, size = 0, 1
if pace then used, size = filled(pace, next_at, ARGV[3]) end
flow[13] = int(now + held_ms(flow[13], now))
flow[14] = flow[11] and places_held(counted_from, KEYS[12], KEYS[1], now) or 0
flow[15], flow[16], flow[17] = int(used), int(size), pace and tostring(pace) or ''
-- What waits can be delivered as fast as others were.
local best = 0
if flow[1] or flow[6] then
    for m = minute - 60, minute do
        best = math.max(best, tonumber(redis.call('HGET', KEYS[6] .. int(m), 'completed')) or 0)
    end
end
return { redis.call('HGETALL', KEYS[1]), redis.call('ZCARD', KEYS[2]), math.floor(overdue),
    math.floor(math.max(0, now - math.min(since, now))), oldest, math.max(0, now - (first_look or now)),
    redis.call('ZCOUNT', KEYS[4], int(now - ARGV[2]), int(now + ARGV[2])), attempts, failed_attempts,
    posting, tonumber(redis.call('HGET', KEYS[8], 'left_alone')) or 0, flow, redis.call('ZCARD', KEYS[9]) + redis.call('ZCARD', KEYS[13]),
    redis.call('HGET', KEYS[11], 'quarantine') or '', best, int(now) }
