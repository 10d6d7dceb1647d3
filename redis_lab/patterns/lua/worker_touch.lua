-- Restart the idle time of entries that this consumer still works on.
-- KEYS: 1 stream
-- ARGV: 1 group, 2 consumer, 3… IDs
-- Reply: those IDs that are not pending for this consumer any more
-- Atomic: yes: nothing is taken back that somebody else has claimed.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local lost = {}
for at = 3, #ARGV do
  local id = ARGV[at]
  if #redis.call('XPENDING', stream, group, id, id, 1, consumer) == 0 then
    lost[#lost + 1] = id
  else
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'JUSTID')
  end
end
return lost
