-- A member and its neighbours.
-- KEYS: 1 board (sorted set of turn .. member by minus the score)
--       2 turns (hash: member, turn); only where the earlier one ranks first
-- ARGV: 1 member; 2 how many neighbours on each side
-- Reply: the first one's rank, counted from 0, and a flat list of turn .. member, minus the score;
--        nil where there is no such member
-- Atomic: yes, one picture. It only reads.
local turn = ''
if KEYS[2] then
  turn = redis.call('HGET', KEYS[2], ARGV[1])
end
local rank = turn and redis.call('ZRANK', KEYS[1], turn .. ARGV[1])
if not rank then
  return false
end
local first = math.max(0, rank - ARGV[2])
return {first, redis.call('ZRANGE', KEYS[1], first, rank + ARGV[2], 'WITHSCORES')}
