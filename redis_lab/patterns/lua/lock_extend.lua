-- Give a lock a new time to live.
-- KEYS: the lock. ARGV: owner (32 characters), ttl in ms, then perhaps GT: never shorten it.
-- Reply: 1, or 0 when it is not the owner's. Atomic.
if string.sub(redis.call('GET', KEYS[1]) or '', 1, 32) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], unpack(ARGV, 2))
return 1
