-- Note under some tags that a value carries them, and forget the values that have expired.
-- KEYS tags (one slot): sorted sets of names, score = when the value is gone, in microseconds
-- ARGV[1] name, ARGV[2] longest life of its value in ms
-- Reply: nothing of use. Atomic; a tag expires with the last value that carries it.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
for _, tag in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', tag, '-inf', string.format('%.0f', now))
  local gone = now + ARGV[2] * 1000
  local before = redis.call('ZSCORE', tag, ARGV[1])
  if before then
    gone = math.max(gone, before + 1) -- always a new score: cache_untag sees that it is noted anew
  end
  redis.call('ZADD', tag, string.format('%.0f', gone), ARGV[1])
  local last = redis.call('ZRANGE', tag, -1, -1, 'WITHSCORES')[2]
  redis.call('PEXPIRE', tag, string.format('%.0f', math.ceil((last - now) / 1000)))
end
return 0
