-- notice: write down that something has changed, once, however many processes have seen it.
--
-- KEYS   1 events (stream)   2 noticed (hash: of each thing what it was last, since when, and when that was seen)
-- ARGV   1 what   2 what it is now   3 since (ms)   4 seen (ms)   5 more about it
--        6 change | quiet (a change that is no news if nothing was known before) | span (over already: it was so from `since`
--        to `seen`; whoever saw a part of the same one has nothing new)
-- reply  1: written down   0: known already, or older than what is known

local noticed, what, is, since, seen = KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local r = redis.call('HMGET', noticed, what, what .. ':since', what .. ':seen')
local was, was_since, was_seen = r[1], tonumber(r[2]), tonumber(r[3]) or 0
-- A look that is much later than this one was made before the clock was set back.
if was_seen > seen + 60000 then was_seen = 0 end
if ARGV[6] == 'span' then
    if since <= was_seen then return 0 end
elseif was == is or seen < was_seen then
    return 0
end

local function write()
    redis.call('HSET', noticed, what, is, what .. ':since', int(since), what .. ':seen', int(seen))
end
if ARGV[6] == 'quiet' and not was then
    write()
    return 0
end
local lasted = ARGV[6] == 'span' and seen - since or was_since and since - was_since or 0
journalled(KEYS[1], write, 'what', what, 'is', is, 'since', int(since), 'lasted', int(math.max(0, lasted)), 'detail', ARGV[5])
return 1
