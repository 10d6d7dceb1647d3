-- End all sessions of a user.
-- KEYS: the user's index. ARGV: the slot's prefix. Reply: how many there were. Atomic.
-- The sessions' keys are prefix and id, in the index's slot.
local count = 0
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  count = count + redis.call('UNLINK', ARGV[1] .. id)
end
redis.call('DEL', KEYS[1])
return count
