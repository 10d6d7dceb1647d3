"""Priority without starvation: urgent first, but never more than three in a row before others."""

NOTEBOOK = "51"
TITLE = "Urgent first, not urgent only"
HINTS = (
    "How often a normal job was passed over must be known to all workers: a key beside the lists.",
    "Choosing, moving and counting are one step: `LLEN`, `LMOVE`, `SET` in one script.",
    "Counted are only urgent jobs that were taken while a normal one waited: whenever none waits, "
    "or one is taken, the count begins again.",
    "`local n = LLEN of normal > 0 and tonumber(GET count or 0) or 0`. Normal if it waits and "
    "either n is 3 or no urgent one waits; then the count is 0, else n + 1 if a normal one waits.",
)
WHY = (
    "Strict priority is a promise to the urgent and none to anybody else: as long as urgent jobs "
    "come as fast as they are done, the others wait for ever, and no error tells. A share, however "
    "small, turns for ever into a while."
)
URGENT, NORMAL, TAKEN = "{jobs}:urgent", "{jobs}:normal", "{jobs}:taken"


def stub(r):
    """Move the next job of {jobs}:urgent or {jobs}:normal to {jobs}:taken; the job, or None.

    While one waits in normal, three urgent ones at most go before it. Keep more in {jobs}:passed.
    """


def solution(r):
    source = """
        local waits = redis.call('LLEN', KEYS[2]) > 0
        local passed = waits and tonumber(redis.call('GET', KEYS[4]) or 0) or 0
        local from = KEYS[1]
        if waits and (passed >= 3 or redis.call('LLEN', KEYS[1]) == 0) then
            from, waits = KEYS[2], false
        end
        if waits then redis.call('SET', KEYS[4], passed + 1) else redis.call('DEL', KEYS[4]) end
        return redis.call('LMOVE', from, KEYS[3], 'LEFT', 'RIGHT')
    """
    names = ("urgent", "normal", "taken", "passed")
    return r.eval(source, 4, *(f"{{jobs}}:{name}" for name in names))


def wrong_strict(r):
    """waited for ever"""
    for name in ("urgent", "normal"):
        if job := r.lmove(f"{{jobs}}:{name}", "{jobs}:taken", "LEFT", "RIGHT"):
            return job
    return None


def wrong_end(r):
    """at the right end"""
    source = """
        local waits = redis.call('LLEN', KEYS[2]) > 0
        local passed = waits and tonumber(redis.call('GET', KEYS[4]) or 0) or 0
        local from = KEYS[1]
        if waits and (passed >= 3 or redis.call('LLEN', KEYS[1]) == 0) then
            from, waits = KEYS[2], false
        end
        if waits then redis.call('SET', KEYS[4], passed + 1) else redis.call('DEL', KEYS[4]) end
        return redis.call('LMOVE', from, KEYS[3], 'LEFT', 'LEFT')
    """
    names = ("urgent", "normal", "taken", "passed")
    return r.eval(source, 4, *(f"{{jobs}}:{name}" for name in names))


def wrong_by_chance(r):
    """left to chance"""
    import random

    names = ["urgent", "normal"] if random.random() < 0.75 else ["normal", "urgent"]
    for name in names:
        if job := r.lmove(f"{{jobs}}:{name}", "{jobs}:taken", "LEFT", "RIGHT"):
            return job
    return None


def wrong_every_fourth_call(r):
    """counted though no normal one waited"""
    source = """
        local calls = redis.call('INCR', KEYS[4])
        local from, other = KEYS[1], KEYS[2]
        if calls % 4 == 0 then from, other = other, from end
        return redis.call('LMOVE', from, KEYS[3], 'LEFT', 'RIGHT')
            or redis.call('LMOVE', other, KEYS[3], 'LEFT', 'RIGHT')
    """
    names = ("urgent", "normal", "taken", "passed")
    return r.eval(source, 4, *(f"{{jobs}}:{name}" for name in names))


def wrong_counts_apart(r):
    """died between the job and the count"""
    passed = int(r.get("{jobs}:passed") or 0) if r.llen("{jobs}:normal") else 0
    names = ["normal", "urgent"] if passed >= 3 else ["urgent", "normal"]
    for name in names:
        if job := r.lmove(f"{{jobs}}:{name}", "{jobs}:taken", "LEFT", "RIGHT"):
            if name == "urgent" and r.llen("{jobs}:normal"):
                r.set("{jobs}:passed", passed + 1)
            else:
                r.delete("{jobs}:passed")
            return job
    return None


def wrong_pops_then_pushes(r):
    """is in no list"""
    source = """
        local waits = redis.call('LLEN', KEYS[2]) > 0
        local passed = waits and tonumber(redis.call('GET', KEYS[3]) or 0) or 0
        local from = KEYS[1]
        if waits and (passed >= 3 or redis.call('LLEN', KEYS[1]) == 0) then
            from, waits = KEYS[2], false
        end
        if waits then redis.call('SET', KEYS[3], passed + 1) else redis.call('DEL', KEYS[3]) end
        return redis.call('LPOP', from)
    """
    job = r.eval(source, 3, "{jobs}:urgent", "{jobs}:normal", "{jobs}:passed")
    if job:
        r.rpush("{jobs}:taken", job)
    return job


