-- listing: ids of what was accepted, the newest first, from a place on. An id may have no record.
--
-- A place is a list, and how much of it is still to be told: lists are only added to at their end, so a place stays one.
--
-- KEYS   1 accepted stem   2 accepted_hours: of all, or of one client
-- ARGV   1 minute   2 client   3 index: the place; '': the beginning of what was accepted in that minute
--        4 the oldest minute   5 how many ids at most   6 how many lists are looked into at most
-- reply  { 'more' | 'end', minute, client, index (the place behind them), { { minute, client, index, ids }, ... } }
--          index: of the first of these ids; each of the others is one before

local minute, client, index = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local oldest, ids_left, looks_left = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local runs = {}

-- The ids before `index` in a list, as many as are wanted. Returns where they begin.
local function tell(of, before)
    local from = math.max(0, before - ids_left)
    local found = before > 0 and redis.call('LRANGE', KEYS[1] .. int(minute) .. ':' .. of, from, before - 1) or {}
    if #found > 0 then
        local ids = {}
        for i = #found, 1, -1 do ids[#ids + 1] = found[i] end
        runs[#runs + 1] = { int(minute), of, int(from + #found - 1), ids }
        ids_left = ids_left - #found
    end
    looks_left = looks_left - 1
    return from
end

local function tell_minute(places)
    for _, place in ipairs(places) do
        local of = place:match(':(.*)$')
        if not index or of == client then
            local before = index or redis.call('LLEN', KEYS[1] .. int(minute) .. ':' .. of)
            index = nil
            local from = tell(of, before)
            if ids_left <= 0 or looks_left <= 0 then return { 'more', int(minute), of, int(from), runs } end
        end
    end
    index = nil
end

while true do
    local hour = math.floor(minute / 60)
    local latest = redis.call('ZRANGE', KEYS[2], hour, math.floor(oldest / 60), 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES')
    if not latest[1] then return { 'end', int(minute), '', 0, runs } end
    if tonumber(latest[2]) < hour then
        hour = tonumber(latest[2])
        minute, index = hour * 60 + 59, nil
    end
    local places = redis.call('ZRANGE', KEYS[2], hour, hour, 'BYSCORE', 'REV')
    while minute >= hour * 60 and minute >= oldest do
        local reply = tell_minute(places)
        if reply then return reply end
        minute = minute - 1
    end
    if minute < oldest then return { 'end', int(minute), '', 0, runs } end
end
