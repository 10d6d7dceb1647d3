-- Give a session a new id.
-- KEYS: old session, new session, the user's index (one slot). ARGV: old id, new id, ttl in ms,
-- the end in ms since 1970. Reply: the value, or nil when the session is gone. Atomic.
-- Asked twice, by a client that retries, it answers the same.
local now = redis.call('TIME')
local left = ARGV[4] - now[1] * 1000 - math.floor(now[2] / 1000)
if left <= 0 then return nil end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('PEXPIRE', KEYS[2], math.min(ARGV[3], left))
  redis.call('SADD', KEYS[3], ARGV[2])
  redis.call('SREM', KEYS[3], ARGV[1])
  if redis.call('PTTL', KEYS[3]) < left + 1000 then redis.call('PEXPIRE', KEYS[3], left + 1000) end
end
return redis.call('GET', KEYS[2])
