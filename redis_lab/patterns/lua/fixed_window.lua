-- Fixed window: `limit` units in each window of the server's clock, counted from 1970.
-- KEYS[1]  string of two doubles: number of the window, units admitted in it
-- ARGV     limit, window in µs, cost (0 only looks: what would a hit of 1 get?)
-- Reply    units left, or {units left, µs to wait} when refused
-- Atomic. A refusal writes nothing. If the clock steps back, the count comes along.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local limit, window, take = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local number = math.floor(now / window)
local left = (number + 1) * window - now
local known, used = -1, 0
local state = redis.call('GET', KEYS[1])
if state then known, used = struct.unpack('<dd', state) end
if known < number then used = 0 end

local allowed = used + math.max(take, 1) <= limit
if allowed then used = used + take end
if take > 0 and (allowed or known > number) then
  state = struct.pack('<dd', number, used)
  if known == number then
    redis.call('SET', KEYS[1], state, 'KEEPTTL')
  else
    redis.call('SET', KEYS[1], state, 'PX', math.ceil(left / 1000) + 1000)
  end
end
if allowed then return limit - used end
return {math.max(limit - used, 0), left}
