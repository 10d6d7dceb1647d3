-- Free a lock and, if anyone may be waiting, wake one.
-- KEYS: the lock, its wake list (one slot). ARGV: owner.
-- Reply: 1, or 0 when it is not the owner's. Atomic. The wake-up lies ready for two seconds.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then return redis.call('DEL', KEYS[1]) end
if holder ~= ARGV[1] .. '+' then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('RPUSH', KEYS[2], 'free')
redis.call('PEXPIRE', KEYS[2], 2000)
return 1
