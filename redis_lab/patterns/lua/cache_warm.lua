-- Store many values. Single server only: the names of the keys are made here.
-- KEYS[1] version; ARGV[1] prefix of values, ARGV[2] prefix of claims, ARGV[3] ttl in ms,
-- ARGV[4] fraction of the ttl by which it may be shortened, ARGV[5] random number from 0 to 1,
-- ARGV[6..] name, payload, name, payload, ... (1000 pairs or fewer)
-- Reply: 1, or -1 where there is no version key. Atomic; every value expires, claims on them end.
local version = redis.call('GET', KEYS[1])
if not version then
  return -1
end
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local claims = {}
for at = 6, #ARGV, 2 do
  local share = (ARGV[5] + at * 0.309016994375) % 1 -- golden ratio: evenly spread over 0 to 1
  local ttl = math.max(1, math.floor(ARGV[3] * (1 - ARGV[4] * share)))
  local tagged = '{' .. ARGV[at] .. '}'
  local value = version .. string.format(' %.0f 0 ', now + ttl * 1000) .. ARGV[at + 1]
  redis.call('SET', ARGV[1] .. tagged, value, 'PX', ttl)
  claims[#claims + 1] = ARGV[2] .. tagged
end
redis.call('UNLINK', unpack(claims))
return 1
