-- Drop the queued writes up to an ID: the store has them, or refused the last one of them.
-- KEYS: 1 queue (stream: key, value); 2 newest (hash: key, ID of its last queued write)
--       3 dead letters (stream: _id, _error, and what was queued)
-- ARGV: 1 the ID; 2 why the store refused the write of this ID; absent where it did not
-- Reply: how many were dropped
-- Atomic: yes: a refused write is queued or a dead letter, never both, never neither.
local entries = redis.call('XRANGE', KEYS[1], '-', ARGV[1])
local last = entries[#entries]
if ARGV[2] and last and last[1] == ARGV[1] then
  redis.call('XADD', KEYS[3], '*', '_id', last[1], '_error', ARGV[2], unpack(last[2]))
end
for _, entry in ipairs(entries) do
  local id, key = entry[1], entry[2][2]
  if redis.call('HGET', KEYS[2], key) == id then
    redis.call('HDEL', KEYS[2], key)
  end
end
redis.call('XTRIM', KEYS[1], 'MINID', '=', ARGV[1])
redis.call('XDEL', KEYS[1], ARGV[1])
return #entries
