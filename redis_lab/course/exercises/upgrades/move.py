"""Keys that move to another server in small calls, with MIGRATE."""

NOTEBOOK = "81"
TITLE = "Move a prefix"
SHAPE = "replicated"
HINTS = (
    '`SCAN` with a pattern, then `MIGRATE host port "" 0 timeout AUTH2 user password KEYS …` '
    "through `execute_command`, a hundred keys a call.",
    "Without `REPLACE` a key that the target has is BUSYKEY: an error for the call, though its "
    "other keys have moved.",
    "So BUSYKEY is caught, and the loop goes on. Other errors are the caller's.",
    "What has moved is what is no longer there: `len(some) - source.exists(*some)`.",
)
WHY = (
    "MIGRATE stops both servers for as long as a call takes, and its error can mean that most of "
    "it was done. Small calls, and a look at what is left, make it usable on a day with traffic."
)


def stub(source, target, prefix):
    """Move the keys that begin with prefix, at most 100 a call; how many were moved.

    target: host, port, user, password. What it already has stays as it is, there and here.
    """


def solution(source, target, prefix):
    import redis

    host, port, user, password = target
    keys, moved = sorted(set(source.scan_iter(f"{prefix}*", count=1000))), 0
    for at in range(0, len(keys), 100):
        some = keys[at : at + 100]
        command = ["MIGRATE", host, port, "", 0, 5_000, "AUTH2", user, password, "KEYS", *some]
        try:
            source.execute_command(*command)
        except redis.ResponseError as error:
            if "BUSYKEY" not in str(error):
                raise
        moved += len(some) - source.exists(*some)
    return moved


def wrong_one_call(source, target, prefix):
    """keys in one call"""
    import contextlib

    import redis

    host, port, user, password = target
    keys = sorted(set(source.scan_iter(f"{prefix}*", count=1000)))
    command = ["MIGRATE", host, port, "", 0, 5_000, "AUTH2", user, password, "KEYS", *keys]
    with contextlib.suppress(redis.ResponseError):
        source.execute_command(*command)
    return len(keys) - source.exists(*keys)


def _move(source, target, keys, *options):
    host, port, user, password = target
    return source.execute_command(
        "MIGRATE", host, port, "", 0, 5_000, *options, "AUTH2", user, password, "KEYS", *keys
    )


def wrong_replaces(source, target, prefix):
    """was overwritten"""
    keys = sorted(set(source.scan_iter(f"{prefix}*", count=1000)))
    for at in range(0, len(keys), 100):
        _move(source, target, keys[at : at + 100], "REPLACE")
    return len(keys)


def wrong_gives_up(source, target, prefix):
    """were left behind"""
    import redis

    keys, moved = sorted(set(source.scan_iter(f"{prefix}*", count=1000))), 0
    for at in range(0, len(keys), 100):
        try:
            _move(source, target, keys[at : at + 100])
        except redis.ResponseError:
            break
        moved += len(keys[at : at + 100])
    return moved


def wrong_copies(source, target, prefix):
    """on both servers"""
    import redis

    keys, moved = sorted(set(source.scan_iter(f"{prefix}*", count=1000))), 0
    for key in keys:
        try:
            _move(source, target, [key], "COPY")
            moved += 1
        except redis.ResponseError:
            continue
    return moved


def wrong_hundred_and_one(source, target, prefix):
    """101 keys in one call"""
    import contextlib

    import redis

    keys = sorted(set(source.scan_iter(f"{prefix}*", count=1000)))
    for at in range(0, len(keys), 101):
        with contextlib.suppress(redis.ResponseError):
            _move(source, target, keys[at : at + 101])
    return len(keys) - source.exists(*keys)


def wrong_all_at_once(source, target, prefix):
    """one transaction"""
    host, port, user, password = target
    keys = sorted(set(source.scan_iter(f"{prefix}*", count=1000)))
    login = "AUTH2", user, password
    with source.pipeline() as pipe:
        for at in range(0, len(keys), 100):
            some = keys[at : at + 100]
            pipe.execute_command("MIGRATE", host, port, "", 0, 5_000, *login, "KEYS", *some)
        pipe.execute(raise_on_error=False)
    return len(keys) - source.exists(*keys)


