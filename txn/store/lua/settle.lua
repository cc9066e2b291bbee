-- settle: write down how deliveries ended. Only the claim's own worker can, and only once.
--
-- KEYS   1 t: stem   2 due   3 count   4 minute stem   5 epoch   6 posting   7 failed   8 failed:<code> stem
--        9 the queue's dead letters (zset)   10 their messages (hash)   11 outage   12 probes
--        13 hanging   14 in_flight   15 changes   16 callbacks   17 expiring
-- ARGV   1 message template   2 shift   3 lease ms   4 ... of each delivery:
--        1 id   2 owner   3 outcome   4 doubt   5 doubt ms   6 wait ms   7 counts   8 answered   9 taken   10 outage
--        11 code or evidence   12 detail   13 line for the history   14 calls   15 hold
--          outcome:  complete | fail | retry | release (given back: nothing was tried)
--          doubt:    clear | keep | maybe (for so many ms from now the POST may still turn up)
--          counts:   0 this attempt does not count against max attempts, whatever happens to others' POSTs
--          answered: 1 the posting service gave an answer of its own;   taken: 1 it let our POST through
--          outage:   why it could not be reached, or sent us away, or ''
--          hold:     for so many ms the posting service wants to be left alone, or 0
--          calls:    a letter for each call: g GET, p POST, a capital if the service failed, ! after it if it hung
-- reply  one for each: { 'settled' } | { 'refused', 'unknown' | 'repeated' | 'taken' }

local WIDTH = 15
local due, count, minute_stem, template, now = KEYS[2], KEYS[3], KEYS[4], ARGV[1], clock(ARGV[2])
local at = { due = due, count = count, failed = KEYS[7], codes = KEYS[8], dead = KEYS[9], dead_bodies = KEYS[10],
    changes = KEYS[15], callbacks = KEYS[16] }
local HISTORY_LINES = 20
local BUCKETS_MS = { 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 1800000 }

local function ask_posting()
    return redis.call('HMGET', KEYS[6], 'breaker', 'cap', 'kind', 'gets', 'posts', 'refused', 'answered', 'taken',
        'most', 'pace', 'hold_until', 'probe_at')
end
local posting = ask_posting()
-- What one settle learns of a posting service that is away, the next one must see.
at.by_itself = posting[1]
-- What is counted is compared: exactly.
for i = 4, #ARGV, WIDTH do at.by_itself = at.by_itself or ARGV[i + 10] == 'sent_away' end

