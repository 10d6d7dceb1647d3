-- Keep the state of an aggregate at a version, unless a newer one is kept already.
-- KEYS[1] the snapshot, a hash of version and state; KEYS[2] hash of the version of each aggregate
-- ARGV[1] aggregate, ARGV[2] version, ARGV[3] state
-- Reply: {1 if kept, else 0; the aggregate's version}. Never kept beyond that version.
-- Atomic. The snapshot lives as long as the events: no TTL.
local wanted = tonumber(ARGV[2])
local version = tonumber(redis.call('HGET', KEYS[2], ARGV[1])) or 0
local kept = tonumber(redis.call('HGET', KEYS[1], 'version')) or 0
if wanted > version or wanted < kept then return {0, version} end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'state', ARGV[3])
return {1, version}
