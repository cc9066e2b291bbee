-- accept: store a transaction, its place in the due index and its wake-up, all or nothing. Repeating it changes nothing,
-- but for what is missing of a transaction that was half stored (by an older version, or by hand): that is completed.
--
-- KEYS   1 t:<id>   2 p:<id>   3 due   4 count   5 minute stem   6 queue (list)   7 queue's messages (hash)
--        8 accepted stem   9 accepted_hours   10 expiring
-- ARGV   1 id   2 fingerprint   3 payload   4 grace ms   5 message template   6 shift   7 client | ''
--        8 when it expires (ms) | ''   9 traceparent | ''   10 a URL for the callback | client, if there is to be one
-- reply  { 'accepted', submitted ms }
--        { 'foreign' }: the id is another client's
--        { 'replayed' | 'other', status, submitted ms, completed ms | nil, code | nil, detail | nil,
--          when it expires (ms) | nil }
--        { 'past', now ms }: it is not known, and has expired already

uses_reserve = false
local record, id, fingerprint = KEYS[1], ARGV[1], ARGV[2]
local now = clock(ARGV[6])
local at = { due = KEYS[3], queue = KEYS[6], bodies = KEYS[7], grace = ARGV[4], template = ARGV[5], now = now, client = ARGV[7], trace = ARGV[9],
    accepted = KEYS[8], hours = KEYS[9], expiring = KEYS[10] }

local before = accepted_before(at, record, id, fingerprint, KEYS[2], ARGV[3])
if before then return before end
local late = too_late(ARGV[8], now)
if late then return late end

raise(KEYS[4], 'pending', 1)
tally(KEYS[4], KEYS[5], now, 'accepted')
make_deliverable(at, id, KEYS[2], ARGV[3])
list_accepted(at, id)
note_expiry(at, id, ARGV[8])
write_record(at, record, fingerprint, ARGV[8], ARGV[10])
committed()
return { 'accepted', int(now) }