-- What these deliveries have learnt of the posting service: fields to write (false: to delete).
local PLACE = { gets = 4, posts = 5, refused = 6, answered = 7, taken = 8, hold_until = 11 }
local learnt = {}
local function learn(field, value)
    if learnt[field] == nil then learnt[#learnt + 1] = field end
    learnt[field] = value
    if PLACE[field] then posting[PLACE[field]] = value end
end
function at.before()
    local set, gone = {}, {}
    for _, field in ipairs(learnt) do
        if learnt[field] then
            set[#set + 1], set[#set + 2] = field, learnt[field]
        else
            gone[#gone + 1] = field
        end
    end
    learnt = {}
    if #set > 0 then redis.call('HSET', KEYS[6], unpack(set)) end
    if #gone > 0 then redis.call('HDEL', KEYS[6], unpack(gone)) end
end

function at.leave(ids) redis.call('ZREM', due, unpack(ids)) end

local function look(i)
    local function own(n) return ARGV[i + n - 1] end
    local id, owner, outcome, doubt, code, detail = own(1), own(2), own(3), own(4), own(11), own(12)
    local record, answered, taken = KEYS[1] .. id, own(8) == '1', own(9) == '1'
    local hung_or_not, has_hung = own(14), own(14):find('!', 1, true)
    local calls = hung_or_not:gsub('!', '')
    if at.by_itself then posting = ask_posting() end
    local is_probe = posting[1] and redis.call('ZSCORE', KEYS[12], id)
    local taken_before = posting[8]
    local known = has_hung and { [7] = posting[7], [8] = posting[8] }
    if answered then learn('answered', int(now)) end
    -- What was on its way when the breaker opened does not say that the outage is over.
    if taken and (posting[1] ~= 'open' or is_probe) then learn('taken', int(now)) end
    if taken and posting[6] then learn('refused', false) end
    if own(10) ~= '' then
        learn('outage', int(now))
        learn('reason', own(10))
        -- The service may answer GETs and refuse every POST: then it answers, and nothing goes through.
        if answered and not taken and not posting[6] then learn('refused', int(now)) end
    end
    local r = redis.call('HMGET', record, 'status', 'owner', 'mode', 'doubt', 'attempts', 'tries',
        'uncertain', 'failing', 'history', 'submitted', 'unanswered', 'silent', 'crashes', 'sent_away', 'code', 'completed',
        'hung', 'lease', 'replayed', 'client', 'callback', 'unposted', 'deliver_by')
    local status, settled_by, mode = r[1], r[2], r[3]
    local may_have_posted = mode == 'post'

    if status ~= 'processing' or settled_by ~= owner then
        if status and settled_by == owner then
            -- What the first one could not tidy up.
            if (status == 'completed' or status == 'failed') and redis.call('ZSCORE', due, id) then
                put_away(at, record, id, status, r[15], tonumber(r[16]), template)
            end
            return { 'refused', 'repeated' }
        end
        -- Whoever gives up after an error may never have claimed.
        if code ~= 'internal' and code ~= 'store' then
            redis.call('HINCRBY', count, 'late_settles', 1)
            -- The worker that was taken for crashed is late.
            if (status == 'processing' or status == 'pending') and (tonumber(r[13]) or 0) > 0 then redis.call('HINCRBY', record, 'crashes', -1) end
        end
        if outcome == 'complete' and code == 'posted' then redis.call('HINCRBY', count, 'late_posted', 1) end
        return { 'refused', status and 'taken' or 'unknown' }
    end

    -- Mostly all is well and was well before.
    local is_calm = not posting[1] and posting[4] == CALM and posting[5] == CALM and not calls:find('%u')
    if is_probe or not (posting[1] or is_calm) then
        local began = (tonumber(r[18]) or now) - ARGV[3]
        local set, gone = judged(posting, posting[1] and calls or without_overtaken(known or posting, hung_or_not, began), id, began, now)
        for n = 1, #set, 2 do learn(set[n], set[n + 1]) end
        for _, field in ipairs(gone) do learn(field, false) end
        at.by_itself = at.by_itself or learnt.breaker
    end
    if own(15) ~= '0' and (posting[1] or is_about_all(posting[calls:find('P', 1, true) and 5 or 4])) then
        learn('hold_until', int(now + math.max(math.min(own(15), LONGEST_HOLD_MS), held_ms(posting[11], now))))
    end
    if posting[9] or posting[10] then redis.call('ZREM', KEYS[14], id) end
    if is_probe and (learnt.breaker == 'half' or learnt.breaker == false) then
        redis.call('DEL', KEYS[12])
    elseif is_probe then
        redis.call('ZREM', KEYS[12], id)
    end
    if r[17] == '1' then redis.call('ZREM', KEYS[13], id) end

    -- A replay that was cut short.
    if r[15] then put_back(at, record, id, r[15]) end

    local written = {}
    local function write(field, value)
        written[#written + 1] = field
        written[#written + 1] = value
    end

    local function end_it(new_status, ...)
        local was = { uncertain = r[7], failing = r[8], sent_away = r[14], submitted = r[10], client = r[20], callback = r[21], deliver_by = r[23] }
        finish(at, id, new_status, owner, was, written, now, ...)
        write('status', new_status)
        write('completed', int(now))
    end

    local function complete()
        end_it('completed')
        write('evidence', code)
        -- How long it lay among the dead letters says nothing of how fast deliveries are.
        local spent, bucket = math.max(0, now - (tonumber(r[19]) or tonumber(r[10]) or now)), 'inf'
        for _, limit in ipairs(BUCKETS_MS) do
            if spent <= limit then bucket = limit; break end
        end
        tally(count, minute_stem, now, 'completed', 'completed:' .. code, 'end_to_end:' .. bucket)
        raise(count, 'end_to_end_ms', int(spent))
    end

    local function fail()
        end_it('failed', code, detail)
        write('code', code)
        write('detail', detail)
        raise(count, 'dead', 1)
        tally(count, minute_stem, now, 'failed', 'failed:' .. code)
    end

    local deliver_by = tonumber(r[23])
    local function come_back(doubt_until)
        local state = redis.call('HMGET', KEYS[5], 'quarantine', 'moment')
        local wait = now + own(6)
        if deliver_by then
            redis.call('ZADD', KEYS[17], int(deliver_by), id)
            -- What expires meanwhile is looked for then, unless we are asked to wait.
            if deliver_by > now and own(15) == '0' then wait = math.min(wait, deliver_by) end
        end
        local next_look = math.max(wait, doubt_until, tonumber(state[1]) or 0, tonumber(state[2]) or 0)
        write('status', 'pending')
        write('next', int(next_look))
        raise(count, 'pending', 1)
        -- Not before the worker has acknowledged its message, which would excuse the transaction for a grace period.
        gathering.look_at = int(math.max(next_look, now + 100))
        -- Whether the attempt counts is known when somebody's POST is let through after it; of one that was sent away, when
        -- others are let in.
        if may_have_posted then
            local if_others = code == 'sent_away' and 'others'
            write('counts_if', if_others or own(7) == '1' and 'taken' or 'nothing')
            -- Who was let in before it, in this very call, was not let in after it.
            write('failed_at', int(taken_before == int(now) and now + 1 or now))
        end
        if mode ~= 'confirm' and r[13] then write('crashes', 0) end
    end

    local function retry(doubt_until)
        come_back(doubt_until)
        raise(count, 'retried:' .. code, 1)
        if may_have_posted and doubt == 'clear' then write('unposted', (tonumber(r[22]) or 0) + 1) end
        count_state('uncertain', 'in_doubt', r[7], doubt_until > now, count, written)
        if has_hung or r[17] == '1' then write('hung', has_hung and 1 or 0) end
        if calls:find('%u') then
            redis.call('ZADD', KEYS[11], r[10] or int(now), id)
            write('away', int(now))
        end
        -- A look that came too early to know has not failed. (Before any attempt it was for a Redis that had lost data: then
        -- the first POST must not go out as if nothing had been.)
        local failed = code ~= 'in_doubt'
        local tries = (tonumber(r[6]) or 0) + ((failed or (tonumber(r[5]) or 0) == 0) and 1 or 0)
        write('tries', tries)
        if failed then
            write('error', detail)
            count_state('failing', 'retrying', r[8], true, count, written)
        end
        -- Sent away while others get through: it is about this transaction.
        count_state('sent_away', 'sent_away', r[14], code == 'sent_away' and own(7) == '1', count, written)
        if code == 'sent_away' then
            local let_in, kept_out = let_in_and_kept_out(count)
            write('let_in', int(let_in))
            write('kept_out', int(kept_out + 1))
        end
        if code == 'unanswered' then
            -- Only time in which others were answered counts: while the service was silent to everybody, it begins anew.
            local others = tonumber(posting[7]) or 0
            local since = tonumber(r[11]) and others > tonumber(r[12]) and r[11] or int(now)
            write('unanswered', since)
            write('silent', int(now))
        elseif r[11] and (code == 'outage' or answered) then
            write('unanswered', '')
            write('silent', '')
        end
    end

    local function release(doubt_until)
        come_back(doubt_until)
        raise(count, 'released', 1)
        if may_have_posted then
            write('attempts', tonumber(r[5]) - 1)
            write('tried', '')
        end
    end

    -- A delivery that could not post leaves the doubt alone: it is somebody else's.
    local doubt_until = tonumber(r[4]) or 0
    if may_have_posted and doubt ~= 'keep' then
        doubt_until = doubt == 'clear' and 0 or now + own(5)
        write('doubt', int(doubt_until))
    end

    if own(13) ~= '' then
        local lines = {}
        for line in string.gmatch((r[9] or '') .. int(now) .. ' ' .. own(13), '[^\n]+') do lines[#lines + 1] = line end
        write('history', table.concat(lines, '\n', math.max(1, #lines - HISTORY_LINES + 1)) .. '\n')
    end
    if may_have_posted and (outcome == 'fail' or outcome == 'retry') then
        tally(count, minute_stem, now, 'failed_attempts')
    end

    raise(count, 'processing', -1)
    if outcome == 'complete' then
        complete()
    elseif outcome == 'fail' then
        fail()
    elseif outcome == 'retry' then
        retry(doubt_until)
    else
        release(doubt_until)
    end
    gathering.record, gathering.written = record, written
    if outcome == 'complete' or outcome == 'fail' then
        function gathering.tidy()
            put_away(at, record, id, outcome == 'fail' and 'failed' or 'completed', code, now, template)
            if deliver_by then redis.call('ZREM', KEYS[17], id) end
        end
    end
    return { 'settled' }
end

return each(4, WIDTH, at, look)
