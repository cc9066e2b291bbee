-- settle: write down how one delivery ended. Only the claim's own worker can, and only once.
--
-- KEYS   1 t:<id>   2 due   3 count   4 minute stem   5 epoch   6 posting   7 recent   8 failed   9 failed:<code> stem
--        10 the queue's dead letters (zset)   11 their messages (hash)
-- ARGV   1 id   2 owner   3 outcome   4 doubt   5 doubt ms   6 wait ms   7 counts   8 answered   9 outage
--        10 code or evidence   11 detail   12 line for the history   13 message template   14 shift
--          outcome:  complete | fail | retry | release (given back: nothing was tried)
--          doubt:    clear | keep | maybe (for so many ms from now the POST may still turn up)
--          counts:   0 gives back what the claim counted against max attempts
--          answered: 1 the posting service gave an answer of its own;   outage: why it could not be reached, or ''
-- reply  { 'settled' } | { 'refused', 'unknown' | 'repeated' | 'taken' }

local record, due, count, minute_stem = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, owner, outcome, doubt = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local code, detail = ARGV[10], ARGV[11]
local answered, now = ARGV[8] == '1', clock(ARGV[14])
local HISTORY_LINES, RECENT = 20, 1000
local BUCKETS_MS = { 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 1800000 }

if answered then redis.call('HSET', KEYS[6], 'answered', int(now)) end
if ARGV[9] ~= '' then redis.call('HSET', KEYS[6], 'outage', int(now), 'reason', ARGV[9]) end
-- The service may answer GETs and refuse every POST: then it answers, and nothing goes through.
if answered and ARGV[9] ~= '' then
    redis.call('HSETNX', KEYS[6], 'refused', int(now))
elseif outcome == 'complete' then
    redis.call('HDEL', KEYS[6], 'refused')
end

local r = redis.call('HMGET', record, 'status', 'owner', 'mode', 'doubt', 'attempts', 'counted', 'counts', 'tries',
    'uncertain', 'failing', 'history', 'submitted', 'unanswered', 'silent')
local status, settled_by, uncertain, failing = r[1], r[2], r[9], r[10]
local may_have_posted = r[3] == 'post'

if status ~= 'processing' or settled_by ~= owner then
    -- Whoever gives up after an error may never have claimed.
    if code ~= 'internal' then redis.call('HINCRBY', count, 'late_settles', 1) end
    if status and settled_by == owner then return { 'refused', 'repeated' } end
    if outcome == 'complete' and code == 'posted' then redis.call('HINCRBY', count, 'late_posted', 1) end
    return { 'refused', status and 'taken' or 'unknown' }
end

local function set_uncertain(yes)
    if yes and not uncertain then
        redis.call('HSET', record, 'uncertain', 1)
        redis.call('HINCRBY', count, 'in_doubt', 1)
    elseif uncertain and not yes then
        redis.call('HDEL', record, 'uncertain')
        redis.call('HINCRBY', count, 'in_doubt', -1)
    end
end

local function finish(new_status)
    redis.call('ZREM', due, id)
    set_uncertain(false)
    if failing then redis.call('HINCRBY', count, 'retrying', -1) end
    redis.call('HDEL', record, 'mode', 'lease', 'next', 'counted', 'counts', 'tries', 'tried', 'unanswered', 'silent', 'failing',
        'message', 'queued', 'error')
    redis.call('HSET', record, 'status', new_status, 'completed', int(now))
end

local function complete()
    finish('completed')
    redis.call('HDEL', record, 'doubt')
    redis.call('HSET', record, 'evidence', code)
    local spent, bucket = now - tonumber(r[12]), 'inf'
    for _, limit in ipairs(BUCKETS_MS) do
        if spent <= limit then bucket = limit; break end
    end
    tally(count, minute_stem, now, 'completed', 'completed:' .. code, 'end_to_end:' .. bucket)
    redis.call('HINCRBY', count, 'end_to_end_ms', int(spent))
    redis.call('LPUSH', KEYS[7], id)
    redis.call('LTRIM', KEYS[7], 0, RECENT - 1)
