-- Give a job of a ReliableQueue back, behind those that wait.
-- KEYS: 1 waiting (list of IDs), 2 taken (sorted set of IDs by deadline in µs), 3 bodies (hash),
--       4 attempts (hash: deliveries so far), 5 wake (list: a word for each consumer to be woken)
-- ARGV: 1 ID, 2 attempts of the delivery that is given back
-- Reply: 1; 0 if the job was delivered again, given back, or done already
-- Atomic: yes
if redis.call('HGET', KEYS[4], ARGV[1]) ~= ARGV[2] or redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then
  return 0
end
redis.call('RPUSH', KEYS[1], ARGV[1])
if redis.call('LLEN', KEYS[5]) < 100 then -- more lie there only if nobody waits
  redis.call('RPUSH', KEYS[5], 1)
  redis.call('PEXPIRE', KEYS[5], 2000)
end
return 1
