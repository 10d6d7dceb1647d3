"""A tag that forgets: it knows every answer that lives, and ends with the last of them."""

NOTEBOOK = "34"
TITLE = "A tag that forgets"
HINTS = (
    "A set can't forget by itself. A sorted set can, if the score says when the answer ends: "
    "`ZREMRANGEBYSCORE` at each `put` takes out what is over.",
    "Whoever dies between the answer and its note leaves an answer that no tag finds: both go in "
    "one transaction (`r.pipeline()`) or one script.",
    "The tag must not end before its last answer. `PEXPIRE … NX` gives the first end, `PEXPIRE … "
    "GT` a later one; both, in this order.",
    "In `drop` it is the moment between `UNLINK` and forgetting the names that hurts: one script, "
    "or `ZRANGE` and then a transaction of `UNLINK` and `ZREM` of the very names that you read.",
)
WHY = (
    "Tags are the cheapest way to invalidate a group, and they rot in two ways: a set that only "
    "grows, and a set that ends before what it lists. Both are found on the day on which the tag "
    "is needed."
)
SECONDS = 20.0


class stub:
    """Answers with tags; a tag forgets what has ended."""

    def __init__(self, r):
        """r: the client to use."""

    def put(self, name, text, ms, tags):
        """Keep text under name for ms milliseconds, and note it under `tag:<tag>` of each tag."""

    def drop(self, tag):
        """Remove the answers that have this tag; how many were removed."""


class solution:
    def __init__(self, r):
        self.r = r

    def put(self, name, text, ms, tags):
        import time

        now = round(time.time() * 1000)
        with self.r.pipeline() as pipe:
            for tag in [f"tag:{tag}" for tag in tags]:
                pipe.zremrangebyscore(tag, "-inf", now - 1000)
                pipe.zadd(tag, {name: now + ms})
                pipe.pexpire(tag, ms + 1, nx=True).pexpire(tag, ms + 1, gt=True)
            pipe.set(name, text, px=ms).execute()

    def drop(self, tag):
        source = """local removed = 0
            for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
                removed = removed + redis.call('UNLINK', name)
            end
            redis.call('UNLINK', KEYS[1])
            return removed"""
        return self.r.eval(source, 1, f"tag:{tag}")


class wrong_only_grows(solution):
    """though one of them lives"""

    def put(self, name, text, ms, tags):
        with self.r.pipeline() as pipe:
            for tag in tags:
                pipe.zadd(f"tag:{tag}", {name: 0})
                pipe.pexpire(f"tag:{tag}", ms, nx=True).pexpire(f"tag:{tag}", ms, gt=True)
            pipe.set(name, text, px=ms).execute()


class wrong_last_end(solution):
    """before an answer that it lists"""

    def put(self, name, text, ms, tags):
        import time

        now = round(time.time() * 1000)
        with self.r.pipeline() as pipe:
            for tag in tags:
                pipe.zremrangebyscore(f"tag:{tag}", "-inf", now - 1000)
                pipe.zadd(f"tag:{tag}", {name: now + ms}).pexpire(f"tag:{tag}", ms)
            pipe.set(name, text, px=ms).execute()


class wrong_no_end(solution):
    """for ever"""

    def put(self, name, text, ms, tags):
        import time

        now = round(time.time() * 1000)
        with self.r.pipeline() as pipe:
            for tag in tags:
                pipe.zremrangebyscore(f"tag:{tag}", "-inf", now - 1000)
                pipe.zadd(f"tag:{tag}", {name: now + ms}).pexpire(f"tag:{tag}", ms, gt=True)
            pipe.set(name, text, px=ms).execute()


class wrong_note_behind(solution):
    """died on its way"""

    def put(self, name, text, ms, tags):
        self.r.set(name, text, px=ms)
        super().put(name, text, ms, tags)


class wrong_forgets_the_new(solution):
    """put again meanwhile"""

    def drop(self, tag):
        names = self.r.zrange(f"tag:{tag}", 0, -1)
        removed = self.r.unlink(*names) if names else 0
        self.r.unlink(f"tag:{tag}")
        return removed


class wrong_one_by_one(solution):
    """trips for"""

    def drop(self, tag):
        removed = 0
        while names := self.r.zrange(f"tag:{tag}", 0, 0):
            with self.r.pipeline() as pipe:
                removed += pipe.unlink(*names).zrem(f"tag:{tag}", *names).execute()[0]
        return removed


