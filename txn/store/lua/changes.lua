-- changes: what has changed behind a place in the feed.
--
-- KEYS   1 changes
-- ARGV   1 the place | '' (the oldest that is kept)   2 how many at most
-- reply  { 'read', the place behind them, { { place, { field, value } }, ... } }
--        { 'gone' }: something behind the place is not kept any more, or the place is of another feed
local changes, after = KEYS[1], ARGV[1]

-- A feed begins with an entry that nobody is shown: so there is a place before the first change.
local first = redis.call('XRANGE', changes, '-', '+', 'COUNT', 1)[1]
if not first then
    first = { redis.call('XADD', changes, '*', 'change', '') }
end

local function is_before(a, b)
    local a_ms, a_number = a:match('^(%d+)-(%d+)$')
    local b_ms, b_number = b:match('^(%d+)-(%d+)$')
    if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
    return tonumber(a_number) < tonumber(b_number)
end

local from = '-'
if after ~= '' then
    local last = redis.call('XREVRANGE', changes, '+', '-', 'COUNT', 1)[1]
    if is_before(after, first[1]) or is_before(last[1], after) then return { 'gone' } end
    from = '(' .. after
end
local found = redis.call('XRANGE', changes, from, '+', 'COUNT', ARGV[2])
return { 'read', #found > 0 and found[#found][1] or after, found }
