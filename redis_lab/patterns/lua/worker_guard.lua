-- Let the EXEC that follows on this connection fail unless it may do all these entries.
-- KEYS: 1 stream, 2 claims, 3 done; the connection watches 2 and 3
-- ARGV: 1 group, 2 consumer, 3 size of the batch, 4… IDs in order
-- Reply: 1 if all are pending for this consumer; else 0, and a watched key was written
-- Atomic: yes. What changes between this and EXEC writes a watched key itself.
local found = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[#ARGV], ARGV[3], ARGV[2])
local ours = {}
for _, entry in ipairs(found) do
  ours[entry[1]] = true
end
for at = 4, #ARGV do
  if not ours[ARGV[at]] then
    redis.call('SET', KEYS[3], ARGV[at], 'EX', 3600)
    return 0
  end
end
return 1
