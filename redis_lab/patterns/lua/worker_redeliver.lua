-- Count one more delivery of an entry, if it is still pending for this consumer.
-- KEYS: 1 stream
-- ARGV: 1 group, 2 consumer, 3 ID
-- Reply: name, value, name, value…; empty if it is not ours, or was deleted (XCLAIM then
--        acknowledges it away)
-- Atomic: yes
local stream, group, consumer, id = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if #redis.call('XPENDING', stream, group, id, id, 1, consumer) == 0 then
  return {}
end
local entry = redis.call('XCLAIM', stream, group, consumer, 0, id)[1]
return entry and entry[2] or {}
