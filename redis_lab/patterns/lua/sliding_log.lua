-- Sliding log: `limit` units in any `window` microseconds, exactly.
-- KEYS[1]  list of the times in µs at which units were admitted, newest first
-- ARGV     limit, window in µs, cost (0 only looks: what would a hit of 1 get?)
-- Reply    units left, or {units left, µs to wait} when refused
-- Atomic. A refusal writes nothing. If the clock steps back, times ahead of it become now.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local key, limit, window, take = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local size = redis.call('LLEN', key)

local function entry(index)
  return tonumber(redis.call('LINDEX', key, index))
end

-- how many entries are later than `time`
local function later_than(time)
  local low, high = 0, size
  while low < high do
    local middle = math.floor((low + high) / 2)
    if entry(middle) > time then low = middle + 1 else high = middle end
  end
  return low
end

local function push(times)
  local entries = {}
  for at = 1, math.min(times, 1000) do entries[at] = now end
  for left = times, 1, -1000 do
    redis.call('LPUSH', key, unpack(entries, 1, math.min(left, 1000)))
  end
end

local live, ahead = 0, 0
if size > 0 then
  live = entry(-1) > now - window and size or later_than(now - window)
  ahead = entry(0) <= now and 0 or later_than(now)
end
local cost = math.max(take, 1)
local allowed = live + cost <= limit
if take > 0 and (allowed or ahead > 0) then
  if ahead > 0 then
    redis.call('LTRIM', key, ahead, -1)
    push(ahead)
  end
  local expired = size > live
  if allowed then
    push(take)
    live = live + take
  end
  if expired then redis.call('LTRIM', key, 0, live - 1) end
  local least = math.ceil(window / 1000) + 1000 -- set twice that, so that few hits set one
  if redis.call('PTTL', key) < least then redis.call('PEXPIRE', key, 2 * least) end
end
if allowed then return limit - live end
return {math.max(limit - live, 0), math.min(entry(limit - cost), now) + window - now}
