-- Take one member off the board.
-- KEYS: 1 board (sorted set of turn .. member by minus the score)
--       2 turns (hash: member, turn); only where the earlier one ranks first
-- ARGV: 1 member
-- Reply: 1 removed, 0 there is no such member
-- Atomic: yes. With the last member both keys are gone.
local turn = ''
if KEYS[2] then
  turn = redis.call('HGET', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
local removed = turn and redis.call('ZREM', KEYS[1], turn .. ARGV[1]) or 0
if KEYS[2] and redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[2])
end
return removed
