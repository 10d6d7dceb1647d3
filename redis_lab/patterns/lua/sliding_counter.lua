-- Sliding counter: the units of this window and, as far as it still overlaps the last `window`
-- microseconds, a part of those of the window before: previous * left / window, rounded up.
-- KEYS[1]  string of three doubles: number of a window, units admitted before it and in it
-- ARGV     limit (up to 2^26), window in µs, cost (0 only looks: what would a hit of 1 get?)
-- Reply    units left, or {units left, µs to wait} when refused
-- Atomic. A refusal writes nothing. If the clock steps back, all units count as this window's.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local limit, window, take = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local number = math.floor(now / window)
local left = (number + 1) * window - now
local known, previous, used = -1, 0, 0
local state = redis.call('GET', KEYS[1])
if state then known, previous, used = struct.unpack('<ddd', state) end
if known < number - 1 then previous, used = 0, 0 end
if known == number - 1 then previous, used = used, 0 end
if known > number then previous, used = 0, previous + used end

-- floor(units * window / count), in steps that stay below 2^53: while no more than that is left of
-- this window, `count` units of the window before weigh no more than `units`
local function left_for(units, count)
  local rest = window % count
  return units * ((window - rest) / count) + math.floor(units * rest / count)
end

local weight = 0
if previous > 0 then
  weight = math.ceil(previous * (left / window)) -- exact, or one off: the product is rounded
  if left <= left_for(weight - 1, previous) then weight = weight - 1 end
  if left > left_for(weight, previous) then weight = weight + 1 end
end
local cost = math.max(take, 1)
local allowed = weight + used + cost <= limit
if allowed then used = used + take end
if take > 0 and (allowed or known > number) then
  state = struct.pack('<ddd', number, previous, used)
  if known == number then
    redis.call('SET', KEYS[1], state, 'KEEPTTL')
  else
    redis.call('SET', KEYS[1], state, 'PX', math.ceil((left + window) / 1000) + 1000)
  end
end
local remaining = math.max(limit - used - weight, 0)
if allowed then return remaining end
local room = limit - used - cost
if room >= 0 then return {remaining, left - left_for(room, previous)} end
return {remaining, left + window - left_for(limit - cost, used)} -- in the window after this one
