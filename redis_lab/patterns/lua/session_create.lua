-- Store a new session and note it for its user.
-- KEYS: the user's index. ARGV: the slot's prefix, the id but for its end, value, ttl in ms,
-- greatest age in ms. Reply: the id. Atomic.
-- The session's key is prefix and id, in the index's slot: only the server knows when it ends.
local now = redis.call('TIME')
local ttl, age = tonumber(ARGV[4]), tonumber(ARGV[5])
local id = ARGV[2] .. string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + age)
redis.call('SET', ARGV[1] .. id, ARGV[3], 'PX', math.min(ttl, age))
redis.call('SADD', KEYS[1], id)
-- The index outlives each of its sessions, also those of a store with a greater age.
if redis.call('PTTL', KEYS[1]) < age + 1000 then redis.call('PEXPIRE', KEYS[1], age + 1000) end
-- Three of those that may have expired leave for each that comes: the index stays near the living.
for _, other in ipairs(redis.call('SRANDMEMBER', KEYS[1], 3)) do
  if redis.call('EXISTS', ARGV[1] .. other) == 0 then redis.call('SREM', KEYS[1], other) end
end
return id
