-- Append an event to the stream of its aggregate and to the stream of all events.
-- KEYS[1] the aggregate's stream, whose IDs are versions: 1-0, 2-0, 3-0, …
-- KEYS[2] the stream of all events, KEYS[3] hash of the version of each aggregate
-- ARGV[1] aggregate, ARGV[2] type, ARGV[3] data, ARGV[4] the expected version, '' for any
-- Reply: {version, ID among all events, microseconds since 1970};
--        {version found} alone, and nothing written, where it is not the expected one
-- Atomic: all three keys or none. '*' counts on from the last ID when the clock has gone back.
local now = redis.call('TIME')
local version = tonumber(redis.call('HGET', KEYS[3], ARGV[1])) or 0
if version == 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  -- the counter was lost, the stream still knows: XINFO reads two whole events, so only now
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for at = 1, #info, 2 do
    if info[at] == 'last-generated-id' then version = tonumber(string.match(info[at + 1], '%d+')) end
  end
end
if ARGV[4] ~= '' and tonumber(ARGV[4]) ~= version then return {version} end
version = version + 1
local at = string.format('%d%06d', now[1], now[2])
local id = redis.call('XADD', KEYS[2], '*', 'aggregate', ARGV[1], 'version', version,
  'type', ARGV[2], 'data', ARGV[3], 'at', at)
redis.call('XADD', KEYS[1], version, 'id', id, 'type', ARGV[2], 'data', ARGV[3], 'at', at)
redis.call('HSET', KEYS[3], ARGV[1], version)
return {version, id, at}
