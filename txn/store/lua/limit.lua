-- limit: change what limits the deliveries that go out. The journal says who, when and why.
--
-- KEYS   1 posting   2 journal
-- ARGV   1 who   2 why   3 who and why, as one line of JSON   4 most in flight, '' (none), or 'as it is'
--        5 microseconds from one to the next, '' (none), or 'as it is'   6 the same as it was said
--        7 the new limits in words, for the journal   8 lease ms   9 shift
-- reply  'done' | 'same' (that is what it was)

local posting, now = KEYS[1], clock(ARGV[9])
local was = redis.call('HMGET', posting, 'most', 'pace', 'rate', 'counted_from')
local most, pace, rate = ARGV[4], ARGV[5], ARGV[6]
if most == 'as it is' then most = was[1] or '' end
if pace == 'as it is' then pace, rate = was[2] or '', was[3] or '' end
local was_limited = (was[1] or '') ~= '' or (was[2] or '') ~= ''
if most == (was[1] or '') and pace == (was[2] or '') then return 'same' end

journalled(KEYS[2], function()
    if most == '' and pace == '' then
        redis.call('HDEL', posting, 'most', 'pace', 'rate', 'next_at', 'counted_from', 'limited', 'limited_at')
        return
    end
    -- Nobody has counted what is in flight while there was no limit.
    local counted_from = was_limited and was[4] or int(now + ARGV[8])
    redis.call('HSET', posting, 'most', most, 'pace', pace, 'rate', rate, 'counted_from', counted_from,
        'limited', ARGV[3], 'limited_at', int(now))
end, 'by', ARGV[1], 'what', ARGV[7], 'why', ARGV[2])
return 'done'
