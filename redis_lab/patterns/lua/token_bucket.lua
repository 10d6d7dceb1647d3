-- Token bucket: holds up to `burst` tokens, gains one each interval, a unit takes one out.
-- KEYS[1]  string of three doubles: a time in µs, the level then in tokens times interval, when
--          the key expires in µs
-- ARGV     burst, interval and parts (a token takes interval/parts µs), cost (0 only looks: what
--          would a hit of 1 get?); burst * interval stays below 2^53
-- Reply    units left, or {units left, µs to wait} when refused
-- Atomic. A refusal writes nothing. If the clock steps back, the level stays as it is.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local interval, parts, take = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local full = ARGV[1] * interval
local time, level, expires = now, full, now
local state = redis.call('GET', KEYS[1])
if state then time, level, expires = struct.unpack('<ddd', state) end
level = math.min(level + math.max(now - time, 0) * parts, full)
local ahead = time > now

local missing = math.max(take, 1) * interval - level
local allowed = missing <= 0
if allowed then level = level - take * interval end
if take > 0 and (allowed or ahead) then
  local wait = math.ceil((full - level) / parts)
  if now + wait < expires then
    redis.call('SET', KEYS[1], struct.pack('<ddd', now, level, expires), 'KEEPTTL')
  else -- a TTL costs time to set: longer than it must be, so that few hits set one
    expires = now + 2 * wait + 10000000
    state = struct.pack('<ddd', now, level, expires)
    redis.call('SET', KEYS[1], state, 'PX', math.ceil((expires - now) / 1000) + 1000)
  end
end
local remaining = math.floor(level / interval)
if allowed then return remaining end
return {remaining, math.ceil(missing / parts)}
