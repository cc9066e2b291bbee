-- cancel: a client takes a transaction back that provably was never posted, and that no worker holds. It is failed then,
-- and no dead letter: nobody has to decide anything. Repeating it changes nothing. (Model: tests/model/protocol.py.)
--
-- KEYS   1 t:<id>   2 due   3 count   4 minute stem   5 epoch   6 failed   7 failed:<code> stem   8 the queue's dead
--        letters   9 their messages   10 outage   11 turned_back   12 changes   13 callbacks
-- ARGV   1 id   2 client | ''   3 1: whoever's it is   4 detail   5 line for the history   6 message template   7 shift
--        8 how long what may be lost is not known after a promotion (ms)
-- reply  { 'done' | 'held' (a worker has it) | 'attempted' (an attempt may have posted it) | 'ended' | 'unknown'
--          | 'lost' (Redis may have lost what became of it),
--          status, submitted ms, completed ms | nil, code | nil, detail | nil, deliver by ms | nil }

local CODE = 'cancelled'

local record, id, due = KEYS[1], ARGV[1], KEYS[2]
local now = clock(ARGV[7])
local at = { due = due, failed = KEYS[6], codes = KEYS[7], dead = KEYS[8], dead_bodies = KEYS[9], count = KEYS[3],
    minutes = KEYS[4], changes = KEYS[12], callbacks = KEYS[13] }

local r = redis.call('HMGET', record, 'status', 'submitted', 'completed', 'code', 'detail', 'deliver_by', 'attempts', 'client',
    'history', 'callback', 'unposted', 'failing', 'sent_away', 'uncertain')
local function reply(verdict)
    return { verdict, unpack(r, 1, 6) }
end
if not r[1] or (ARGV[3] ~= '1' and (r[8] or '') ~= ARGV[2]) then return { 'unknown' } end

local function tidy(at_ms)
    redis.call('ZREM', KEYS[10], id)
    redis.call('ZREM', KEYS[11], id)
    put_away(at, record, id, 'failed', CODE, at_ms, ARGV[6])
end

if r[1] == 'failed' and r[4] == CODE then
    if redis.call('ZSCORE', due, id) then tidy(tonumber(r[3]) or now) end
    return reply('done')
end
if r[1] ~= 'pending' then return reply(r[1] == 'processing' and 'held' or 'ended') end
-- A claim that may post counts as an attempt. What it has not proved to be none may have been one.
if (tonumber(r[7]) or 0) > (tonumber(r[11]) or 0) then return reply('attempted') end
-- What was accepted before a loss may have been delivered in the time that was lost.
local epoch = redis.call('HMGET', KEYS[5], 'quarantine', 'moment')
local moment = tonumber(epoch[2]) or 0
if (tonumber(r[2]) or 0) <= (tonumber(epoch[1]) or 0) or (moment > now and moment <= now + ARGV[8]) then
    return reply('lost')
end

fail_unposted(at, record, id, CODE, ARGV[4], ARGV[5], { submitted = r[2], deliver_by = r[6], client = r[8], history = r[9],
    callback = r[10], failing = r[12], sent_away = r[13], uncertain = r[14] }, now, 'discarded', ARGV[5])
tidy(now)
r[1], r[3], r[4], r[5] = 'failed', int(now), CODE, ARGV[4]
return reply('done')
