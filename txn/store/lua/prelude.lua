-- What the scripts of this folder share: txn/store/scripts.py puts what a script uses before it. For Redis 6.2 and newer.
--
-- Times are milliseconds since the epoch on this server's clock; `shift` moves it in tests and is 0 everywhere else.
-- A stem is a key without its last part; the script adds that part, in the same slot if the prefix has a hash tag.
--
-- Any write can fail (a right that was taken away, a key of another type), and Redis undoes nothing of what a script
-- has written before. So every script keeps to one order:
--   1. `raise` counters: `whole` lowers them again if a write behind them fails;
--   2. write whatever does no harm without the record (payload, place in the due index, message);
--   3. write the record, with one command: this is what makes a repeat answer "done"; then `committed`;
--   4. tidy up what follows from the record. An id leaves the due index last of all: until then due.lua completes it.

local function clock(shift)
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(shift)
end

-- Fields of a record as HMGET gives them; none if the key is no record: one of another type must not stop those beside it.
local function fields(record, ...)
    local r = redis.pcall('HMGET', record, ...)
    if not r.err then return r end
    return r.err:find('WRONGTYPE', 1, true) and {} or redis.call('HMGET', record, ...)
end

-- Numbers go into records without exponent or fraction.
local function int(number)
    return string.format('%.0f', number)
end

-- While one of many ids is looked at: what is to be written of it, see `each`. Else nothing, and all is written at once.
local gathering

-- Key, field and number of each counter that was raised, one after the other.
local raised = {}

-- Adds to a counter that tells how many records are in some state. Returns its new value, if it is written at once.
local function raise(key, field, by)
    local value = not gathering and redis.call('HINCRBY', key, field, by)
    local noted = gathering and gathering.raised or raised
    local n = #noted
    noted[n + 1], noted[n + 2], noted[n + 3] = key, field, by
    return value
end

-- Commands that take back what else was written before the record.
local to_undo = {}

-- The record that the counters are about is written: they stay.
local function committed()
    raised, to_undo = {}, {}
end

-- What was raised for a record that could not be written is lowered: by the same command on the same key, which nothing can
-- have broken since.
local function lower()
    for _, command in ipairs(to_undo) do redis.pcall(unpack(command)) end
    for i = 1, #raised, 3 do redis.call('HINCRBY', raised[i], raised[i + 1], int(-raised[i + 2])) end
    committed()
end

-- Whether the server is at its maxmemory. It says so to a script only where nothing is written yet: otherwise it lets it go
-- on, as it could not undo what is written.
local function is_full(failure)
    return tostring(type(failure) == 'table' and failure.err or failure):find('OOM command not allowed', 1, true)
end

-- Does `work`, which may write one record: whether that went well, and the reply or the failure.
local function try(work, ...)
    local ok, reply = pcall(work, ...)
    if not ok then
        if is_full(reply) then error(reply, 0) end
        lower()
    end
    return ok, reply
end

-- Whether this script goes on beyond the server's maxmemory: what ends transactions must; what takes new ones says no.
local uses_reserve = true

-- Runs a script's body: at maxmemory again, behind a write that changes nothing and needs no memory.
local function whole(body)
    local ok, reply = pcall(body)
    if not ok and uses_reserve and is_full(reply) then
        local any_key = KEYS[1]
        redis.pcall('HDEL', any_key, '')
        ok, reply = pcall(body)
    end
    if not ok then
        lower()
        error(reply, 0)
    end
    return reply
end

-- Raises fields of the totals and of the minute's bucket.
local MINUTES_KEPT = 1500
local function tally(count, minute_stem, now, ...)
    local bucket = minute_stem .. int(math.floor(now / 60000))
    for _, field in ipairs({...}) do
        raise(count, field, 1)
        if raise(bucket, field, 1) == 1 then
            redis.call('EXPIRE', bucket, MINUTES_KEPT * 60)
        end
    end
    if gathering then gathering.bucket = bucket end
