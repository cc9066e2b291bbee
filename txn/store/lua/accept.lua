-- accept: store a transaction, its place in the due index and its wake-up, all or nothing. Repeating it changes nothing,
-- but for what is missing of a transaction that was half stored (by an older version, or by hand): that is completed.
--
-- KEYS   1 t:<id>   2 p:<id>   3 due   4 count   5 minute stem   6 queue (list)   7 queue's messages (hash)
-- ARGV   1 id   2 fingerprint   3 payload   4 grace ms   5 message template   6 shift
-- reply  { 'accepted', submitted ms }
--        { 'replayed' | 'other', status, submitted ms, completed ms | nil, code | nil, detail | nil }

local record, id, fingerprint = KEYS[1], ARGV[1], ARGV[2]
local now = clock(ARGV[6])

local function make_deliverable()
    redis.call('SET', KEYS[2], ARGV[3])
    redis.call('ZADD', KEYS[3], int(now + ARGV[4]), id)
    push(KEYS[6], KEYS[7], id, message_body(ARGV[5], id, id, now))
end

local known = redis.call('HMGET', record, 'fingerprint', 'status', 'submitted', 'completed', 'code', 'detail')
if known[1] then
    if known[1] ~= fingerprint then return { 'other', unpack(known, 2, 6) } end
    local unfinished = known[2] == 'pending' or known[2] == 'processing'
    local lost = (unfinished or known[2] == 'failed') and redis.call('EXISTS', KEYS[2]) == 0
    if unfinished and (lost or not redis.call('ZSCORE', KEYS[3], id)) then
        make_deliverable()
    elseif lost then
        redis.call('SET', KEYS[2], ARGV[3])
    end
    return { 'replayed', unpack(known, 2, 6) }
end

raise(KEYS[4], 'pending', 1)
tally(KEYS[4], KEYS[5], now, 'accepted')
make_deliverable()
redis.call('HSET', record, 'status', 'pending', 'fingerprint', fingerprint, 'submitted', int(now))
committed()
return { 'accepted', int(now) }
