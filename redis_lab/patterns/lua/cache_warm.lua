-- Store many values. Single server only: their keys come as arguments, in any slot.
-- ARGV key, value, ttl in ms, key, value, ttl, ... (1000 values or fewer)
-- Reply: nothing of use. Atomic; every value expires.
for at = 1, #ARGV, 3 do
  redis.call('SET', ARGV[at], ARGV[at + 1], 'PX', ARGV[at + 2])
end
return 0
