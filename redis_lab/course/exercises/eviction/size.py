"""Policy and size for a hit rate: tried out, not guessed."""

NOTEBOOK = "36"
TITLE = "Policy and size for a hit rate"
HINTS = (
    "`day()` tells what a limit is worth: try some. What has to be done between two tries?",
    "A day has a scan in it. Which policy lets the popular ones survive that?",
    "The server takes about a megabyte before the first key: look for the limit above "
    "`used_memory` of the empty server, between too little and too much, by halving.",
    "`CONFIG SET maxmemory-policy allkeys-lfu`; for each limit: delete what the last try left "
    "(`r.delete(*r.scan_iter())`), then `day()`.",
    "Stop halving when the two ends are 10 % apart, and leave the upper one.",
)
WHY = (
    "A hit rate is bought with memory, and the price depends on the policy: measure both with your "
    "own traffic, its scans included. Reckoned from the size of the values it comes out too small."
)

CONFIG = {"lfu-decay-time": 0}
SECONDS = 60.0


def stub(r, day, target):
    """Set policy and limit: the least with which day() gives the hit rate target, or 10 % more."""


def solution(r, day, target):
    r.config_set("maxmemory-policy", "allkeys-lfu")
    empty = r.info("memory")["used_memory"]
    low, high = 0, 8_000_000
    while high - low > 0.1 * high:
        middle = (low + high) // 2
        if names := list(r.scan_iter(count=1000)):
            r.delete(*names)
        r.config_set("maxmemory", empty + middle)
        low, high = (low, middle) if day() >= target else (middle, high)
    r.config_set("maxmemory", empty + high)


def wrong_lru(r, day, target):
    """another policy"""
    r.config_set("maxmemory-policy", "allkeys-lru")
    empty = r.info("memory")["used_memory"]
    low, high = 0, 8_000_000
    while high - low > 0.1 * high:
        middle = (low + high) // 2
        if names := list(r.scan_iter(count=1000)):
            r.delete(*names)
        r.config_set("maxmemory", empty + middle)
        low, high = (low, middle) if day() >= target else (middle, high)
    r.config_set("maxmemory", empty + high)


def wrong_noeviction(r, day, target):
    """writes were refused"""
    empty = r.info("memory")["used_memory"]
    low, high = 0, 8_000_000
    while high - low > 0.1 * high:
        middle = (low + high) // 2
        if names := list(r.scan_iter(count=1000)):
            r.delete(*names)
        r.config_set("maxmemory", empty + middle)
        low, high = (low, middle) if day() >= target else (middle, high)
    r.config_set("maxmemory", empty + high)


def wrong_plenty(r, day, target):
    """is enough"""
    r.config_set("maxmemory-policy", "allkeys-lfu")
    r.config_set("maxmemory", "64mb")


def wrong_no_limit(r, day, target):
    """no limit"""
    r.config_set("maxmemory-policy", "allkeys-lfu")
    r.config_set("maxmemory", 0)


def wrong_values_alone(r, day, target):
    """tried out"""
    r.config_set("maxmemory-policy", "allkeys-lfu")
    day()
    values = sum(r.strlen(name) for name in r.scan_iter(count=1000))
    r.config_set("maxmemory", int(values * target))


LOOK = """
local hits = 0
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) then hits = hits + 1
  else redis.pcall('SET', key, ARGV[1], 'EX', 3600) end
end
return hits
"""


def check(trial):
    import redis_lab.data
    from redis_lab.observe import zipf

    r = trial.r
    look = r.register_script(LOOK)
    names = [f"flight:{id}" for id in redis_lab.data.flights(limit=8_000).id]
    readers, scanned = names[:3_000], names[3_000:]
    page = "on time, gate C71, " * 50
    target = 0.75
    days = []

    def serve(requests):
        parts = (requests[start : start + 100] for start in range(0, len(requests), 100))
        return sum(look(keys=part, args=[page]) for part in parts)

    def day():
        """A day of the board, with two scans: the share of the readers' requests that was hit."""
        requests = zipf(readers, 9_000, seed=len(days))
        hits = 0
        for part in (requests[:4_000], scanned[::2], requests[4_000:6_500], scanned[1::2]):
            hits += serve(part)
        days.append((hits + serve(requests[6_500:])) / len(requests))
        return days[-1]

    def clear():
        if keys := list(r.scan_iter(count=1000)):
            r.unlink(*keys)

    def limits():
        said = r.config_get("maxmemory*")
        return int(said["maxmemory"]), said["maxmemory-policy"]

    empty = r.info("memory")["used_memory"]
    trial.run(day, target)
    limit, policy = limits()
    trial.require(limit > 0, "there is a limit", "there is no limit: maxmemory is 0, all there is")
    trial.require(
        limit < 40_000_000,
        "the limit is not many times what is needed",
        f"the limit is {limit / 1e6:.0f} MB, where a fraction of it is enough",
    )
    clear()
    before = r.info("errorstats").get("errorstat_OOM", {"count": 0})["count"]
    rates = []
    for _ in range(2):
        clear()
        rates.append(day())
    refused = r.info("errorstats").get("errorstat_OOM", {"count": 0})["count"] - before
    trial.expect(
        refused == 0,
        "no write is refused",
        f"{policy}: on two days {refused:,} writes were refused",
    )
    trial.require(
        max(rates) > target - 0.03,
        "a day that starts empty has the hit rate",
        f"{target:.0%} was wanted, and of a new day it is {max(rates):.1%}, below that",
    )
    r.config_set("maxmemory-policy", "allkeys-lfu")
    low, high = 0, 4_000_000
    while high - low > 0.08 * high:
        middle = (low + high) // 2
        clear()
        r.config_set("maxmemory", empty + middle)
        low, high = (low, middle) if day() >= target else (middle, high)
    trial.expect(
        limit - empty < 1.6 * high,
        "and not much more than the least",
        f"{policy} has {(limit - empty) / 1e6:.2f} MB above the empty server; "
        f"{'tried out' if 'lfu' in policy else 'with another policy'}, {high / 1e6:.2f} MB do",
    )
