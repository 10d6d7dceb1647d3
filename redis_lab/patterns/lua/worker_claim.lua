-- Take over the entries that their consumers have left alone for too long.
-- KEYS: 1 stream, 2 claims (string: who took entries over last), in the stream's slot
-- ARGV: 1 group, 2 consumer, 3 least idle time in ms, 4 cursor, 5 count
-- Reply: the next cursor (0-0: the end), then {ID, deliveries so far} for each entry
-- Atomic: yes. Writing the claims key makes the EXEC of whoever watches it fail.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local taken = redis.call('XAUTOCLAIM', stream, group, consumer, ARGV[3], ARGV[4],
  'COUNT', ARGV[5], 'JUSTID')
local reply = {taken[1]}
for _, id in ipairs(taken[2]) do
  local entry = redis.call('XPENDING', stream, group, id, id, 1)[1]
  reply[#reply + 1] = {id, entry[4]}
end
if #reply > 1 then
  redis.call('SET', KEYS[2], consumer, 'EX', 3600)
end
return reply
