-- Queue a write, unless the backlog is full.
-- KEYS: 1 queue (stream: key, value); 2 newest (hash: key, ID of its last queued write)
-- ARGV: 1 key; 2 value; 3 the most entries that may wait; 4 an ID that the new one must be above
-- Reply: {ID, entries waiting}; nil where the backlog is full: nothing is changed
-- Atomic: yes. Both keys are user data without TTL; they hold what no store holds yet.
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  return false
end
local function above(id, other)
  local ms, seq = id:match('(%d+)-(%d+)')
  local other_ms, other_seq = other:match('(%d+)-(%d+)')
  ms, other_ms = tonumber(ms), tonumber(other_ms)
  return ms > other_ms or ms == other_ms and tonumber(seq) > tonumber(other_seq)
end
local id = redis.call('XADD', KEYS[1], '*', 'key', ARGV[1], 'value', ARGV[2])
if not above(id, ARGV[4]) then -- the stream was lost, and the clock of this server is behind
  redis.call('XDEL', KEYS[1], id)
  local ms, seq = ARGV[4]:match('(%d+)-(%d+)')
  id = string.format('%s-%d', ms, tonumber(seq) + 1)
  redis.call('XADD', KEYS[1], id, 'key', ARGV[1], 'value', ARGV[2])
end
redis.call('HSET', KEYS[2], ARGV[1], id)
return {id, redis.call('XLEN', KEYS[1])}
