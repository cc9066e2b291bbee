-- minutes: consecutive minute buckets. Writes nothing. A bucket is small: reading all of it costs less than choosing fields.
--
-- KEYS   1 minute stem
-- ARGV   1 first minute   2 how many
-- reply  for each minute { field, value, ... }

local reply = {}
for minute = tonumber(ARGV[1]), ARGV[1] + ARGV[2] - 1 do
    reply[#reply + 1] = redis.call('HGETALL', KEYS[1] .. int(minute))
end
return reply
