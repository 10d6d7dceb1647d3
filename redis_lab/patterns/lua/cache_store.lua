-- Store a value as "<version> <expires> <cost> <payload>", unless it has been overtaken.
-- KEYS[1] value, KEYS[2] claim (one slot); on a single server KEYS[3] version, KEYS[4..] tags
-- ARGV[1] claim under which it was computed, "" to store in any case and end every claim,
-- ARGV[2] version, "" for the one of now (KEYS[3]), ARGV[3] ttl in ms, ARGV[4] "<cost> <payload>",
-- ARGV[5] "missing": only if no value of this version has come in the meantime
-- Reply: expires, in microseconds of server time; 0 invalidated or overtaken, nothing is stored;
-- -1 no version key. Atomic; the value expires, the claim is gone.
local version = ARGV[2]
if KEYS[3] then
  local current = redis.call('GET', KEYS[3])
  if version == '' then
    version = current
  end
  if not version then
    return -1
  elseif current ~= version then
    return 0
  end
end
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
if ARGV[5] == 'missing' and redis.call('GETRANGE', KEYS[1], 0, #version) == version .. ' ' then
  return 0
end
local now = redis.call('TIME')
local expires = now[1] * 1000000 + now[2] + ARGV[3] * 1000
local value = version .. string.format(' %.0f ', expires) .. ARGV[4]
redis.call('SET', KEYS[1], value, 'PX', ARGV[3])
redis.call('UNLINK', KEYS[2])
for at = 4, #KEYS do
  redis.call('ZREM', KEYS[at], KEYS[2])
end
return expires
