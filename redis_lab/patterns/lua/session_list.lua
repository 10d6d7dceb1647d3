-- The living sessions of a user; those that have expired leave the index.
-- KEYS: the user's index. ARGV: the slot's prefix. Reply: id, value, id, value, … Atomic.
-- The sessions' keys are prefix and id, in the index's slot.
local found = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local value = redis.call('GET', ARGV[1] .. id)
  if value then
    table.insert(found, id)
    table.insert(found, value)
  else
    redis.call('SREM', KEYS[1], id)
  end
end
return found
