-- intake: what decides whether submits are let in, read once a second: how many transactions are unfinished, and how many
-- ended in the last minute. Counts the submits that were not let in since the last time.
--
-- KEYS   1 due   2 count   3 minute stem
-- ARGV   1 shift   2 ... a reason, how many were refused for it, and so on
-- reply  { unfinished, ended in the last minute, now }

local count, now = KEYS[2], clock(ARGV[1])

local function ended(minute)
    local r = redis.call('HMGET', KEYS[3] .. int(minute), 'completed', 'failed')
    return (tonumber(r[1]) or 0) + (tonumber(r[2]) or 0)
end

for i = 2, #ARGV, 2 do raise(count, 'shed:' .. ARGV[i], ARGV[i + 1]) end

-- Of the minute before this one, what is left of it within sixty seconds from now.
local minute = math.floor(now / 60000)
local left = 1 - (now / 60000 - minute)
return { redis.call('ZCARD', KEYS[1]), math.floor(ended(minute) + left * ended(minute - 1)), int(now) }
