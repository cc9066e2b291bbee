-- claim: take transactions, each for one delivery, and decide, here and once, whether that delivery may POST.
--
-- A claim that may post writes the doubt that it could leave behind before anything is sent: whatever happens to the
-- worker, from now on this claim counts as a POST that may land, until its own settle says otherwise.
--
-- KEYS   1 t: stem   2 p: stem   3 due   4 count   5 minute stem   6 epoch   7 posting   8 outage   9 probes
--        10 hanging   11 in_flight   12 turned_back
-- ARGV   1 lease ms   2 doubt window ms   3 max attempts   4 shift
--        5 how many that hung before may be in flight at once   6 ... id, owner, and claims seen, of each
-- reply  one for each:
--        { 'claimed', mode, payload, submitted ms, attempts, counted, tries, unanswered ms, others, last error,
--          ms left until it expires (not more than 0: it has) or '', traceparent or '', claims }
--          unanswered ms: how long the posting service has not answered GETs of this id while it answered others
--          others: 1 if, since we were sent away, it has let others in, and as many as it has sent away
--          mode: post | confirm (GET only) | final (GET only, and its 404 decides) | crashed (nothing: see below)
--                | expired (nothing: it was never sent)
--        { 'refused', 'unknown' | 'finished' | 'leased' | 'early' | 'unreadable' (its status) | 'no_content', claims }
--        { 'refused', 'away' | 'paused' | 'crowded' (as many that hung before are in flight) | 'limited', ms to wait, claims }

-- So many workers may leave a transaction without a word before a person must look at it.
local MAX_CRASHES = 3
local APART_MS = 5000

local count = KEYS[4]
local lease, doubt_window, max_attempts = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = clock(ARGV[4])

-- A time below `most` that depends on the id: what comes together does not come back together.
local function spread(id, most)
    local sum = 0
    for i = 1, #id do sum = (sum * 31 + id:byte(i)) % most end
    return sum
end

-- What is repeated has seen less than what it is sent with.
local seen = 0
for i = 8, #ARGV, 3 do seen = math.max(seen, tonumber(ARGV[i])) end
local quarantined, claims = quarantine(KEYS[6], seen, now, lease, doubt_window)
local function ask_posting()
    return redis.call('HMGET', KEYS[7], 'breaker', 'cap', 'probe_at', 'paused', 'paused_until',
        'answered', 'taken', 'ended', 'most', 'pace', 'next_at', 'counted_from', 'hold_until')
end
local posting, may_post = ask_posting(), 0
local at = { due = KEYS[3] }
-- What one claim takes, the next one must see. A place under a limit is taken at once; those that began before the limit are
-- counted by their records.
at.by_itself = posting[1] or posting[4] or posting[13] or (posting[9] and now < (tonumber(posting[12]) or 0))
-- Only those that may post: while nobody may, the counter must not make up for what is lost (arrive.lua).
function at.before()
    if may_post > 0 then claims = redis.call('HINCRBY', KEYS[6], 'claims', may_post) end
    may_post = 0
end