end

-- Tells the feed what the record is about to say: `<id> <status> <when> <code> <client>`, in one field: that costs least. Nobody sees it if the record cannot be written.
local CHANGES_KEPT = 100000
local function announce(changes, id, status, now, code, client)
    if gathering then
        gathering.told = { changes, id, status, now, code, client }
        return
    end
    local change = id .. ' ' .. status .. ' ' .. int(now) .. ' ' .. code .. ' ' .. (client or '')
    to_undo[#to_undo + 1] = { 'XDEL', changes, redis.call('XADD', changes, 'MAXLEN', '~', CHANGES_KEPT, '*', 'change', change) }
end

-- Enqueues the callback that tells of a record's end, and what it will say: `...` are fields with their values. `to`: where to, as the
-- record has it: a URL, or `client`. A repeat of the same settle (`claim`) gives it the same name. Whoever takes it finds nothing, if
-- the record cannot be written.
local function call_back(callbacks, count, to, id, claim, client, now, ...)
    local name = redis.sha1hex(id .. ' ' .. claim)
    local lane = to == 'client' and 'client ' .. (client or '') or to:match('^%a+://([^/?#]*)') or to
    local said = { 'transaction', id, 'to', to, 'client', client or '', 'lane', lane, 'completed', int(now), ... }
    raise(count, 'callbacks_waiting', 1)
    local function write()
        to_undo[#to_undo + 1] = { 'DEL', callbacks .. ':' .. name }
        redis.call('HSET', callbacks .. ':' .. name, unpack(said))
        -- In this order: a lane without callbacks is forgotten when it is looked at, and one that is not known is not.
        redis.call('ZADD', callbacks, 'LT', int(now), lane)
        redis.call('ZADD', callbacks .. ':to:' .. lane, int(now), name)
    end
    if gathering then gathering.call_back = write else write() end
end

-- One of the states that overlap: `name` counts the records whose `field` is 1. `was`: what the record says, `is`: what it will.
local function count_state(field, name, was, is, count, written)
    if is == (was == '1') then return end
    raise(count, name, is and 1 or -1)
    written[#written + 1], written[#written + 2] = field, is and 1 or 0
end

-- A transaction ends: it leaves the states that overlap, and feed and callback are told. `r`: what its record said, by field; `written`:
-- what it will say. `claim` gives the callback its name. `at` names the keys count, changes and callbacks. `code`, `detail`: if it failed.
local function finish(at, id, status, claim, r, written, now, code, detail)
    count_state('uncertain', 'in_doubt', r.uncertain, false, at.count, written)
    count_state('failing', 'retrying', r.failing, false, at.count, written)
    count_state('sent_away', 'sent_away', r.sent_away, false, at.count, written)
    announce(at.changes, id, status, now, code or '', r.client)
    if r.callback then
        call_back(at.callbacks, at.count, r.callback, id, claim, r.client, now, 'status', status, 'submitted', r.submitted or int(now),
            'deliver_by', r.deliver_by or '', unpack(code and { 'code', code, 'detail', detail } or {}))
    end
end

-- Fails a pending transaction of which nothing was ever posted. `line`: for its history; `...`: what else its record will say.
-- `at` names the keys of `finish` and minutes (stem).
local function fail_unposted(at, record, id, code, detail, line, r, now, ...)
    local written = { 'status', 'failed', 'completed', int(now), 'code', code, 'detail', detail,
        'history', (r.history or '') .. int(now) .. ' ' .. line .. '\n', ... }
    raise(at.count, 'pending', -1)
    tally(at.count, at.minutes, now, 'failed', 'failed:' .. code)
    finish(at, id, 'failed', code .. int(now), r, written, now, code, detail)
    redis.call('HSET', record, unpack(written))
    committed()
end

-- A lane is looked at again when its first callback is due.
local function lane_again(callbacks, lane)
    local first = redis.call('ZRANGE', callbacks .. ':to:' .. lane, 0, 0, 'WITHSCORES')
    if first[2] then redis.call('ZADD', callbacks, first[2], lane) else redis.call('ZREM', callbacks, lane) end
end

-- The message for `id`, under `message_id`, made from the queue's template.
local function message_body(template, id, message_id, now)
    return (template:gsub('@(%u+)@', { ID = id, MESSAGE = message_id, NOW = int(now) }))
end

-- Queues a message. An id in the list without a body is dropped by whoever fetches it; a body without its id in the list
-- would excuse its transaction for a while.
local function push(queue, bodies, message_id, body)
    redis.call('RPUSH', queue, message_id)
    redis.call('HSET', bodies, message_id, body)
end

-- What makes a record one that is delivered. `at`: grace, template and now.
local function make_deliverable(at, id, payload_key, payload)
    local it, body = gathering, message_body(at.template, id, id, at.now)
    it.payload_key, it.payload, it.message, it.body, it.look_at = payload_key, payload, id, body, int(at.now + at.grace)
end

-- Puts an id into the list of those that its client had accepted in this minute; txn/store/listing.py reads it. Before
-- the record: an id without one is no transaction; taken back, so that a repeat does not list it twice.
local function list_accepted(at, it)
    local minute = math.floor(at.now / 60000)
    local list = at.accepted .. int(minute) .. ':' .. it.client
    local length = redis.call('RPUSH', list, it.id)
    to_undo[#to_undo + 1] = { 'RPOP', list }
    if length > 1 then return end
    local hour = int(math.floor(minute / 60))
    for _, hours in ipairs({ at.hours, at.hours .. ':' .. it.client }) do
        redis.call('ZADD', hours, hour, hour .. ':' .. it.client)
    end
end

-- What a submit is told that finds its id stored already: { 'replayed' | 'other' | 'foreign', ... }, see accept.lua. Nil, if it is not.
-- What is missing of a transaction that was half stored is completed.
local function accepted_before(at, record, id, fingerprint, payload_key, payload)
    local known = redis.call('HMGET', record, 'fingerprint', 'status', 'submitted', 'completed', 'code', 'detail',
        'deliver_by', 'client')
    if not known[1] then return nil end
    if (known[8] or '') ~= at.client then return { 'foreign' } end
    if known[1] ~= fingerprint then return { 'other', unpack(known, 2, 6) } end
    local unfinished = known[2] == 'pending' or known[2] == 'processing'
    local lost = (unfinished or known[2] == 'failed') and redis.call('EXISTS', payload_key) == 0
    if unfinished and (lost or not redis.call('ZSCORE', at.due, id)) then
        make_deliverable(at, id, payload_key, payload)
    elseif lost then
        redis.call('SET', payload_key, payload)
    end
    return { 'replayed', unpack(known, 2, 7) }
end

-- What a submit is told that has expired before it is stored. Nil, if it has not, or does not expire ('').
local function too_late(deliver_by, now)
    if deliver_by ~= '' and tonumber(deliver_by) <= now then return { 'past', int(now) } end
end

-- The last that is written of a new transaction. `deliver_by`: when it expires, or ''. `callback`: who is told of its end, if anybody.
local function write_record(at, record, fingerprint, deliver_by, callback)
    local written = { 'status', 'pending', 'fingerprint', fingerprint, 'submitted', int(at.now) }
    local function write(field, value)
        written[#written + 1] = field
        written[#written + 1] = value
    end
    if at.client ~= '' then write('client', at.client) end
    if deliver_by ~= '' then write('deliver_by', deliver_by) end
    if at.trace ~= '' then write('trace', at.trace) end
    if callback ~= '' then write('callback', callback) end
    gathering.listed, gathering.client = true, at.client
    gathering.record, gathering.written = record, written
end

-- Gives messages that a consumer holds back, to the head of the queue: they have waited longest. Returns how many.
-- Whoever may not take them out of the ack set must not queue them either, again and again.
local function give_back(queue, bodies, acks, ids)
    if #ids == 0 then return 0 end
    redis.call('SREM', acks, '')
    local returned = 0
    for _, id in ipairs(ids) do
        if redis.call('HEXISTS', bodies, id) == 1 then
            redis.call('LPUSH', queue, id)
            returned = returned + 1
        end
        redis.call('SREM', acks, id)
    end
    return returned
end

-- How many POSTs the posting service has let in so far, whatever it then did with them, and how many it has sent away.
local function let_in_and_kept_out(count)
    local n = redis.call('HMGET', count, 'completed:posted', 'completed:verified', 'failed:rejected', 'retried:sent_away')
    return (tonumber(n[1]) or 0) + (tonumber(n[2]) or 0) + (tonumber(n[3]) or 0), tonumber(n[4]) or 0
end

-- Whether claims may post, or Redis has lost what it had acknowledged: a counter lower than a worker remembers.
-- Then nobody posts until every request of the lost time has shown itself. Returns the end of that time and the counter.
local function quarantine(epoch, seen, now, lease, doubt_window)
    local state = redis.call('HMGET', epoch, 'claims', 'quarantine', 'moment')
    local claims, ends, moment = tonumber(state[1]) or 0, tonumber(state[2]) or 0, tonumber(state[3]) or 0
    local longest = now + lease + doubt_window
    -- An end that is further away than that is from before the clock was set back.
    if claims < seen or ends > longest then
        claims, ends = math.max(claims, seen), longest
        redis.call('HSET', epoch, 'claims', int(claims), 'quarantine', int(ends))
    end
    -- After a promotion: until all have said what they have seen (arrive.lua).
    return moment <= longest and math.max(ends, moment) or ends, claims
end

-- A dead letter's places. `at` names the keys due, count, failed, codes (stem), dead and dead_bodies (Dramatiq's own).
local function list_letter(at, id, code, failed_at, template)
    redis.call('HSET', at.dead_bodies, id, message_body(template, id, id, failed_at))
    redis.call('ZADD', at.dead, int(failed_at), id)
    redis.call('ZADD', at.codes .. code, int(failed_at), id)
    redis.call('ZADD', at.failed, int(failed_at), id)
end

-- The key, behind their stem, of those that an operator has discarded.
local DISCARDED = 'discarded'

local function unlist_letter(at, id, code)
    redis.call('ZREM', at.codes .. code, id)
    redis.call('ZREM', at.dead, id)
    redis.call('HDEL', at.dead_bodies, id)
    redis.call('ZREM', at.failed, id)
end

-- Fields that only a delivery needs (txn/store/record.py tells what is in them).
local OF_A_DELIVERY = { 'mode', 'lease', 'next', 'counted', 'counts_if', 'failed_at', 'away', 'hung', 'tries', 'tried',
    'unanswered', 'silent', 'uncertain', 'failing', 'sent_away', 'let_in', 'kept_out', 'crashes', 'message', 'queued',
    'missed', 'error', 'replayed' }

-- What follows from a record that says `completed` or `failed`. Repeating it changes nothing. A failed one keeps its doubt.
local function put_away(at, record, id, status, code, failed_at, template)
    if status == 'completed' then
        redis.call('HDEL', record, 'doubt', 'unposted', unpack(OF_A_DELIVERY))
    else
        redis.call('HDEL', record, unpack(OF_A_DELIVERY))
        if redis.call('HEXISTS', record, 'discarded') == 1 then
            redis.call('ZADD', at.codes .. DISCARDED, int(failed_at), id)
        else
            list_letter(at, id, code, failed_at, template)
        end
    end
    if at.leaving then
        at.leaving[#at.leaving + 1] = id
    else
        redis.call('ZREM', at.due, id)
    end
end

-- What follows from a replay, when the record says `pending`. Repeating it changes nothing.
local function put_back(at, record, id, code)
    redis.call('ZREM', at.codes .. DISCARDED, id)
    unlist_letter(at, id, code)
    redis.call('HDEL', record, 'code', 'detail', 'completed', 'discarded')
end

-- Many ids in one call. Each is looked at by itself: `gathering` is then what is to be written of it.
--   raised       its counters              look_at        its place in the due index
--   payload_key, payload, message, body    what makes it deliverable
--   told         what the feed is told     record, written   the record, and what it will say
--   call_back    enqueues its callback     listed, client    it is listed as accepted, for its client
--   tidy         does what follows from that; it may leave the due index (`at.leaving`) last of all
-- They are written together, in the order at the top, and counters and indexes with one command for all. A record that
-- cannot be written takes its own counters back, and its id gets the error in place of its reply.

-- An error in place of one id's reply.
local function failed(failure)
    local text = type(failure) == 'table' and failure.err or tostring(failure)
    text = text:gsub('^@user_script: ?%d+: ', ''):gsub('^@user_script: ?%d+: ', ''):gsub('^%-', ''):match('[^\r\n]*')
    return { err = text:find('^%u+ ') and text or 'ERR ' .. text }
end

-- Whether it is about the server or the user, and not about one id.
local function is_about_the_server(failure)
    local text = tostring(type(failure) == 'table' and failure.err or failure)
    for _, code in ipairs({ 'OOM ', 'READONLY', 'MISCONF', 'NOREPLICAS', 'NOPERM' }) do
        if text:find(code, 1, true) then return true end
    end
end

-- The counters of all of them.
local function raise_all(items)
    local keys, sums, buckets = {}, {}, {}
    for _, it in ipairs(items) do
        local noted = it.raised
        for i = 1, #noted, 3 do
            local key, field = noted[i], noted[i + 1]
            local sum = sums[key]
            if not sum then
                sum = {}
                keys[#keys + 1], sums[key] = key, sum
            end
            if not sum[field] then sum[#sum + 1] = field end
            sum[field] = (sum[field] or 0) + noted[i + 2]
        end
        if it.bucket then buckets[it.bucket] = true end
    end
    for _, key in ipairs(keys) do
        for _, field in ipairs(sums[key]) do
            local by = sums[key][field]
            if by ~= 0 and raise(key, field, int(by)) == by and buckets[key] then
                redis.call('EXPIRE', key, MINUTES_KEPT * 60)
            end
        end
    end
end

-- What does no harm without the records.
local function write_harmless(items, at)
    local places = {}
    for _, it in ipairs(items) do
        if it.look_at then places[#places + 1], places[#places + 2] = it.look_at, it.id end
    end
    if #places > 0 then redis.call('ZADD', at.due, unpack(places)) end
    if at.queue then at.queue(items) end
end

local function write_one(it, at)
    if it.told then announce(unpack(it.told, 1, 6)) end
    if it.call_back then it.call_back() end
    if it.listed then list_accepted(at, it) end
    if it.written then redis.call('HSET', it.record, unpack(it.written)) end
    committed()
    if it.tidy then it.tidy() end
end

local function write_together(items, at)
    if #items == 0 then return end
    if at.before then at.before() end
    raise_all(items)
    write_harmless(items, at)
    committed()
    at.leaving = {}
    for _, it in ipairs(items) do
        raised = it.raised
        local ok, failure = pcall(write_one, it, at)
        if not ok then
            lower()
            it.reply = failed(failure)
        end
    end
    if #at.leaving > 0 then at.leave(at.leaving) end
    at.leaving = nil
end

-- What `look` says of each id, or its error. The ids stand in ARGV, from `first` on, each with what is its own, `width` in
-- all; look(i) gets its place. `at` names the key due. `before` is called before anything of some ids is written; `queue`,
-- which makes them deliverable, when they are in the due index; `leave` takes ids out of that. `by_itself`: each is
-- written before the next is looked at.
local function each(first, width, at, look)
    local replies, items, seen = {}, {}, {}
    local function write()
        local ok, failure = pcall(write_together, items, at)
        if not ok then
            -- With a reserve the script begins again. Without one, only who has something to write is refused, and not a repeat beside it.
            if uses_reserve then error(failure, 0) end
            lower()
            for _, it in ipairs(items) do
                if it.written or it.message then it.reply = failed(failure) end
            end
        end
        items, seen = {}, {}
    end
    for i = first, #ARGV, width do
        if at.by_itself or seen[ARGV[i]] then write() end
        local it = { id = ARGV[i], raised = {} }
        gathering, seen[it.id], replies[#replies + 1] = it, true, it
        local ok, reply = pcall(look, i)
        gathering = nil
        if ok then
            it.reply, items[#items + 1] = reply, it
        else
            if is_about_the_server(reply) then error(reply, 0) end
            it.reply = failed(reply)
        end
    end
    write()
    for n, it in ipairs(replies) do replies[n] = it.reply end
    return replies
end

-- What an operator's `replay` or `discard` of one id would come to. Writes nothing.
-- 'done' | 'half' (the record says so already, the rest is missing) | 'unknown' | 'not_failed'
local function operable(what, at, record, id)
    local r = fields(record, 'status', 'code', 'discarded')
    if not r[1] then return 'unknown' end
    if what == 'replay' then
        if r[1] == 'failed' then return 'done' end
        return r[2] and 'half' or 'not_failed'
    end
    if r[1] ~= 'failed' or not redis.call('ZSCORE', at.failed, id) then return 'not_failed' end
    return r[3] and 'half' or 'done'
end

-- What an operator does to one dead letter that is `operable`. `at` also names the key changes. `line` says who, what and
-- why, as one line of JSON, for the history. A replay leaves the doubt alone: the next delivery is as careful as any other.
local function operate(what, half, at, record, id, line, now)
    local r = redis.call('HMGET', record, 'code', 'history', 'discarded', 'deliver_by', 'client')
    local code, history = r[1] or '', (r[2] or '') .. int(now) .. ' ' .. line .. '\n'
    if not half then
        if not r[3] then raise(at.count, 'dead', -1) end
        if what == 'discard' then
            raise(at.count, 'discarded', 1)
            redis.call('HSET', record, 'history', history, 'discarded', line)
        else
            -- What its failure could not put away would be taken for the next delivery's.
            if redis.call('ZSCORE', at.due, id) then redis.call('HDEL', record, unpack(OF_A_DELIVERY)) end
            raise(at.count, 'pending', 1)
            raise(at.count, 'replayed', 1)
            announce(at.changes, id, 'pending', now, '', r[5])
            redis.call('ZADD', at.due, int(now), id)
            -- Whoever replays one that has expired wants it to be posted all the same.
            local written = { 'status', 'pending', 'next', int(now), 'replayed', int(now), 'history', history, 'deliver_by', '' }
            redis.call('HSET', record, unpack(written, 1, (tonumber(r[4]) or math.huge) <= now and 10 or 8))
        end
        committed()
    end
    if what == 'discard' then
        redis.call('ZADD', at.codes .. DISCARDED, int(now), id)
        unlist_letter(at, id, code)
    else
        put_back(at, record, id, code)
    end
end

-- Does `work` with an entry of the journal that says who did what; without the one there is not the other. Old entries go.
local JOURNAL_ENTRIES = 10000
local function journalled(journal, work, ...)
    local at = redis.call('XADD', journal, 'MAXLEN', '~', JOURNAL_ENTRIES, '*', ...)
    local ok, failure = pcall(work)
    if ok then return end
    redis.pcall('XDEL', journal, at)
    error(failure, 0)
end
