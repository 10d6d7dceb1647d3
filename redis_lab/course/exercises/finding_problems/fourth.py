"""A running server with something wrong in it, planted from another process: what, and whose?"""

NOTEBOOK = "70"
TITLE = "Find the fourth"
SECONDS = 10.0
HINTS = (
    "Everything is in two commands: `r.client_list()` tells of a reader, a leak and a `MONITOR`, "
    "`r.info('errorstats')` of errors.",
    "What a server has counted since its start may be long over, and a pool may be large and well. "
    "Look twice, half a second or more apart, and compare.",
    "`omem` is what waits to be read; `tot-mem` has also what is being sent in, and that is "
    "nobody's fault. `MONITOR` has an `O` in `flags`.",
    "Who makes the errors? `failed_calls` in `info('commandstats')` grows for one command, and "
    "`CLIENT LIST` has the last command of each: `cmd`.",
)
WHY = (
    "None of the four is slow, so no slow log has them: an error nobody reads, a reader who "
    "doesn't read, connections nobody closes, a MONITOR nobody needs. Each is one line of a "
    "nightly check."
)


def stub(r):
    """What is wrong, and the name of who does it: ("errors", "UA"). None if all is well.

    "slow reader": doesn't read its replies, which take megabytes of the server's memory.
    "errors": its commands fail, again and again. "leak": opens more and more connections.
    "monitor": left MONITOR running. Not more than one of them, and by one client.
    """


def solution(r):
    import time
    from collections import Counter

    def look():
        stats = r.info("commandstats").items()
        failed = {name[8:]: each.get("failed_calls", 0) for name, each in stats}
        return r.client_list(), failed

    (one, before), _, (two, after) = look(), time.sleep(0.8), look()
    were, are = (Counter(each["name"] for each in clients) for clients in (one, two))
    grown = {name for name, count in after.items() if count > before.get(name, 0) + 2}
    for each in two:
        tests = {"monitor": "O" in each["flags"], "slow reader": int(each["omem"]) > 1_000_000,
                 "leak": are[each["name"]] > were[each["name"]] + 1,
                 "errors": each["cmd"] in grown}  # fmt: skip
        if problem := next((name for name, found in tests.items() if found), None):
            return problem, each["name"]


def wrong_slow_log(r):
    """is not in the slow log"""
    for entry in r.slowlog_get(128):
        return "slow reader", entry["client_name"].decode()


def wrong_most_memory(r):
    """much memory is no fault"""
    most = max(r.client_list(), key=lambda each: int(each["tot-mem"]))
    return ("slow reader", most["name"]) if int(most["tot-mem"]) > 1_000_000 else None


def wrong_since_start(r):
    """long over"""
    clients = r.client_list()
    for each in clients:
        if "O" in each["flags"]:
            return "monitor", each["name"]
        if int(each["omem"]) > 1_000_000:
            return "slow reader", each["name"]
    if r.info("errorstats"):
        stats = r.info("commandstats").items()
        failed = {name[8:] for name, each in stats if each.get("failed_calls", 0) > 0}
        names = [each["name"] for each in clients if each["cmd"] in failed]
        return "errors", (names or [""])[0]
    return None


def wrong_many_is_a_leak(r):
    """large, and it does not grow"""
    from collections import Counter

    clients = r.client_list()
    for each in clients:
        if "O" in each["flags"]:
            return "monitor", each["name"]
        if int(each["omem"]) > 1_000_000:
            return "slow reader", each["name"]
    name, count = Counter(each["name"] for each in clients).most_common(1)[0]
    return ("leak", name) if count > 20 else None


def check(trial):
    import contextlib
    import random

    import redis

    from redis_lab.course.office import Office
    from redis_lab.lab.waiting import wait_until

    r = trial.r
    r.hset("yesterday", "a", 1)
    for _ in range(20):
        with contextlib.suppress(redis.ResponseError):
            r.get("yesterday")  # errors that are long over, of a command that all use
    r.config_set("slowlog-log-slower-than", 2_000_000)  # none of the four belongs there
    r.slowlog_reset()
    names = random.sample(["AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"], 4)
    mine = dict(zip(("board", "upload", "pool"), names, strict=False))
    guilty = names[3]
    rounds = [(None, "board:" + mine["board"])]
    rounds += [("slow reader", "archive"), ("leak", "crews"), ("monitor", "debug")]
    rounds += [("errors", "kiosk")]
    words = {
        "slow reader": "does not read what it asked for (omem)",
        "leak": "opens one connection after the other and closes none",
        "monitor": "left MONITOR running (an O in its flags)",
        "errors": "has sent nothing but commands that fail",
    }
    innocents = [f"{kind}:{name}" for kind, name in mine.items()]
    for problem, program in rounds:
        wanted = (problem, guilty) if problem else None
        extra = [f"{program}:{guilty}"] if problem else []
        with Office(r, *innocents, *extra):
            said = trial.run()
        if isinstance(said, list):
            said = tuple(said)
        claim = f"{problem}: found, and whose it is" if problem else "all is well: None"
        trial.require(said == wanted, claim, _why(said, wanted, words, mine))

        def gone():
            left = [each for each in r.client_list() if each["name"] in names]
            return f"{len(left)} connections" if left else ""

        wait_until(gone, 10, "the office closes")


def _why(said, wanted, words, mine):
    if wanted is None:
        if said and said[0] == "slow reader" and said[1] == mine["upload"]:
            return f"it said {said}. {said[1]} is sending 3 MB in: much memory is no fault"
        if said and said[0] == "leak" and said[1] == mine["pool"]:
            return f"it said {said}. That pool is large, and it does not grow"
        if said and said[0] == "errors":
            return f"it said {said}. Errors were counted, and they are long over"
        return f"nothing was wrong, and it said {said!r:.60}"
    problem, name = wanted
    told = f"{name} {words[problem]}, and it said {said!r:.60}"
    return told if said else f"{told}. Such a thing is not in the slow log"