local function look(i)
    local id, owner = ARGV[i], ARGV[i + 1]
    local record = KEYS[1] .. id
    local r = redis.call('HMGET', record, 'status', 'owner', 'lease', 'doubt', 'next', 'attempts', 'counted', 'tried',
        'mode', 'submitted', 'tries', 'unanswered', 'uncertain', 'silent', 'crashes', 'error', 'let_in', 'kept_out', 'counts_if',
        'failed_at', 'away', 'hung', 'deliver_by', 'trace')
    local status, mode = r[1], r[9]
    local attempts, counted, crashes = tonumber(r[6]) or 0, tonumber(r[7]) or 0, tonumber(r[15]) or 0

    local left = tonumber(r[23]) and r[23] - now

    if not status then return { 'refused', 'unknown' } end
    if status == 'completed' or status == 'failed' then return { 'refused', 'finished' } end
    if status ~= 'pending' and status ~= 'processing' then return { 'refused', 'unreadable' } end
    local repeated = status == 'processing' and r[2] == owner
    if at.by_itself or posting[10] then posting = ask_posting() end
    -- What hung in an outage that is over says nothing of how it is now.
    local has_hung = r[22] == '1' and (tonumber(r[21]) or math.huge) > (tonumber(posting[8]) or 0)
    local limits = { unpack(posting, 9, 13) }
    local most, pace = tonumber(limits[1]), tonumber(limits[2])
    local is_limited, has_place = most or pace, false
    if not repeated then
        if status == 'processing' and (tonumber(r[3]) or 0) > now then return { 'refused', 'leased' } end
        if status == 'pending' and (tonumber(r[5]) or 0) > now then return { 'refused', 'early' } end
        local room, why, wait = gate(posting, KEYS[9], now)
        if room < 1 then
            redis.call('ZADD', KEYS[8], r[10] or int(now), id)
            redis.call('HSET', record, 'away', int(now))
            return { 'refused', why, math.ceil(wait) }
        end
        if is_limited or limits[5] then
            has_place = is_limited and (tonumber(redis.call('ZSCORE', KEYS[11], id)) or 0) > now
            if not has_place or held_ms(limits[5], now) > 0 then
                room, wait = room_within(limits, KEYS[11], count, now, ARGV[4])
            end
            if room < 1 then
                redis.call('ZADD', KEYS[12], r[10] or int(now), id)
                redis.call('HSET', KEYS[7], 'turned_back', 1)
                redis.call('HSET', record, 'away', int(now))
                if has_place then redis.call('ZREM', KEYS[11], id) end
                return { 'refused', 'limited', math.ceil(wait) }
            end
        end
        -- Those that hang hold their places for as long as a deadline is: they share a few, so that the others have theirs.
        if has_hung and redis.call('ZCOUNT', KEYS[10], '(' .. int(now), int(now + lease)) >= tonumber(ARGV[5]) then
            local longest = 1000 * 2 ^ math.min(tonumber(r[11]) or 0, 8)
            wait = longest / 2 + spread(id, longest / 2)
            redis.call('ZADD', KEYS[3], int(now + wait), id)
            redis.call('HSET', record, 'next', int(now + wait))
            if has_place then redis.call('ZREM', KEYS[11], id) end
            return { 'refused', 'crowded', math.ceil(wait) }
        end
    end

    local payload = redis.call('GET', KEYS[2] .. id)
    if not payload then
        redis.call('ZADD', KEYS[3], int(now + lease + doubt_window), id)
        return { 'refused', 'no_content' }
    end

    local answered, taken = tonumber(posting[6]) or 0, tonumber(posting[7]) or 0
    -- From before the clock was set back: it says nothing.
    if answered > now then answered = 0 end
    if taken > now then taken = 0 end

    local others = 0
    if tonumber(r[17]) then
        local let_in, kept_out = let_in_and_kept_out(count)
        let_in, kept_out = let_in - r[17], kept_out - r[18]
        if let_in > 0 and let_in >= kept_out then others = 1 end
    end

    -- An attempt counts when it is known to be about this transaction: because somebody's POST was let through after it had
    -- failed. While everybody's POST fails, that is an outage, and uses nothing up; neither does what was tried before it ended:
    -- a probe does not count the attempt before it.
    local tried, sent_away = tonumber(r[8]), r[19] == 'others'
    if tried and posting[1] ~= 'open' and tried >= (tonumber(posting[8]) or 0) then
        if sent_away then
            counted = counted + others
        elseif r[19] == 'taken' and taken >= (tonumber(r[20]) or math.huge) then
            counted = counted + 1
        end
    end

    local function claimed()
        local since = tonumber(r[12]) or now
        local unanswered = answered > (tonumber(r[14]) or now) and now - since or 0
        return { 'claimed', mode, payload, r[10] or int(now), attempts, counted, tonumber(r[11]) or 0, unanswered, others, r[16] or '',
            left and int(left) or '', r[24] or '' }
    end

    if repeated then
        counted = tonumber(r[7]) or 0
        return claimed()
    end

    local written = { 'status', 'processing', 'owner', owner, 'lease', int(now + lease) }
    local function write(field, value)
        written[#written + 1] = field
        written[#written + 1] = value
    end

    if status == 'processing' then
        -- The worker before us never settled. Its POST may be anywhere, if it could post, until the doubt that it wrote is over.
        crashes = crashes + 1
        write('crashes', crashes)
        if mode == 'post' and (tonumber(r[4]) or 0) > now and r[13] ~= '1' then
            write('uncertain', 1)
            raise(count, 'in_doubt', 1)
        end
    else
        raise(count, 'pending', -1)
        raise(count, 'processing', 1)
    end

    -- What was in flight together when a worker died does not come back together again and again: one of them may be what
    -- kills.
    local apart = crashes > 0 and spread(id, APART_MS) or 0

    if crashes >= MAX_CRASHES then
        mode = 'crashed'
    elseif (tonumber(r[4]) or 0) > now or quarantined > now then
        mode = 'confirm'
    elseif left and left <= 0 then
        -- Without a doubt: what was ever sent shows in a GET. So does what was sent in a time that Redis has lost.
        local was_sent = attempts > 0 or (tonumber(r[10]) or 0) <= quarantined
        mode = was_sent and 'final' or 'expired'
    elseif counted >= max_attempts and not sent_away then
        mode = 'final'
    else
        mode = 'post'
        attempts = attempts + 1
        write('doubt', int(now + lease + doubt_window))
        write('attempts', attempts)
        write('counted', counted)
        write('counts_if', 'taken')
        write('failed_at', int(now))
        write('tried', int(now))
        tally(count, KEYS[5], now, 'attempts')
    end
    write('mode', mode)

    if mode == 'post' then may_post = may_post + 1 end
    gathering.record, gathering.written, gathering.look_at = record, written, int(now + lease + apart)
    if posting[1] then redis.call('ZADD', KEYS[9], int(now + lease), id) end
    if posting[1] == 'open' then
        redis.call('HSET', KEYS[7], 'probe_at', int(now + LATE_MS))
        redis.call('HDEL', KEYS[7], 'offered')
    end
    if has_hung then redis.call('ZADD', KEYS[10], int(now + lease), id) end
    if is_limited then redis.call('ZADD', KEYS[11], int(now + lease), id) end
    if pace and not has_place then take_out(KEYS[7], pace, limits[3], ARGV[4], 1) end
    if r[21] then
        function gathering.tidy()
            redis.call('ZREM', KEYS[8], id)
            redis.call('ZREM', KEYS[12], id)
            redis.call('HDEL', record, 'away')
        end
    end
    return claimed()
end

local replies = each(6, 3, at, look)
for _, reply in ipairs(replies) do
    if not reply.err then reply[#reply + 1] = claims end
end
return replies
