-- Replace a session's value if it is still the version that was read. Its TTL stays.
-- KEYS: the session. ARGV: how the value begins (version and user), the new value.
-- Reply: -1 when saved, else the stored version, 0 when the session is gone. Atomic.
local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if string.sub(value, 1, #ARGV[1]) ~= ARGV[1] then return tonumber(string.match(value, '%d+')) end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return -1
