-- Count one event in the hour and in the day it happened.
-- KEYS: 1-3 the hour's events (counter), users (HyperLogLog), top (sorted set: user, events)
--       4-6 the same of the day; 7 active (sorted set: user, last seen in µs); 8 recent (stream)
-- ARGV: 1 when it happened in µs since 1970, or '' for now; 2 the start in seconds of the hour that
--       KEYS belong to; 3 user; 4 properties as JSON; 5 retention in ms; 6 most users in a top;
--       7 about how many entries recent keeps
-- Reply: 1 counted; 0 dropped, further than the retention from now; else nothing is done and the
--        reply is the time in µs: it is another hour now than KEYS belong to
-- Atomic: all of it or nothing; the first write is one that a full server refuses.
local now = redis.call('TIME')
local clock = now[1] * 1000000 + now[2]
local at, hour, user = tonumber(ARGV[1]) or clock, tonumber(ARGV[2]), ARGV[3]
local retention, capacity = tonumber(ARGV[5]), tonumber(ARGV[6])
if ARGV[1] == '' and math.floor(clock / 3600000000) * 3600 ~= hour then
  return clock
end
if math.abs(at - clock) > retention * 1000 then
  return 0
end

local function count(events, users, top, ends)
  redis.call('INCR', events)
  redis.call('PFADD', users, user)
  if redis.call('ZINCRBY', top, 1, user) == '1' and redis.call('ZCARD', top) > capacity then
    -- Space-Saving: the newcomer takes the place and the count of the least
    redis.call('ZREM', top, user)
    redis.call('ZADD', top, redis.call('ZPOPMIN', top)[2] + 1, user)
  end
  for _, key in ipairs({events, users, top}) do
    redis.call('PEXPIRE', key, ends * 1000 + retention - math.floor(clock / 1000), 'NX')
  end
end

count(KEYS[1], KEYS[2], KEYS[3], hour + 3600)
count(KEYS[4], KEYS[5], KEYS[6], hour - hour % 86400 + 86400)
local active, recent = KEYS[7], KEYS[8]
local forgotten = string.format('(%.0f', clock - retention * 1000)
redis.call('ZADD', active, 'GT', math.min(at, clock), user)
redis.call('ZREMRANGEBYSCORE', active, '-inf', forgotten)
redis.call('PEXPIRE', active, retention)
local entry = {'user', user, 'at', at, 'properties', ARGV[4]}
redis.call('XADD', recent, 'MAXLEN', '~', ARGV[7], '*', unpack(entry))
redis.call('XTRIM', recent, 'MINID', math.floor(clock / 1000) - retention)
redis.call('PEXPIRE', recent, retention)
return 1