def check(trial):
    import contextlib

    from redis_lab.course.answers import Killed
    from redis_lab.course.gaps import Gaps, mortal

    r = trial.r
    mine = trial.call(trial.client())

    def put(name, ms, *tags, by=mine, text="on time"):
        trial.ask(by.put, name, text, ms, list(tags))

    def drop(tag, by=mine):
        return trial.ask(by.drop, tag)

    def known(tag):
        size = {"zset": r.zcard, "set": r.scard, "hash": r.hlen, "list": r.llen}
        kind = r.type(f"tag:{tag}")
        return size[kind](f"tag:{tag}") if kind in size else 0

    def wait_for_the_end(*names):
        while r.exists(*names):
            pass

    put("flight:UA1", 60_000, "BOS", "UA", text="gate C71")
    put("flight:DL2", 60_000, "BOS")
    put("flight:UA3", 60_000, "LAX", "UA")
    life = r.pttl("flight:UA1")
    trial.require(
        r.get("flight:UA1") == "gate C71" and 50_000 < life <= 60_000,
        "an answer is kept under its name, for its time",
        f"under the name there is {r.get('flight:UA1')!r}, with {life} ms of 60,000",
    )
    trial.require(known("BOS") >= 2, "its tags list it", "there is no list of names at tag:BOS")
    removed = drop("BOS")
    left = [n for n in ("flight:UA1", "flight:DL2", "flight:UA3") if r.exists(n)]
    trial.require(
        left == ["flight:UA3"] and removed == 2,
        "drop removes what has the tag, and nothing else",
        f"of UA1 and DL2 with the tag, UA3 without, there is {left} now; it answered {removed!r}",
    )
    trial.expect(
        drop("BOS") == 0 and drop("never") == 0 and drop("UA") == 1,
        "what is gone, or was never there, does not count",
        "it counted what was gone before, or a tag that was never used",
    )
    for tag, lives in {"longer first": (60_000, 2_000), "shorter first": (2_000, 60_000)}.items():
        for ms in lives:
            put(f"{tag}:{ms}", ms, tag)
        end = r.pttl(f"tag:{tag}")
        trial.expect(
            end == -1 or end >= r.pttl(f"{tag}:60000") - 20,
            f"a tag outlives its answers ({tag})",
            f"it ends {(60_000 - end) / 1000:.0f} s before an answer that it lists",
        )
        trial.expect(
            end != -1 and end < 62_000,
            f"and ends with the last of them ({tag})",
            "the tag lives for ever" if end == -1 else f"the tag has {end / 1000:.0f} s left",
        )
    over = [f"old:{number}" for number in range(20)]
    put("new:1", 60_000, "month")  # first: else the whole tag might end in between
    for name in over:
        put(name, 20, "month")
    wait_for_the_end(*over)
    for number in range(150):  # a clock of its own may be a second or two behind
        put("new:1", 60_000, "month")
        if known("month") <= 5:
            break
        r.set("pause", number, px=10)
        wait_for_the_end("pause")
    trial.expect(
        known("month") <= 5,
        "a tag forgets what has ended",
        f"it lists {known('month')} names, though one of them lives",
    )
    removed = drop("month")
    trial.expect(
        removed == 1 and not r.exists("new:1"),
        "what has ended is not removed once more",
        f"one answer lived and 20 had ended; it answered {removed!r}",
    )

    def after_a_death(after, torn):
        name = f"crash:{after}:{torn}"
        dying = trial.call(trial.client(mortal(after, torn)))
        with contextlib.suppress(Killed):
            put(name, 60_000, "crash", "crash too", by=dying)
        drop("crash too")
        return not r.exists(name)

    trial.expect(
        all(after_a_death(after, torn) for after in (0, 1, 2, 3) for torn in (False, True)),
        "no crash leaves an answer that its tag doesn't know",
        "its process died on its way through put, and the answer lives where no drop finds it",
    )

    def interrupted(after, name):
        for number in range(3):
            put(f"kept:{number}", 60_000, "busy")
        gaps = Gaps(lambda: mine.put(name, "anew", 60_000, ["busy"]), after)
        drop("busy", by=trial.call(trial.client(gaps)))
        drop("busy")
        return not r.exists(name)

    cases = [(after, name) for after in (1, 2, 3, 4) for name in ("kept:1", "kept:9")]
    trial.expect(
        all(interrupted(*case) for case in cases),
        "what comes while it drops is dropped or known",
        "an answer was put again meanwhile; it lives, and the next drop doesn't find it",
    )

    def overtaken(after):
        name = f"overtaken:{after}"
        slow = trial.call(trial.client(Gaps(lambda: mine.drop("slow"), after)))
        put(name, 60_000, "slow", by=slow)
        drop("slow")
        return not r.exists(name)

    trial.expect(
        all(map(overtaken, (1, 2, 3))),
        "a drop in the middle of a put leaves nothing unknown",
        "a drop came between two of its trips, and the next one doesn't find the answer",
    )
    for number in range(200):
        mine.put(f"many:{number}", "on time", 60_000, ["many"])
    with trial.cost() as cost:
        removed = drop("many")
    trial.expect(removed == 200, "two hundred are dropped", f"it answered {removed!r} of 200")
    trial.expect(
        cost.trips <= 10,
        "in a handful of trips",
        f"it took {cost.trips} trips for 200 answers",
    )
    trial.expect(
        not cost.commands["scan"],
        "without a look at other keys",
        "it calls SCAN, which looks at every key of the server",
    )
