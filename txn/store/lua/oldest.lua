-- oldest: one step of the workers' common round over all unfinished transactions, in search of those that are unfinished for
-- longest. What is accepted or replayed afterwards is younger than all of them: so the first of them that is still unfinished
-- is the oldest of all, and statistics.lua finds it without an index by age, which every submit would have to write.
--
-- KEYS   1 oldest (hash: where the round stands, and what the last one found)   2 due   3 t: stem
-- ARGV   1 ids a step   2 ms from one step to the next   3 how many are kept   4 shift
-- reply  1: the round goes on   0: it is over, or it is not time for a step

local oldest, due, t_stem, keep, now = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[3]), clock(ARGV[4])

local round = redis.call('HMGET', oldest, 'next', 'cursor', 'so_far')
local next_step = tonumber(round[1]) or 0
if next_step > now and next_step <= now + ARGV[2] then return 0 end
local cursor = round[2] or '0'

local found, known = {}, {}
local function consider(since, id)
    if known[id] then return end
    known[id] = true
    found[#found + 1] = { tonumber(since), id }
end
if cursor ~= '0' then
    for since, id in (round[3] or ''):gmatch('(%d+) ([^\n]+)\n') do consider(since, id) end
end
-- Who is younger than all that are kept need not be kept.
local limit = #found < keep and math.huge or found[#found][1]

local step = redis.call('ZSCAN', due, cursor, 'COUNT', ARGV[1])
for i = 1, #step[2], 2 do
    local id = step[2][i]
    -- What is in the due index is unfinished, but for what was cut short: that is passed over when it is read.
    local r = fields(t_stem .. id, 'submitted', 'replayed')
    local since = tonumber(r[2] or r[1])
    if since and since < limit then consider(since, id) end
end

table.sort(found, function(one, other) return one[1] < other[1] end)
local lines = {}
for i = 1, math.min(keep, #found) do lines[i] = int(found[i][1]) .. ' ' .. found[i][2] .. '\n' end
local is_over = step[1] == '0'
redis.call('HSET', oldest, 'cursor', step[1], 'next', int(now + ARGV[2]), is_over and 'found' or 'so_far', table.concat(lines))
return is_over and 0 or 1
