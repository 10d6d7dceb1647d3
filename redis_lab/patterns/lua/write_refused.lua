-- Let reads go to the store again: it refused the write that is queued last for a key.
-- KEYS: 1 newest (hash: key, ID of its last queued write)
-- ARGV: 1 key; 2 the ID of the refused write
-- Reply: 1; 0 where another write of the key is the last one, and stays it
-- Atomic: yes
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
