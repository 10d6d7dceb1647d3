-- The clock of the server that holds an event type.
-- KEYS: 1 any key of the event type (only its slot counts; it is neither read nor written)
-- ARGV: none
-- Reply: seconds since 1970 and the microseconds of the second
-- Atomic: reads the clock, nothing else.
local now = redis.call('TIME')
return now
