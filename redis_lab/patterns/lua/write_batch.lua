-- Be the flusher, or stay it, and read the oldest queued writes.
-- KEYS: 1 queue (stream: key, value); 2 flusher (text: token of the one that flushes)
-- ARGV: 1 own token; 2 milliseconds for which to be the flusher from now; 3 the most entries to read
-- Reply: {{ID, {'key', key, 'value', value}}, …}, oldest first; nil where another is the flusher
-- Atomic: yes. The flusher key always has a TTL. Where memory is full it can't be made: then we go
-- on without, since flushing frees memory, and the store ignores what it has had before.
local flusher = redis.call('GET', KEYS[2])
if flusher and flusher ~= ARGV[1] then
  return false
end
redis.pcall('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[3])
