-- Drop values that carry a tag, with the claims of those who compute them. Single server only: the
-- names of the keys come from the tag.
-- KEYS[1] tag; ARGV[1] prefix of values, ARGV[2] prefix of claims, ARGV[3] at most so many (1000)
-- Reply: how many were taken from the tag; fewer than asked for: it is empty. Atomic.
local names = redis.call('ZRANGE', KEYS[1], 0, ARGV[3] - 1)
if #names == 0 then
  return 0
end
local keys = {}
for at, name in ipairs(names) do
  keys[2 * at - 1] = ARGV[1] .. '{' .. name .. '}'
  keys[2 * at] = ARGV[2] .. '{' .. name .. '}'
end
redis.call('UNLINK', unpack(keys))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, #names - 1)
return #names
