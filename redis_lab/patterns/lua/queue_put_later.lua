-- Add a job to a DelayedQueue.
-- KEYS: 1 jobs (sorted set of turn .. body by due time in µs), 2 turns (counts puts)
-- ARGV: 1 body, 2 delay in µs
-- Reply: 1
-- Atomic: yes. Nothing expires: the queue is its user's data.
local now = redis.call('TIME')
local due = now[1] * 1000000 + now[2] + ARGV[2]
local turn = string.format('%016.0f', redis.call('INCR', KEYS[2]))
return redis.call('ZADD', KEYS[1], string.format('%.0f', due), turn .. ARGV[1])