end

local function fail()
    finish('failed')
    redis.call('HSET', record, 'code', code, 'detail', detail)
    redis.call('HINCRBY', count, 'dead', 1)
    tally(count, minute_stem, now, 'failed', 'failed:' .. code)
    redis.call('ZADD', KEYS[8], int(now), id)
    redis.call('ZADD', KEYS[9] .. code, int(now), id)
    redis.call('ZADD', KEYS[10], int(now), id)
    redis.call('HSET', KEYS[11], id, message_body(ARGV[13], id, id, now))
end

local function come_back(doubt_until)
    local quarantined = tonumber(redis.call('HGET', KEYS[5], 'quarantine')) or 0
    local next_look = math.max(now + ARGV[6], doubt_until, quarantined)
    redis.call('HSET', record, 'status', 'pending', 'next', int(next_look))
    redis.call('HINCRBY', count, 'pending', 1)
    -- Not before the worker has acknowledged its message, which would excuse the transaction for a grace period.
    redis.call('ZADD', due, int(math.max(next_look, now + 100)), id)
    if may_have_posted and ARGV[7] == '0' then
        redis.call('HSET', record, 'counted', tonumber(r[6]) - tonumber(r[7]), 'counts', 0)
    end
end

local function retry(doubt_until)
    come_back(doubt_until)
    redis.call('HINCRBY', count, 'retried:' .. code, 1)
    set_uncertain(doubt_until > now)
    -- A look that came too early to know has not failed. (Before any attempt it was for a Redis that had lost data: then
    -- the first POST must not go out as if nothing had been.)
    local failed = code ~= 'in_doubt' or (tonumber(r[5]) or 0) == 0
    redis.call('HSET', record, 'tries', (tonumber(r[8]) or 0) + (failed and 1 or 0), 'error', detail)
    if code == 'unanswered' then
        -- Only time in which others were answered counts: while the service was silent to everybody, it begins anew.
        local others = tonumber(redis.call('HGET', KEYS[6], 'answered')) or 0
        local since = r[13] and others > tonumber(r[14]) and r[13] or int(now)
        redis.call('HSET', record, 'unanswered', since, 'silent', int(now))
    elseif code == 'outage' or answered then
        redis.call('HDEL', record, 'unanswered', 'silent')
    end
    if not failing then
        redis.call('HSET', record, 'failing', 1)
        redis.call('HINCRBY', count, 'retrying', 1)
    end
end

-- A delivery that could not post leaves the doubt alone: it is somebody else's.
local doubt_until = tonumber(r[4]) or 0
if may_have_posted and doubt == 'clear' then
    doubt_until = 0
    redis.call('HDEL', record, 'doubt')
elseif may_have_posted and doubt == 'maybe' then
    doubt_until = now + ARGV[5]
    redis.call('HSET', record, 'doubt', int(doubt_until))
end

if ARGV[12] ~= '' then
    local lines = {}
    for line in string.gmatch((r[11] or '') .. int(now) .. ' ' .. ARGV[12], '[^\n]+') do lines[#lines + 1] = line end
    redis.call('HSET', record, 'history', table.concat(lines, '\n', math.max(1, #lines - HISTORY_LINES + 1)) .. '\n')
end
if may_have_posted and (outcome == 'fail' or outcome == 'retry') then
    tally(count, minute_stem, now, 'failed_attempts')
end

redis.call('HINCRBY', count, 'processing', -1)
if outcome == 'complete' then
    complete()
elseif outcome == 'fail' then
    fail()
elseif outcome == 'retry' then
    retry(doubt_until)
else
    come_back(doubt_until)
    redis.call('HINCRBY', count, 'released', 1)
    if may_have_posted then
        redis.call('HSET', record, 'attempts', tonumber(r[5]) - 1)
        redis.call('HDEL', record, 'tried')
    end
end
return { 'settled' }
