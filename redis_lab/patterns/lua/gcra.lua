-- GCRA, the generic cell rate algorithm: each unit moves the theoretical arrival time (TAT) on by
-- one interval; a hit is refused if it would bring the TAT more than a burst ahead of now.
-- KEYS[1]  string of three doubles: the TAT in µs, parts of a µs, when the key expires in µs
-- ARGV     burst, interval and parts (a unit takes interval/parts µs), cost (0 only looks: what
--          would a hit of 1 get?); burst * interval stays below 2^53
-- Reply    units left, or {units left, µs to wait} when refused
-- Atomic. A refusal writes nothing. If the clock steps back, the TAT is at most a burst ahead.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local interval, parts, take = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local full = ARGV[1] * interval
local tat, part, expires = now, 0, now
local state = redis.call('GET', KEYS[1])
if state then tat, part, expires = struct.unpack('<ddd', state) end
local lead = math.max((tat - now) * parts + part, 0)
local ahead = lead > full
if ahead then lead = full end

local excess = lead + math.max(take, 1) * interval - full
local allowed = excess <= 0
if allowed then lead = lead + take * interval end
if take > 0 and (allowed or ahead) then
  local wait = math.floor(lead / parts)
  tat, part = now + wait, lead - wait * parts
  if tat < expires then
    redis.call('SET', KEYS[1], struct.pack('<ddd', tat, part, expires), 'KEEPTTL')
  else -- a TTL costs time to set: longer than it must be, so that few hits set one
    expires = tat + wait + 10000000
    state = struct.pack('<ddd', tat, part, expires)
    redis.call('SET', KEYS[1], state, 'PX', math.ceil((expires - now) / 1000) + 1000)
  end
end
local remaining = math.floor((full - lead) / interval)
if allowed then return remaining end
return {remaining, math.ceil(excess / parts)}
