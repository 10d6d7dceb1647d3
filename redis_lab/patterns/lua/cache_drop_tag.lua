-- Drop values that carry a tag, and the claims of those who compute some. Single server only: the
-- names of the keys come from the tag.
-- KEYS[1] tag; ARGV[1] at most so many keys (1000)
-- Reply: how many were taken from the tag; fewer than asked for: it is empty. Atomic.
local keys = redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)
if #keys > 0 then
  redis.call('UNLINK', unpack(keys))
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, #keys - 1)
end
return #keys
