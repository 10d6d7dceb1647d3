-- End a session.
-- KEYS: the session, the user's index (one slot). ARGV: id. Reply: 1, or 0 when it was gone. Atomic.
redis.call('SREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
