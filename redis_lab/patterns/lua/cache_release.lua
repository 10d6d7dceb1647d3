-- Give a claim back without storing anything.
-- KEYS[1] claim; ARGV[1] the claim as it was taken, ARGV[2] what to leave in its place, if anything:
-- "<version> none" tells those who wait that the value is None, which is not kept
-- Reply: 1 it was still ours, 0 an invalidation or its end in time came first. Atomic; what is left
-- expires after 1 s, and not after the claim would have.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] then
  local left = math.max(1, math.min(1000, redis.call('PTTL', KEYS[1])))
  redis.call('SET', KEYS[1], ARGV[2], 'PX', left)
else
  redis.call('UNLINK', KEYS[1])
end
return 1
