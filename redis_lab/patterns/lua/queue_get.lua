-- Take the next job of a ReliableQueue: first those whose consumer's time is over.
-- KEYS: 1 waiting (list of IDs), 2 taken (sorted set of IDs by deadline in µs), 3 bodies (hash),
--       4 attempts (hash: deliveries so far), 5 wake (list: a word for each consumer to be woken)
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
  if redis.call('EXISTS', waiting) == 1 and redis.call('LLEN', KEYS[5]) < 100 then
    redis.call('RPUSH', KEYS[5], 1) -- what we were woken for is still there
    redis.call('PEXPIRE', KEYS[5], 2000)
  end
else
  id = redis.call('LPOP', waiting)
  if redis.call('EXISTS', waiting) == 0 then
    redis.call('DEL', KEYS[5]) -- nothing is left to be woken for
  end
end
if not id then
  return first[2] and first[2] - now or 3600000000
end
redis.call('ZADD', taken, string.format('%.0f', now + ARGV[1]), id)
return {id, redis.call('HGET', KEYS[3], id), redis.call('HINCRBY', KEYS[4], id, 1)}
