-- due: look at unfinished transactions whose time has come, and queue those for which no message is on its way.
--
-- The transaction stays in the due index, with a later score: only settle takes it out. A message that is queued or held
-- excuses its transaction, but not for ever: held is not alive. The queue is first in, first out, so a transaction whose
-- message was pushed after the one that is now at the head may well stand behind it, however long that takes.
--
-- KEYS   1 due   2 t: stem   3 count   4 epoch   5 queue (list)   6 queue's messages (hash)
-- ARGV   1 how many   2 grace ms   3 patience ms   4 lease ms   5 doubt window ms   6 claims seen   7 message template   8 shift
-- reply  { looked at, queued, claims }

local due, t_stem, count, queue, messages = KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[6]
local grace, patience, template = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[7]
local now = clock(ARGV[8])
local _, claims = quarantine(KEYS[4], tonumber(ARGV[6]), now, tonumber(ARGV[4]), tonumber(ARGV[5]))

local ids = redis.call('ZRANGEBYSCORE', due, '-inf', int(now), 'LIMIT', 0, ARGV[1])
if #ids == 0 then return { 0, 0, claims } end

-- One round of looks is spread over a second per thousand that wait, so that a large backlog costs no more than a small one.
local pause = math.max(grace, redis.call('ZCARD', due))

local function pushed_at(record)
    local r = redis.call('HMGET', record, 'queued', 'submitted')
    return tonumber(r[1]) or tonumber(r[2]) or 0
end

local head = redis.call('LINDEX', queue, 0)
local head_pushed = head and pushed_at(t_stem .. head:match('^[^~]+')) or math.huge

local queued = 0
for _, id in ipairs(ids) do
    local record = t_stem .. id
    local r = redis.call('HMGET', record, 'status', 'next', 'lease', 'message', 'tried')
    local status, message_id = r[1], r[4] or id
    if not status then
        -- An index entry without a record: there is nothing to deliver, and nothing that settle could take out.
        redis.call('ZADD', due, int(now + 3600000), id)
    else
        local pushed = pushed_at(record)
        local due_since = tonumber(status == 'processing' and r[3] or r[2]) or 0
        local age = now - math.max(pushed, due_since)
        local has_message = redis.call('HEXISTS', messages, message_id) == 1
        -- Whoever was woken by a message from before the lease ended is gone, and the message with him.
        local may_come = has_message and (status == 'pending' or pushed >= due_since)
        if may_come and (age < patience or head_pushed <= pushed) then
            redis.call('ZADD', due, int(now + math.max(pause, age)), id)
        else
            if has_message then
                redis.call('HDEL', messages, message_id)
                message_id = id .. '~' .. int(now)
                redis.call('HSET', record, 'message', message_id)
            elseif r[4] then
                redis.call('HDEL', record, 'message')
                message_id = id
            end
            redis.call('HSET', messages, message_id, message_body(template, id, message_id, now))
            redis.call('RPUSH', queue, message_id)
            redis.call('HSET', record, 'queued', int(now))
            redis.call('ZADD', due, int(now + pause), id)
            if status == 'processing' or not r[2] then redis.call('HINCRBY', count, 'rescued', 1) end
            queued = queued + 1
        end
    end
end
return { #ids, queued, claims }
