-- Free a lock or, if others may be waiting, wake one of them and keep it for that one.
-- KEYS: the lock, its wake list (one slot). ARGV: owner.
-- Reply: 1, or 0 when it is not the owner's. Atomic. The lock is kept for 0.1 s, the wake-up lies
-- ready for 2 s. (DEL comes first: after it, a server out of memory lets the rest pass.)
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then return redis.call('DEL', KEYS[1]) end
if holder ~= ARGV[1] .. '+' then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[1], '+', 'PX', 100)
redis.call('RPUSH', KEYS[2], 'free')
redis.call('PEXPIRE', KEYS[2], 2000)
return 1
