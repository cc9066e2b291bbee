-- bulk: a run over all dead letters that a filter names, and that had failed when they were counted. It never does more
-- than were counted, and confirmed. What it has done stays done.
--
-- KEYS   1 bulk:<run>   2 runs that are not over   3 journal   4 runs by their start   5 the index that the run walks; of a
--          step: failed, or failed:discarded if it is over these
--        6 bulk: stem   7 t: stem   8 due   9 count   10 failed   11 failed:<code> stem   12 the queue's dead letters
--        13 their messages   14 changes
-- ARGV   1 start | take | step | stop   2 run   3 shift   4 ... see below
-- reply  one word
local VERBS, RATE_MS = {}, 3000
local run, active, journal, id, now = KEYS[1], KEYS[2], KEYS[3], ARGV[2], clock(ARGV[3])

-- Writes that the run is over, and the journal how many were done of those that were confirmed.
local function ended(state, by, what, done, confirmed, filter, ...)
    local written = { ... }
    journalled(journal, function()
        redis.call('HSET', run, 'state', state, 'finished', int(now), unpack(written))
    end, 'by', by, 'what', what, 'count', done, 'run', id, 'filter', filter or '{}', 'confirmed', confirmed or '')
    -- Where this fails, `take` does it.
    redis.call('ZREM', active, id)
end

-- start: begin a run. Repeating it begins no second one.
-- ARGV   4 since ms | ''   5 until when they were counted, ms   6 replay | discard   7 who   8 why   9 filter (JSON)
--        10 runs kept   11 how many were confirmed
-- reply  'started' | 'known'
function VERBS.start()
    if redis.call('EXISTS', run) == 1 then return 'known' end

    -- What a replay sends on its way, and fails again, fails after `before`: no run touches a transaction twice.
    local before = math.min(now, tonumber(ARGV[5]))
    -- The score behind which the next look begins.
    local cursor = (tonumber(ARGV[4]) or 0) - 1
    local total = redis.call('ZCOUNT', KEYS[5], '(' .. int(cursor), int(before))

    -- An id without its hash is passed over by whoever reads these two.
    redis.call('ZADD', KEYS[4], int(now), id)
    redis.call('ZADD', active, int(now), id)
    for _, old in ipairs(redis.call('ZRANGE', KEYS[4], 0, -ARGV[10] - 1)) do
        if not redis.call('ZSCORE', active, old) then
            redis.call('DEL', KEYS[6] .. old)
            redis.call('ZREM', KEYS[4], old)
        end
    end
    journalled(journal, function()
        redis.call('HSET', run, 'what', ARGV[6], 'by', ARGV[7], 'why', ARGV[8], 'filter', ARGV[9], 'state', 'running',
            'started', int(now), 'before', int(before), 'cursor', int(cursor), 'total', total, 'confirmed', ARGV[11])
    end, 'by', ARGV[7], 'what', ARGV[6] .. ' all', 'why', ARGV[8], 'count', ARGV[11], 'run', id, 'filter', ARGV[9],
        'confirmed', ARGV[11])
    return 'started'
end

-- take: let one worker move a run on, until its lease ends. Holding on to it writes once in half a lease.
-- ARGV   4 worker   5 lease ms
-- reply  'taken' | 'leased' (to somebody else) | 'over'
function VERBS.take()
    local worker, lease = ARGV[4], tonumber(ARGV[5])
    local r = redis.call('HMGET', run, 'state', 'owner', 'lease')
    local ends = tonumber(r[3]) or 0
    if r[1] ~= 'running' then
        redis.call('ZREM', active, id)
        return 'over'
    end
    -- No lease is that long: it is from before the clock was set back.
    if ends > now + lease then ends = 0 end
    if r[2] ~= worker and ends > now then return 'leased' end
    if r[2] ~= worker or ends < now + lease / 2 then redis.call('HSET', run, 'owner', worker, 'lease', int(now + lease)) end
    return 'taken'
end

