-- Take a lock if it is free, with a fencing token above every earlier one.
-- KEYS: the lock, its last token (one slot). ARGV: owner (32 characters; from one who has waited, a
-- "+" behind it), ttl in ms, perhaps "woken", or "once" from one who will not wait.
-- Reply: the token, or minus the ms after which to look again. Atomic: the lock and its token
-- change together. An owner that asks twice, since its client retries, is granted it twice.
-- A "+" behind the holder says that others may be waiting. A "+" alone is kept by a release for the
-- waiter it has woken; if the wake-up is still in its list (KEYS[1]:wake), it has woken none.
local holder = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
if holder then
  local owner, mine = string.sub(ARGV[1], 1, 32), false
  if holder == '+' then
    mine = ARGV[3] == 'woken' or redis.call('LPOP', KEYS[1] .. ':wake')
    if mine then redis.call('SET', KEYS[1], owner .. '+', 'PX', ARGV[2]) end
  elseif string.sub(holder, 1, 32) == owner then
    mine = true
  elseif #holder == 32 and ARGV[3] ~= 'once' then
    redis.call('APPEND', KEYS[1], '+')
  end
  if not mine then
    local left = redis.call('PTTL', KEYS[1])
    return left < 0 and -1000 or -left
  end
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
