-- workers: who lives, and what each of them is delivering now. Writes nothing; its cost is bounded by the two maxima.
--
-- KEYS   1 heartbeats (zset)   2 workers' stem   3 ack sets' stem   4 t: stem   5 queue (list)   6 due   7 dead letters
-- ARGV   1 queue name   2 most workers   3 most ids looked at   4 shift   5 ... fields of a worker
-- reply  { now, queued, unfinished, dead letters, { { consumer, last heartbeat, held, { value, ... } }, ... },
--          { { id, consumer, lease end, attempts, mode, submitted }, ... } }; '': not known

local now, workers, in_flight, looks = clock(ARGV[4]), {}, {}, tonumber(ARGV[3])
local found = redis.call('ZREVRANGE', KEYS[1], 0, ARGV[2] - 1, 'WITHSCORES')
for i = 1, #found, 2 do
    local consumer, acks = found[i], KEYS[3] .. found[i] .. '.' .. ARGV[1]
    local held = redis.call('SCARD', acks)
    workers[#workers + 1] = { consumer, found[i + 1], held, redis.call('HMGET', KEYS[2] .. consumer, unpack(ARGV, 5)) }
    -- What it holds is mostly fetched ahead; what it delivers is `processing`.
    local share = math.min(held, looks)
    looks = looks - share
    for _, message in ipairs(share > 0 and redis.call('SRANDMEMBER', acks, share) or {}) do
        local id = message:match('^[^~]*')
        local r = fields(KEYS[4] .. id, 'status', 'lease', 'attempts', 'mode', 'submitted')
        if r[1] == 'processing' then
            in_flight[#in_flight + 1] = { id, consumer, r[2] or '', r[3] or '', r[4] or '', r[5] or '' }
        end
    end
end
return { int(now), redis.call('LLEN', KEYS[5]), redis.call('ZCARD', KEYS[6]), redis.call('ZCARD', KEYS[7]), workers, in_flight }
