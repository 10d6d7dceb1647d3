-- Forget keys that a tag lists, but for those that were noted again in the meantime.
-- KEYS[1] tag; ARGV key, score as it was read, key, score, ...
-- Reply: how many were forgotten. Atomic; the tag keeps its time to live.
local forgotten = 0
for at = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if score and tonumber(score) == tonumber(ARGV[at + 1]) then
    forgotten = forgotten + redis.call('ZREM', KEYS[1], ARGV[at])
  end
end
return forgotten
