-- Take a lock if it is free, with a fencing token above every earlier one.
-- KEYS: the lock, its last token (one slot). ARGV: owner (32 characters; with a "+" behind it from
-- one who has waited, since others may be waiting still), ttl in ms.
-- Reply: the token, or minus the ms after which to look again. Atomic: the lock and its token
-- change together. An owner that asks twice, since its client retries, is granted it twice.
local holder = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
if holder and string.sub(holder, 1, 32) ~= string.sub(ARGV[1], 1, 32) then
  if #holder == 32 then redis.call('APPEND', KEYS[1], '+') end
  local left = redis.call('PTTL', KEYS[1])
  return left < 0 and -1000 or -left
end
local now = redis.call('TIME')
local token = now[1] * 1000000 + now[2]
local last = redis.call('SET', KEYS[2], token, 'PX', '86400000', 'GET')
if last and tonumber(last) >= token then -- the clock went back: count on from the last token,
  local ahead = math.ceil((last + 1 - token) / 1000) -- and keep it a day past its own time
  token = last + 1
  redis.call('SET', KEYS[2], token, 'PX', 86400000 + ahead)
end
return token
