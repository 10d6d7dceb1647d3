-- Take what is due out of a DelayedQueue.
-- KEYS: 1 jobs (sorted set of turn .. body by due time in µs), 2 turns (counts puts)
-- ARGV: 1 count
-- Reply: bodies, by due time, then by turn
-- Atomic: yes. The last job takes the counter along.
local jobs = KEYS[1]
local now = redis.call('TIME')
local due = redis.call('ZRANGEBYSCORE', jobs, '-inf', string.format('%.0f', now[1] * 1000000 + now[2]),
  'LIMIT', 0, ARGV[1])
if #due == 0 then
  return due
end
redis.call('ZREMRANGEBYRANK', jobs, 0, #due - 1)
if redis.call('EXISTS', jobs) == 0 then
  redis.call('DEL', KEYS[2])
end
for at, job in ipairs(due) do
  due[at] = job:sub(17)
end
return due