-- step: one chunk of a run. Replays or discards, counts, and advances the cursor: a worker that dies before or after it
-- has lost and doubled nothing, and whoever had lost the lease changes nothing. If a write fails on the way, what is done
-- is counted, and the cursor stays: the rest is in the next chunk that is read from there. At one more than were confirmed
-- (an index was mended, the clock was set back) the run stops, before it is done.
-- ARGV   4 worker   5 lease ms   6 cursor that the chunk was read behind   7 new cursor   8 looked at
--        9 1: nothing is left   10 history line   11 ... ids
-- reply  'moved' | 'finished' | 'more' (stopped: more match than were confirmed) | 'over' | 'lost' (the lease)
--        'elsewhere' (the cursor)
function VERBS.step()
    local r = redis.call('HMGET', run, 'state', 'owner', 'cursor', 'before', 'what', 'looked', 'mark', 'mark_looked',
        'started', 'by', 'done', 'confirmed', 'filter')
    if r[1] ~= 'running' then return 'over' end
    if r[2] ~= ARGV[4] then return 'lost' end
    if r[3] ~= ARGV[6] then return 'elsewhere' end

    local what = r[5]
    local at = { due = KEYS[8], count = KEYS[9], failed = KEYS[10], codes = KEYS[11], dead = KEYS[12], dead_bodies = KEYS[13],
        changes = KEYS[14] }
    local done, looked = tonumber(r[11]) or 0, (tonumber(r[6]) or 0) + ARGV[8]
    -- A run that an older version began has none.
    local most, more = tonumber(r[12]) or math.huge, false
    for i = 11, #ARGV do
        local record, failed_at = KEYS[7] .. ARGV[i], tonumber(redis.call('ZSCORE', KEYS[5], ARGV[i]))
        -- Somebody else was here since the chunk was read, or it has failed anew.
        local there = failed_at and failed_at <= tonumber(r[4])
        local found = there and operable(what, at, record, ARGV[i])
        if found == 'half' then
            operate(what, true, at, record, ARGV[i], ARGV[10], now)
            looked = looked - 1
        elseif found == 'done' and done >= most then
            more, looked = true, looked - 1
        else
            raise(run, 'looked', 1)
            if found == 'done' then
                raise(run, 'done', 1)
                operate(what, false, at, record, ARGV[i], ARGV[10], now)
                done = done + 1
            else
                raise(run, 'gone', 1)
                committed()
            end
        end
    end

    local moved = { 'cursor', more and r[3] or ARGV[7], 'lease', int(now + ARGV[5]), 'looked', looked, 'done', done }
    -- Letters a second, over the latest seconds.
    local mark, mark_looked = tonumber(r[7]) or tonumber(r[9]), tonumber(r[8]) or 0
    if now - mark >= RATE_MS then
        for _, item in ipairs({ 'rate', int((looked - mark_looked) * 1000 / (now - mark)), 'mark', int(now), 'mark_looked', looked }) do
            moved[#moved + 1] = item
        end
    end
    if ARGV[9] ~= '1' and not more then
        redis.call('HSET', run, unpack(moved))
        return 'moved'
    end

    moved[#moved + 1], moved[#moved + 2] = 'more', more and 1 or 0
    ended(more and 'stopped' or 'done', r[10], what .. (more and ' all: more than confirmed' or ' all: finished'), done,
        r[12], r[13], unpack(moved))
    return more and 'more' or 'finished'
end

-- stop: end a run where it stands.
-- ARGV   4 who
-- reply  'stopped' | 'over' | 'unknown'
function VERBS.stop()
    local r = redis.call('HMGET', run, 'state', 'what', 'done', 'confirmed', 'filter')
    if not r[1] then return 'unknown' end
    if r[1] ~= 'running' then return 'over' end
    ended('stopped', ARGV[4], r[2] .. ' all: stopped', r[3] or 0, r[4], r[5], 'stopped_by', ARGV[4])
    return 'stopped'
end

return VERBS[ARGV[1]]()
