-- Ask for the right to compute a value: at most one holder for each key and version.
-- KEYS[1] value, KEYS[2] claim (one slot); on a single server KEYS[3] version
-- ARGV[1] version, ARGV[2] claim: "<version> <random>", ARGV[3] its life in ms,
-- ARGV[4] "missing": only where no value of this version is there, "over": even over such a value,
--         "seize": even over another's claim, which then stores nothing
-- ARGV[5] "waited" if the caller has waited for another holder, else ""
-- ARGV[6] expires of the value that is to be replaced: only while that one is there; "" any
-- Reply: 1 claimed, 0 another holds it, 2 look again: a value is there, or another version,
-- 3 who held it has left "<version> none" for those who waited. Atomic; the claim expires.
local prefix = ARGV[1] .. ' '
if KEYS[3] and redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return 2
end
if ARGV[4] == 'missing' and redis.call('GETRANGE', KEYS[1], 0, #prefix - 1) == prefix then
  return 2
end
local found = prefix .. ARGV[6] .. ' '
if ARGV[6] ~= '' and redis.call('GETRANGE', KEYS[1], 0, #found - 1) ~= found then
  return 2
end
local holder = redis.call('GET', KEYS[2])
if holder == prefix .. 'none' then
  if ARGV[5] == 'waited' then
    return 3
  end
  holder = '' -- it is not for those who come after
end
if ARGV[4] == 'seize' or not holder or holder == ARGV[2] then
  holder = '' -- our own: the client sent the command again
end
if string.sub(holder, 1, #prefix) == prefix then
  return 0 -- a claim of another version is overtaken: what it computes is void already
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
