-- Append a job to a ReliableQueue.
-- KEYS: 1 waiting (list of IDs), 2 taken (sorted set of IDs by deadline in µs), 3 bodies (hash),
--       4 attempts (hash: deliveries so far), 5 wake (list: a word for each consumer to be woken)
-- ARGV: 1 ID, 2 body
-- Reply: 1; 0 if there is a job of that ID: the same put a second time
-- Atomic: yes. Nothing expires: the queue is its user's data.
if redis.call('HSETNX', KEYS[3], ARGV[1], ARGV[2]) == 0 then
  return 0
end
redis.call('RPUSH', KEYS[1], ARGV[1])
if redis.call('LLEN', KEYS[5]) < 100 then -- more lie there only if nobody waits
  redis.call('RPUSH', KEYS[5], 1)
  redis.call('PEXPIRE', KEYS[5], 2000)
end
return 1
