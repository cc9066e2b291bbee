-- The breaker: what all workers know together of the posting service, in the hash `posting`. Model: tests/model/outage.py.
--
--   breaker   nothing: closed, calls go out | open: it is away, probes only | half: it is back, a few at a time
--   gets, posts   the latest calls, three letters each: '...' went well, else who failed      cap   most in flight, when half
--   kind      gets or posts: which of them opened it      opened, ended   since when it was open, and when that ended
--   probe_at  no probe before      offered   a message for the next probe is in the queue since      turn   who was the last
--   refill    until when what failed was part of the outage: it is brought back now
--   paused    who and why, as a line of JSON: nothing goes out      paused_at, paused_until   since when, and until then
--
-- `outage` (zset, by `submitted`) are those that wait because of it; `probes` (zset, by the end of their leases) those that
-- were claimed since it opened. Whoever dies with one leaves no more behind than the time to the end of that lease.
-- After a probe that went well, those before it are none any more: what becomes of them says how the service was. When it
-- closes, there are none.

-- Probes keep to two requests a second: the next one begins when the latest has failed, or so long after its claim: time for
-- three requests. So one that hangs does not hold up the others, as long as they are few.
local PROBE_MS = 500
local MOST_PROBES = 8
local LATE_MS = 3 * PROBE_MS

-- How many more claims may begin now; if none, why not and for how many ms. Writes nothing.
-- `state`: breaker, cap, probe_at, paused, paused_until.
local function gate(state, probes, now)
    if state[4] then
        local left = (tonumber(state[5]) or now + 1000) - now
        if left > 0 then return 0, 'paused', left end
    end
    if not state[1] then return math.huge end
    local is_open, in_flight = state[1] == 'open', redis.call('ZCOUNT', probes, '(' .. int(now), '+inf')
    local room = is_open and math.min(1, MOST_PROBES - in_flight) or (tonumber(state[2]) or 1) - in_flight
    local wait = is_open and (tonumber(state[3]) or 0) - now or 0
    if room > 0 and wait <= 0 then return room end
    return 0, 'away', math.max(wait, 100)
end

-- Notes the latest call in a window of them. Failures are noted by whose they are: one transaction alone is no outage.
local WINDOW, CALM = 20, ('.'):rep(60)
local function noted(window, well, id)
    local who = '...'
    if not well then
        local sum = 0
        for i = 1, #id do sum = (sum * 31 + id:byte(i)) % 4096 end
        who = string.format('%03x', sum)
    end
    return ((window or '') .. who):sub(-3 * WINDOW)
end

-- Whether a window looks like an outage.
local FEWEST_CALLS, FEWEST_IDS, SHARE = 10, 3, 0.9
local function is_outage(window)
    local failures, ids, seen = 0, 0, {}
    for who in window:gmatch('...') do
        if who ~= '...' then
            failures = failures + 1
            if not seen[who] then ids, seen[who] = ids + 1, true end
        end
    end
    return #window >= 3 * FEWEST_CALLS and failures >= SHARE * #window / 3 and ids >= FEWEST_IDS
end

-- The calls of a delivery that `began` then, without those that hung and were overtaken: somebody else's call of that kind
-- has gone well since. How it was when they were sent says nothing of how it is now. (When the load ends, those that hung are
-- the last to be settled: they alone would fill the windows.)   `state`: 7 answered, 8 taken.
local function without_overtaken(state, calls, began)
    local kept = calls:gsub('(%u)!', function(call)
        return (tonumber(state[call == 'P' and 8 or 7]) or 0) > began and '' or call
    end)
    return kept
end

-- What the calls of one delivery come to, which `state` (breaker, cap, kind, gets, posts) is changed by: the fields to
-- write and those to delete. `calls`: a letter each, g for a GET and p for a POST, a capital if the service failed. They
-- `began` then: a probe that hung has left the service alone for long enough. `state`: 12 probe_at.
local RAMPED = 256
local function judged(state, calls, id, began, now)
    local set, gone, failed, most = {}, {}, calls:find('%u') ~= nil, tonumber(state[2]) or 1
    local function learn(field, value)
        set[#set + 1] = field
        set[#set + 1] = value
    end
    local function open(kind)
        learn('breaker', 'open')
        learn('kind', kind)
        gone = { 'gets', 'posts' }
        -- Who was claimed after it says when the next probe is.
        if (tonumber(state[12]) or 0) > began + LATE_MS then return end
        learn('probe_at', int(math.max(now + PROBE_MS, math.min(began, now) + PROBE_MS * #calls)))
        gone[3] = 'offered'
    end
    if not state[1] then
        for call in calls:gmatch('.') do
            local at, name = 4, 'gets'
            if call:lower() == 'p' then at, name = 5, 'posts' end
            local window = noted(state[at], call:lower() == call, id)
            if window ~= state[at] then
                state[at] = window
                learn(name, window)
                if is_outage(window) then
                    learn('opened', int(now))
                    open(name)
                    break
                end
            end
        end
    elseif state[1] == 'open' then
        if not failed and calls:find(state[3] == 'posts' and 'p' or 'g', 1, true) then
            set = { 'breaker', 'half', 'cap', 1, 'ended', int(now) }
        else
            open(state[3])
        end
    elseif failed then
        local cap = math.floor(most / 2)
        if cap > 0 then learn('cap', cap) else open(calls:find('P', 1, true) and 'posts' or 'gets') end
    elseif calls ~= '' and most * 2 < RAMPED then
        learn('cap', int(most * 2))
    elseif calls ~= '' then
        learn('refill', int(now))
        gone = { 'breaker', 'cap', 'kind', 'probe_at', 'offered', 'turn' }
    end
    return set, gone
end
