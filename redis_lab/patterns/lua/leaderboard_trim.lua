-- Remove members from the bottom of the board: a batch of those that are too many.
-- KEYS: 1 board (sorted set of turn .. member by minus the score)
--       2 turns (hash: member, turn); only where the earlier one ranks first
-- ARGV: 1 how many members to keep; 2 length of a turn; 3 size of a batch, at most 1000
-- Reply: how many were removed; fewer than a batch: no more are too many
-- Atomic: each batch. With the last member both keys are gone.
local excess = redis.call('ZCARD', KEYS[1]) - ARGV[1]
local last = redis.call('ZPOPMAX', KEYS[1], math.max(0, math.min(excess, tonumber(ARGV[3]))))
local members = {}
for i = 1, #last, 2 do
  members[#members + 1] = last[i]:sub(ARGV[2] + 1)
end
if KEYS[2] and #members > 0 then
  redis.call('HDEL', KEYS[2], unpack(members))
end
if KEYS[2] and redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[2])
end
return #members
