"""Judge a rented server for a queue, with CONFIG closed: what INFO tells about its settings."""

NOTEBOOK = "82"
TITLE = "Fit for a queue?"
HINTS = (
    "`r.info('memory')` has `maxmemory`, `maxmemory_policy` and `used_memory`; "
    "`r.info('persistence')` has `aof_enabled`.",
    "Which policies evict keys without an end? Those that begin with `allkeys-`; a `volatile-` "
    "one takes only what has a TTL, and a queue has none.",
    "`maxmemory` 0 means that there is no limit: nothing is evicted, and nothing is too small.",
    "Free for you is what the limit leaves: `maxmemory - used_memory`.",
)
WHY = (
    "A service that was made to be a cache takes a queue without a word, and drops jobs in its "
    "first busy night. Three numbers of INFO tell beforehand."
)


def stub(r, needed):
    """What speaks against a queue here, as a set: "evicts", "forgets", "small". Empty: all is well.

    needed: the bytes that must be free. A queue's keys have no end.
    """


def solution(r, needed):
    memory = r.info("memory")
    limit, against = memory["maxmemory"], set()
    if limit and memory["maxmemory_policy"].startswith("allkeys"):
        against.add("evicts")
    if not r.info("persistence")["aof_enabled"]:
        against.add("forgets")
    if limit and limit - memory["used_memory"] < needed:
        against.add("small")
    return against


def wrong_config(r, needed):
    """CONFIG is closed"""
    said = r.config_get("maxmemory*") | r.config_get("appendonly")
    against = set()
    if int(said["maxmemory"]) and said["maxmemory-policy"].startswith("allkeys"):
        against.add("evicts")
    if said["appendonly"] == "no":
        against.add("forgets")
    if int(said["maxmemory"]) and int(said["maxmemory"]) < needed:
        against.add("small")
    return against


def wrong_policy_alone(r, needed):
    """there is no limit"""
    memory = r.info("memory")
    limit, against = memory["maxmemory"], set()
    if memory["maxmemory_policy"] != "noeviction":
        against.add("evicts")
    if not r.info("persistence")["aof_enabled"]:
        against.add("forgets")
    if limit and limit - memory["used_memory"] < needed:
        against.add("small")
    return against


def wrong_volatile_too(r, needed):
    """takes only keys with an end"""
    memory = r.info("memory")
    limit, against = memory["maxmemory"], set()
    if limit and memory["maxmemory_policy"] != "noeviction":
        against.add("evicts")
    if not r.info("persistence")["aof_enabled"]:
        against.add("forgets")
    if limit and limit - memory["used_memory"] < needed:
        against.add("small")
    return against


def wrong_whole_limit(r, needed):
    """already in use"""
    memory = r.info("memory")
    limit, against = memory["maxmemory"], set()
    if limit and memory["maxmemory_policy"].startswith("allkeys"):
        against.add("evicts")
    if not r.info("persistence")["aof_enabled"]:
        against.add("forgets")
    if limit and limit < needed:
        against.add("small")
    return against


def wrong_no_limit_is_small(r, needed):
    """0 is no limit"""
    memory = r.info("memory")
    limit, against = memory["maxmemory"], set()
    if limit and memory["maxmemory_policy"].startswith("allkeys"):
        against.add("evicts")
    if not r.info("persistence")["aof_enabled"]:
        against.add("forgets")
    if limit - memory["used_memory"] < needed:
        against.add("small")
    return against


def check(trial):
    from redis_lab.course.answers import Refused

    r, mb = trial.r, 1_000_000
    r.acl_setuser(
        "tenant", enabled=True, passwords=["+rented"], keys=["*"], commands=["+@all", "-config"]
    )
    r.setrange("others", 20 * mb - 1, "x")  # SET would keep a buffer of 20 MB for a second or two
    used = r.info("memory")["used_memory"]
    room = 30 * mb  # what the limits leave
    cases = [
        (used + room, "allkeys-lru", "yes", 5 * mb, {"evicts"},
         "allkeys-lru with a limit: evicts", ""),
        (0, "allkeys-lru", "yes", 5 * mb, set(), "the same without a limit: nothing",
         "With 0 there is no limit: nothing is evicted, and nothing is too small (0 is no limit)"),
        (used + room, "volatile-lru", "yes", 5 * mb, set(), "volatile-lru: nothing",
         "volatile-lru takes only keys with an end, and a queue's have none"),
        (used + room, "noeviction", "no", 5 * mb, {"forgets"}, "no AOF: forgets", ""),
        (used + room, "noeviction", "yes", 45 * mb, {"small"},
         "30 MB are free and 45 are needed: small",
         "20 MB of the limit are already in use"),
        (used + room, "allkeys-lfu", "no", 90 * mb, {"evicts", "forgets", "small"},
         "all three at once", ""),
        (0, "noeviction", "no", 90 * mb, {"forgets"}, "no limit is never small", "0 is no limit"),
    ]  # fmt: skip
    tenant = trial.lab.primary.client(username="tenant", password="rented")
    try:
        for limit, policy, aof, needed, wanted, claim, why in cases:
            r.config_set("maxmemory", limit, "maxmemory-policy", policy)
            r.config_set("appendonly", aof)
            try:
                said = trial.call(tenant, needed)
            except Refused as error:
                if "config" in str(error):
                    trial.require(False, "without CONFIG", f"{error}: CONFIG is closed to a tenant")
                raise
            seen = f"maxmemory {limit:,}, {policy}, AOF {aof}, {used:,} in use, {needed:,} needed"
            trial.require(
                isinstance(said, set | frozenset),
                "it returns a set",
                f"{seen}: it returned {said!r:.60}, and a set was asked for",
            )
            told = ", ".join(sorted(map(str, said))) or "nothing"
            right = ", ".join(sorted(wanted)) or "nothing"
            trial.require(
                said == wanted, claim, f"{seen}: it says {told:.60}; right is {right}. {why}"
            )
    finally:
        tenant.close()
        r.config_set("maxmemory", 0, "appendonly", "no")
