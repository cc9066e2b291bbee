-- operate: an operator replays or discards dead letters, and the journal says which. Repeating it changes nothing.
--
-- KEYS   1 t: stem   2 due   3 count   4 failed   5 failed:<code> stem   6 the queue's dead letters   7 their messages
--        8 journal
-- ARGV   1 replay | discard   2 history line   3 who   4 why   5 shift   6 ... ids
-- reply  { 'done' | 'unknown' | 'not_failed', ... }, one for each id

local what, line, now = ARGV[1], ARGV[2], clock(ARGV[5])
local at = { due = KEYS[2], count = KEYS[3], failed = KEYS[4], codes = KEYS[5], dead = KEYS[6], dead_bodies = KEYS[7] }

local reply, done = {}, {}
for i = 6, #ARGV do
    local id = ARGV[i]
    local verdict = operate(what, at, KEYS[1] .. id, id, line, now)
    reply[#reply + 1] = verdict
    if verdict == 'done' then done[#done + 1] = id end
end
if #done > 0 then
    write_journal(KEYS[8], 'by', ARGV[3], 'what', what, 'why', ARGV[4], 'count', #done, 'ids', table.concat(done, ' '))
end
return reply
