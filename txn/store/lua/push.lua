-- push: queue one message that somebody sends by hand.
--
-- KEYS   1 queue (list)   2 queue's messages (hash)
-- ARGV   1 message id   2 body

push(KEYS[1], KEYS[2], ARGV[1], ARGV[2])