def wrong_never_begins_again(r):
    """urgent ones were not first"""
    source = """
        local waits = redis.call('LLEN', KEYS[2]) > 0
        if waits and redis.call('INCR', KEYS[4]) > 3 or redis.call('LLEN', KEYS[1]) == 0 then
            return redis.call('LMOVE', KEYS[2], KEYS[3], 'LEFT', 'RIGHT')
        end
        return redis.call('LMOVE', KEYS[1], KEYS[3], 'LEFT', 'RIGHT')
    """
    names = ("urgent", "normal", "taken", "passed")
    return r.eval(source, 4, *(f"{{jobs}}:{name}" for name in names))


def check(trial):
    import redis_lab.data

    flights = redis_lab.data.flights(limit=80).id.tolist()
    urgent, normal = flights[:40], flights[40:]

    def fill(rush, rest):
        trial.r.delete("none", *trial.r.scan_iter())
        add(rush, rest)

    def add(rush, rest):
        for key, jobs in ((URGENT, rush), (NORMAL, rest)):
            if jobs:
                trial.r.rpush(key, *jobs)

    def order(times):
        return [trial.run() for _ in range(times)]

    def kinds(jobs):
        return "".join("." if job is None else "u" if job in urgent else "n" for job in jobs)

    fill(urgent[:2], normal[:2])
    first = trial.run()
    trial.require(
        first == urgent[0],
        "the oldest urgent job is the first",
        f"with {urgent[0]} as the oldest urgent job it answered {first!r}"
        + (": urgent ones were not first, or left to chance" if first in normal else ""),
    )
    held = trial.r.lrange(TAKEN, 0, -1)
    trial.require(
        held == [first], "and is in `taken`", f"it answered {first}, and {TAKEN} holds {held}"
    )
    fill(urgent[:12], normal[:12])
    taken = order(24)
    trial.expect(
        [job for job in taken if job in urgent] == urgent[:12]
        and [job for job in taken if job in normal] == normal[:12],
        "all are taken once, each kind in its order",
        f"24 calls on 12 urgent and 12 normal jobs took {kinds(taken)}: not all, or not the oldest",
    )
    held, some = trial.r.lrange(TAKEN, 0, -1), [job for job in taken if job]
    trial.require(
        held == some,
        "each goes to the right end of `taken`",
        f"the last to be taken was {some[-1]}, and at the right end of {TAKEN} is {held[-1]}",
    )
    both = kinds(taken)[:16]
    never = "n" not in both[:12]
    trial.expect(
        both == "uuunuuunuuunuuun",
        "three urgent, one normal, while both wait",
        f"with 12 urgent (u) and 12 normal (n) jobs the order was {kinds(taken)}: "
        + (
            "normal ones waited for ever, as long as there were urgent ones"
            if never
            else "not three and one; left to chance, or urgent ones were not first"
        ),
    )
    trial.expect(
        trial.run() is None, "nothing waits: None", "with both lists empty it did not answer None"
    )
    fill([], normal[:2])
    some = kinds(order(3))
    trial.expect(
        some == "nn.", "without urgent ones, normal ones", f"two normal jobs alone went {some}"
    )
    for alone in (1, 2, 5):
        fill(urgent[:alone], [])
        order(alone)
        add(urgent[10:20], normal[:3])
        some = kinds(order(8))
        trial.expect(
            some == "uuunuuun",
            "urgent jobs that passed over nobody don't count",
            f"{alone} urgent jobs went while none else was there; then both waited, and they went "
            f"{some}: the first ones were counted though no normal one waited",
        )
    fill(urgent[:2], normal[:1])
    order(3)
    add(urgent[10:20], normal[1:4])
    some = kinds(order(8))
    trial.expect(
        some == "uuunuuun",
        "nor those before the last normal one",
        f"u, u, n went; then new ones came, and they went {some}: the count goes on",
    )
    for after in range(1, 7):
        fill(urgent[:10], normal[:4])
        if not trial.crash(after=after):
            break
        everywhere = [
            each for key in (URGENT, NORMAL, TAKEN) for each in trial.r.lrange(key, 0, -1)
        ]
        lost = {*urgent[:10], *normal[:4]} - set(everywhere)
        trial.expect(
            not lost,
            "a worker that dies takes nothing along",
            f"a worker died after {after} trips, and {''.join(sorted(lost)[:1])} is in no list",
        )
        gone = kinds(trial.r.lrange(TAKEN, 0, -1))
        some = gone + kinds(order(4))
        trial.expect(
            "uuuu" not in some,
            "nor the count",
            f"a worker died after {after} trips; in all the order was {some}: it died between the "
            "job and the count",
        )
    fill(urgent[:30], normal[:10])
    trial.together([()] * 32)
    some = kinds(trial.r.lrange(TAKEN, 0, -1))
    trial.expect(
        some == "uuun" * 8,
        "so too with 32 workers at once",
        f"32 workers at once took {some}: more than three urgent ones in a row, or fewer",
    )
