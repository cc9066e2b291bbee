-- claim: take a transaction for one delivery, and decide, here and once, whether that delivery may POST.
--
-- A claim that may post writes the doubt that it could leave behind before anything is sent: whatever happens to the
-- worker, from now on this claim counts as a POST that may land, until its own settle says otherwise.
--
-- KEYS   1 t:<id>   2 p:<id>   3 due   4 count   5 minute stem   6 epoch   7 posting
-- ARGV   1 id   2 owner   3 lease ms   4 doubt window ms   5 max attempts   6 claims seen   7 shift
-- reply  { 'claimed', mode, payload, submitted ms, attempts, counted, tries, unanswered ms, claims }
--          unanswered ms: how long the posting service has not answered GETs of this id while it answered others
--          mode: post | confirm (GET only) | final (GET only, and its 404 decides)
--        { 'refused', 'unknown' | 'finished' | 'leased' | 'early', claims }

local record, id, owner = KEYS[1], ARGV[1], ARGV[2]
local lease, doubt_window, max_attempts = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = clock(ARGV[7])

local quarantined, claims = quarantine(KEYS[6], tonumber(ARGV[6]), now, lease, doubt_window)
local r = redis.call('HMGET', record, 'status', 'owner', 'lease', 'doubt', 'next', 'attempts', 'counted', 'tried',
    'mode', 'submitted', 'tries', 'unanswered', 'uncertain', 'silent')
local status, mode = r[1], r[9]
local attempts, counted = tonumber(r[6]) or 0, tonumber(r[7]) or 0

local answered = tonumber(redis.call('HGET', KEYS[7], 'answered')) or 0

local function claimed()
    local since = tonumber(r[12]) or now
    local unanswered = answered > (tonumber(r[14]) or now) and now - since or 0
    return { 'claimed', mode, redis.call('GET', KEYS[2]), r[10], attempts, counted, tonumber(r[11]) or 0, unanswered, claims }
end

if not status then return { 'refused', 'unknown', claims } end
if status == 'completed' or status == 'failed' then return { 'refused', 'finished', claims } end
if status == 'processing' then
    if r[2] == owner then return claimed() end
    if tonumber(r[3]) > now then return { 'refused', 'leased', claims } end
    if not r[13] then
        -- The worker before us never settled: its POST may be anywhere.
        redis.call('HSET', record, 'uncertain', 1)
        redis.call('HINCRBY', KEYS[4], 'in_doubt', 1)
    end
elseif (tonumber(r[5]) or 0) > now then
    return { 'refused', 'early', claims }
end

if (tonumber(r[4]) or 0) > now or quarantined > now then
    mode = 'confirm'
elseif counted >= max_attempts then
    mode = 'final'
else
    mode = 'post'
    -- An attempt counts only if the posting service has answered somebody since our last one: an outage uses nothing up.
    local tried = tonumber(r[8])
    local counts = (not tried or answered >= tried) and 1 or 0
    attempts, counted = attempts + 1, counted + counts
    redis.call('HSET', record, 'doubt', int(now + lease + doubt_window), 'attempts', attempts, 'counted', counted,
        'counts', counts, 'tried', int(now))
    tally(KEYS[4], KEYS[5], now, 'attempts')
end

redis.call('HSET', record, 'status', 'processing', 'owner', owner, 'lease', int(now + lease), 'mode', mode)
redis.call('ZADD', KEYS[3], int(now + lease), id)
if status == 'pending' then
    redis.call('HINCRBY', KEYS[4], 'pending', -1)
    redis.call('HINCRBY', KEYS[4], 'processing', 1)
end
claims = redis.call('HINCRBY', KEYS[6], 'claims', 1)
return claimed()
