-- The value that is queued last for a key.
-- KEYS: 1 queue (stream: key, value); 2 newest (hash: key, ID of its last queued write)
-- ARGV: 1 key
-- Reply: the value as it was queued; nil where no write of this key waits
-- Atomic: yes, and read-only.
local id = redis.call('HGET', KEYS[2], ARGV[1])
local entry = id and redis.call('XRANGE', KEYS[1], id, id)[1]
return entry and entry[2][4]
