-- Note under some tags a value that will carry them, and the claim of who computes it.
-- KEYS tags (one slot): sorted sets of keys, score = when the key is gone, in microseconds
-- ARGV[1] key of the value, ARGV[2] its ttl in ms, ARGV[3] key of the claim, ARGV[4] its ttl in ms
-- Reply: nothing of use. Atomic; what has expired is forgotten, a tag expires with its last key.
-- A claim comes before its value: whoever drops keys in this order lets no value slip in between.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]

local function note(tag, key, life)
  local gone = now + life * 1000
  local before = redis.call('ZSCORE', tag, key)
  if before then
    gone = math.max(gone, before + 1) -- always a new score: cache_untag sees that it is noted anew
  end
  redis.call('ZADD', tag, string.format('%.0f', gone), key)
end

for _, tag in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', tag, '-inf', string.format('%.0f', now))
  note(tag, ARGV[3], ARGV[4])
  note(tag, ARGV[1], ARGV[2] + ARGV[4])
  local last = redis.call('ZRANGE', tag, -1, -1, 'WITHSCORES')[2]
  redis.call('PEXPIRE', tag, string.format('%.0f', math.ceil((last - now) / 1000)))
end
return 0
