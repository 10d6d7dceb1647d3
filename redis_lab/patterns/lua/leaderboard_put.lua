-- Set a member's score, or add to it.
-- KEYS: 1 board (sorted set of turn .. member by minus the score, so that the best comes first)
--       2 turns (hash: member, turn; field '' counts them); only where the earlier one ranks first
-- ARGV: 1 member; 2 the score, or what to add; 3 'set' or 'add'; 4 the largest score
-- Reply: the score as text; nil where it would be larger than the largest: nothing is changed
-- Atomic: yes. A member whose score does not change keeps its turn.
local board, turns, member = KEYS[1], KEYS[2], ARGV[1]
local place = member
if turns then
  local turn = redis.call('HGET', turns, member)
  place = turn and turn .. member
end
local old = place and redis.call('ZSCORE', board, place)
local score = tonumber(ARGV[2])
if ARGV[3] == 'add' and old then
  score = score - old
end
if math.abs(score) > tonumber(ARGV[4]) then
  return false
end
if not old or tonumber(old) ~= -score then
  if turns then
    local turn = string.format('%012x', redis.call('HINCRBY', turns, '', 1))
    redis.call('HSET', turns, member, turn)
    if place then
      redis.call('ZREM', board, place)
    end
    place = turn .. member
  end
  redis.call('ZADD', board, -score, place)
end
return string.format('%.17g', score)
