-- Take the next job of a ReliableQueue: first those whose consumer's time is over.
-- KEYS: 1 waiting (list of IDs), 2 taken (sorted set of IDs by deadline in µs), 3 bodies (hash),
--       4 attempts (hash: deliveries so far)
-- ARGV: 1 visibility in µs
-- Reply: {ID, body, attempts}; if there is no job, the µs to the next deadline, as an integer
-- Atomic: yes. A job is always in waiting or in taken: no consumer's death can come between.
local waiting, taken = KEYS[1], KEYS[2]
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local first = redis.call('ZRANGE', taken, 0, 0, 'WITHSCORES')
local id = first[1]
if id and tonumber(first[2]) <= now then
  redis.call('ZREM', taken, id) -- first: after it, a server out of memory lets the rest pass
else
  id = redis.call('LPOP', waiting)
end
if not id then
  return first[2] and first[2] - now or 3600000000
end
redis.call('ZADD', taken, string.format('%.0f', now + ARGV[1]), id)
return {id, redis.call('HGET', KEYS[3], id), redis.call('HINCRBY', KEYS[4], id, 1)}
