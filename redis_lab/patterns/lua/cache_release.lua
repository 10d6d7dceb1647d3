-- Give a claim back without storing anything.
-- KEYS[1] claim; ARGV[1] the claim as it was taken
-- Reply: 1 it was still ours, 0 an invalidation or its end in time came first. Atomic.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('UNLINK', KEYS[1])
end
return 0
