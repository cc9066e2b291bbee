-- sweep: look at some records, whatever their state, and mend what the indexes and counters do not say of them. Slow on
-- purpose: it is there for what no other script leaves behind (an older version, a hand, a disk), and to see that none does.
--
-- KEYS   1 sweep (hash: the workers' common round)   2 t: stem   3 p: stem   4 due   5 count   6 failed
--        7 failed:<code> stem   8 the queue's dead letters   9 their messages   10 callbacks   11 callbacks_dead
-- ARGV   1 cursor, or '' for the common round   2 ms from one step of that to the next   3 keys a step
--        4 ids for which whole indexes are looked at   5 message template   6 shift   7 ... error codes
-- reply  { cursor ('0': a round is over) | '' (not now), records looked at, { finding, id or field, ... } }
--          mended:      not_due · not_listed (a dead letter) · not_a_letter (listed, and none) · counter
--          left alone:  no_content · unreadable (not a record, or in a state that this version does not know)

local sweep, t_stem, p_stem, due, count, failed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local at = { due = due, failed = failed, codes = KEYS[7], dead = KEYS[8], dead_bodies = KEYS[9] }
local few, template, now = tonumber(ARGV[4]), ARGV[5], clock(ARGV[6])

local cursor, common = ARGV[1], ARGV[1] == ''
if common then
    local round = redis.call('HMGET', sweep, 'next', 'cursor')
    local next_step = tonumber(round[1]) or 0
    if next_step > now and next_step <= now + ARGV[2] then return { '', 0, {} } end
    cursor = round[2] or '0'
end

local findings = {}
local function found(what, name)
    findings[#findings + 1] = what
    findings[#findings + 1] = name
end

local function read(id, ...) return fields(t_stem .. id, ...) end

local function look_at(id)
    local r = read(id, 'status', 'code', 'completed', 'discarded')
    local status = r[1]
    if status == 'pending' or status == 'processing' then
        if redis.call('EXISTS', p_stem .. id) == 0 then found('no_content', id) end
        if not redis.call('ZSCORE', due, id) then
            redis.call('ZADD', due, int(now), id)
            found('not_due', id)
        end
    elseif status == 'failed' then
        local code, listed = r[2] or '', redis.call('ZSCORE', failed, id)
        -- An older version had no index of these.
        if r[4] then redis.call('ZADD', at.codes .. DISCARDED, 'NX', int(now), id) end
        if r[4] and listed then
            unlist_letter(at, id, code)
            found('not_a_letter', id)
        elseif not r[4] and not (listed and redis.call('ZSCORE', at.codes .. code, id)) then
            list_letter(at, id, code, tonumber(listed) or tonumber(r[3]) or now, template)
            found('not_listed', id)
        end
    elseif status ~= 'completed' then
        found('unreadable', id)
    end
end

-- All letters if they are few, some of them otherwise.
local function look_at_letters()
    local all = redis.call('ZCARD', failed) <= few
    local letters = all and redis.call('ZRANGE', failed, 0, -1) or redis.call('ZRANDMEMBER', failed, few)
    for _, id in ipairs(letters) do
        local r = read(id, 'status', 'discarded')
        if r[1] ~= 'failed' or r[2] then
            for i = 7, #ARGV do unlist_letter(at, id, ARGV[i]) end
            found('not_a_letter', id)
        end
    end
end

-- Callbacks that wait and that were given up, while they are few. Entries of none are left by what was cut short.
local function count_callbacks(is)
    local callbacks, dead = KEYS[10], KEYS[11]
    local function is_one(name, has_died)
        local died = redis.call('HMGET', callbacks .. ':' .. name, 'died', 'transaction')
        return died[2] and ((died[1] or '') ~= '') == has_died
    end
    local left = few
    local function counted(index, has_died)
        left = left - redis.call('ZCARD', index)
        if left < 0 then return nil end
        local number = 0
        for _, name in ipairs(redis.call('ZRANGE', index, 0, -1)) do
            if is_one(name, has_died) then number = number + 1 else redis.call('ZREM', index, name) end
        end
        return number
    end
    is.callbacks_dead = counted(dead, true)
    local waiting = 0
    left, is.callbacks_waiting = few, nil
    if redis.call('ZCARD', callbacks) > few then return end
    for _, lane in ipairs(redis.call('ZRANGE', callbacks, 0, -1)) do
        local number = counted(callbacks .. ':to:' .. lane, false)
        if not number then return end
        waiting = waiting + number
    end
    is.callbacks_waiting = waiting
end

-- How many are in each state, counted anew: from the due index, in which all unfinished ones are, while they are few.
local function count_anew()
    if redis.call('ZCARD', due) > few then return end
    local is = { pending = 0, processing = 0, retrying = 0, in_doubt = 0, sent_away = 0, callbacks_waiting = 0, callbacks_dead = 0 }
    count_callbacks(is)
    if redis.call('ZCARD', failed) <= few then is.dead = redis.call('ZCARD', failed) end
    for _, id in ipairs(redis.call('ZRANGE', due, 0, -1)) do
        local r = read(id, 'status', 'failing', 'uncertain', 'sent_away', 'code')
        if r[5] or not is[r[1]] then return end  -- cut short, or none of ours: somebody else's next look mends that
        is[r[1]] = is[r[1]] + 1
        for i, name in ipairs({ 'retrying', 'in_doubt', 'sent_away' }) do
            if r[i + 1] == '1' then is[name] = is[name] + 1 end
        end
    end
    for name, number in pairs(is) do
        if (redis.call('HGET', count, name) or '0') ~= int(number) then
            redis.call('HSET', count, name, number)
            found('counter', name)
        end
    end
end

local step = redis.call('SCAN', cursor, 'MATCH', t_stem .. '*', 'COUNT', ARGV[3])
for _, record in ipairs(step[2]) do
    local id = record:sub(#t_stem + 1)
    -- One that cannot be mended must not hold the others up.
    if not try(look_at, id) then found('unreadable', id) end
end
if step[1] == '0' then
    look_at_letters()
    count_anew()
end

local left_alone = 0
for i = 1, #findings, 2 do
    if findings[i] == 'unreadable' or findings[i] == 'no_content' then left_alone = left_alone + 1 end
end
if #findings > 2 * left_alone then redis.call('HINCRBY', count, 'mended', #findings / 2 - left_alone) end
if common then
    local so_far = left_alone + (tonumber(redis.call('HGET', sweep, 'so_far')) or 0)
    local over = step[1] == '0'
    redis.call('HSET', sweep, 'cursor', step[1], 'next', int(now + ARGV[2]), 'so_far', over and 0 or so_far,
        unpack(over and { 'left_alone', so_far } or {}))
end
return { step[1], #step[2], findings }