def wrong_count(source, target, prefix):
    """says that it moved"""
    import redis

    keys, moved = sorted(set(source.scan_iter(f"{prefix}*", count=1000))), 0
    for at in range(0, len(keys), 50):
        try:
            _move(source, target, keys[at : at + 50])
            moved += len(keys[at : at + 50])
        except redis.ResponseError:
            continue
    return moved


def check(trial):
    import re

    def keys(call):
        """Of how many keys: the log keeps 31 arguments, and says how many more there were."""
        more = re.search(r"\((\d+) more arguments\)", " ".join(call))
        upper = [word.upper() for word in call]
        if not more or "KEYS" not in upper:
            return 1
        return int(more[1]) + 31 - upper.index("KEYS") - 1

    source = trial.client()
    node = trial.lab.nodes[1]
    there, login = node.client(), node.login.options()
    there.replicaof("NO", "ONE")
    for key in there.scan_iter():
        there.delete(key)
    bags = {f"bag:EWR:{number}": f"belt {number % 9}" for number in range(450)}
    busy = [f"bag:EWR:{number}" for number in (7, 180, 181, 333)]
    with trial.r.pipeline(transaction=False) as pipe:
        pipe.mset(bags).mset({f"bag:JFK:{number}": "belt 1" for number in range(150)})
        for number in range(20, 30):
            pipe.expire(f"bag:EWR:{number}", 900)
        pipe.execute()
    there.mset(dict.fromkeys(busy, "found"))
    trial.r.config_set("slowlog-log-slower-than", 0)
    trial.r.config_set("slowlog-max-len", 10_000)
    trial.r.slowlog_reset()
    trial.r.config_resetstat()

    target = (*node.internal_address, login["username"], login["password"])
    told = trial.call(source, target, "bag:EWR:")
    trial.r.config_set("slowlog-log-slower-than", -1)
    calls = [each["command"].decode().split(" ") for each in trial.r.slowlog_get(10_000)]
    longest = max((keys(call) for call in calls if call[0].upper() == "MIGRATE"), default=0)
    trial.require(
        longest <= 100,
        "no call has more than 100 keys",
        f"MIGRATE was sent {longest} keys in one call: both servers stand still meanwhile",
    )
    spent = {name: each["usec"] for name, each in trial.r.info("commandstats").items()}
    moving = spent.get("cmdstat_migrate", 0)
    trial.require(
        not moving
        or all(spent.get(f"cmdstat_{one}", 0) < moving for one in ("exec", "eval", "evalsha")),
        "and others get their turn between two calls",
        "the calls were one transaction or one script: everybody waits until the last is done",
    )
    found = [there.get(key) for key in busy]
    trial.require(
        found == ["found"] * 4,
        "what the target had stays",
        "a bag that the target already had was overwritten by an older one",
    )
    rest = [key for key in bags if key not in busy]
    here, gone = trial.r.exists(*rest), there.exists(*rest)
    trial.require(
        gone == len(rest),
        "all others of the prefix arrive",
        f"{len(rest) - gone} of {len(rest)} keys were left behind, or lost: the source has {here}",
    )
    trial.expect(
        here == 0,
        "and are gone from the source",
        f"{here} keys are on both servers, and will differ from now on",
    )
    lives = there.ttl("bag:EWR:20"), there.ttl("bag:EWR:30")
    trial.expect(
        600 < lives[0] <= 900 and lives[1] == -1,
        "with their time to live",
        f"bag:EWR:20 had 900 s and bag:EWR:30 no end; on the target it is {lives}",
    )
    stays = trial.r.exists(*busy), trial.r.exists(*(f"bag:JFK:{n}" for n in range(150)))
    trial.expect(
        stays == (4, 150),
        "namesakes and other keys stay on the source",
        f"of 4 namesakes and 150 keys of another prefix there are {stays} on the source",
    )
    trial.expect(
        told == len(rest),
        "it answers how many were moved",
        f"it says that it moved {told!r:.60}, and {len(rest)} have moved",
    )
