-- The version of a namespace: a token that never repeats. Values of another one are void.
-- KEYS[1] version; ARGV[1] random hex digits, ARGV[2] "renew" it, or "keep" the one that is there
-- Reply: the token, "<microseconds of server time>-<random>". Atomic; this one key never expires.
local version = redis.call('GET', KEYS[1])
if version and ARGV[2] == 'keep' then
  return version
end
local now = redis.call('TIME')
version = string.format('%.0f-%s', now[1] * 1000000 + now[2], ARGV[1])
redis.call('SET', KEYS[1], version)
return version
