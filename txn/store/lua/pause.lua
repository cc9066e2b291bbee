-- pause: nothing goes out any more, until then or until somebody resumes; what is in flight ends. The journal says who, when
-- and why. Repeating it changes nothing.
--
-- KEYS   1 posting   2 journal
-- ARGV   1 pause | resume   2 who   3 why   4 until (ms), or ''   5 who and why, as one line of JSON   6 shift
-- reply  'done' | 'not_paused'

local posting, what, until_ms, line, now = KEYS[1], ARGV[1], ARGV[4], ARGV[5], clock(ARGV[6])
local state = redis.call('HMGET', posting, 'paused', 'paused_until')

if what == 'resume' and not state[1] then return 'not_paused' end
if what == 'pause' and state[1] == line and (state[2] or '') == until_ms then return 'done' end

journalled(KEYS[2], function()
    if what == 'resume' then
        redis.call('HSET', posting, 'refill', int(now))
        redis.call('HDEL', posting, 'paused', 'paused_until', 'paused_at')
    else  -- with one command: a new reason never stands beside an old end
        redis.call('HSET', posting, 'paused', line, 'paused_at', int(now), 'paused_until', until_ms)
    end
end, 'by', ARGV[2], 'what', what, 'why', ARGV[3])
return 'done'
