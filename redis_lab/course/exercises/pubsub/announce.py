"""Nobody was there: publish, and keep what reached nobody, in one step."""

NOTEBOOK = "50"
TITLE = "Nobody was there"
HINTS = (
    "`PUBLISH` answers how many it reached, patterns included. `PUBSUB NUMSUB` leaves those out, "
    "and tells of the moment before.",
    "Between the answer and the `LPUSH` a process can die: both belong into one script.",
    "`if redis.call('PUBLISH', …) == 0 then`: `LPUSH`, `LTRIM` to 100, `EXPIRE`.",
)
WHY = (
    "The reply of PUBLISH is the only receipt that there is, and most code throws it away. It "
    "counts connections, not people: one that is subscribed and doesn't read counts as well."
)


def stub(r, channel, message):
    """Publish it; True if somebody was reached, else it is kept in the list missed:<channel>.

    The list has the newest 100, newest first, and ends a day after the last one that came.
    """


def solution(r, channel, message):
    source = """
        if redis.call('PUBLISH', ARGV[1], ARGV[2]) > 0 then return 1 end
        redis.call('LPUSH', KEYS[1], ARGV[2])
        redis.call('LTRIM', KEYS[1], 0, 99)
        redis.call('EXPIRE', KEYS[1], 86400)
        return 0
    """
    return r.eval(source, 1, f"missed:{channel}", channel, message) == 1


def wrong_asks_first(r, channel, message):
    """pattern"""
    if r.pubsub_numsub(channel)[0][1] > 0:
        return r.publish(channel, message) > 0
    with r.pipeline() as pipe:
        pipe.publish(channel, message).lpush(f"missed:{channel}", message)
        pipe.ltrim(f"missed:{channel}", 0, 99).expire(f"missed:{channel}", 86400).execute()
    return False


def wrong_in_two_steps(r, channel, message):
    """died between"""
    if r.publish(channel, message):
        return True
    with r.pipeline() as pipe:
        pipe.lpush(f"missed:{channel}", message).ltrim(f"missed:{channel}", 0, 99)
        pipe.expire(f"missed:{channel}", 86400).execute()
    return False


def wrong_keeps_all(r, channel, message):
    """had heard"""
    with r.pipeline() as pipe:
        pipe.publish(channel, message).lpush(f"missed:{channel}", message)
        pipe.ltrim(f"missed:{channel}", 0, 99).expire(f"missed:{channel}", 86400)
        return pipe.execute()[0] > 0


def wrong_end(r, channel, message):
    """newest first"""
    source = """
        if redis.call('PUBLISH', ARGV[1], ARGV[2]) > 0 then return 1 end
        redis.call('RPUSH', KEYS[1], ARGV[2])
        redis.call('LTRIM', KEYS[1], 0, 99)
        redis.call('EXPIRE', KEYS[1], 86400)
        return 0
    """
    return r.eval(source, 1, f"missed:{channel}", channel, message) == 1


def wrong_no_bound(r, channel, message):
    """grows for as long"""
    source = """
        if redis.call('PUBLISH', ARGV[1], ARGV[2]) > 0 then return 1 end
        redis.call('LPUSH', KEYS[1], ARGV[2])
        redis.call('EXPIRE', KEYS[1], 86400)
        return 0
    """
    return r.eval(source, 1, f"missed:{channel}", channel, message) == 1


def wrong_immortal(r, channel, message):
    """for ever"""
    source = """
        if redis.call('PUBLISH', ARGV[1], ARGV[2]) > 0 then return 1 end
        redis.call('LPUSH', KEYS[1], ARGV[2])
        redis.call('LTRIM', KEYS[1], 0, 99)
        return 0
    """
    return r.eval(source, 1, f"missed:{channel}", channel, message) == 1


def wrong_first_day(r, channel, message):
    """after the first"""
    source = """
        if redis.call('PUBLISH', ARGV[1], ARGV[2]) > 0 then return 1 end
        redis.call('LPUSH', KEYS[1], ARGV[2])
        redis.call('LTRIM', KEYS[1], 0, 99)
        redis.call('EXPIRE', KEYS[1], 86400, 'NX')
        return 0
    """
    return r.eval(source, 1, f"missed:{channel}", channel, message) == 1


def check(trial):
    def kept(channel):
        return trial.r.lrange(f"missed:{channel}", 0, -1)

    def published():
        return trial.r.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"]

    alone = trial.run("gates:EWR", "UA1545 C120")
    trial.require(
        alone is False and kept("gates:EWR") == ["UA1545 C120"],
        "what reaches nobody is kept",
        f"nobody listened; it returned {alone!r:.40}, and the list holds {kept('gates:EWR')}",
    )
    with trial.r.pubsub() as sub:
        sub.subscribe("gates:JFK")
        sub.get_message(timeout=2)
        heard = trial.run("gates:JFK", "B6725 20")
        got = sub.get_message(timeout=2) or {}
        trial.require(
            heard is True and got.get("data") == "B6725 20",
            "a subscriber hears it",
            f"one listened; it returned {heard!r:.40}, and the subscriber got {got.get('data')!r}",
        )
        trial.expect(
            not kept("gates:JFK"),
            "and what was heard is not kept",
            f"a subscriber had heard it, and it is kept all the same: {kept('gates:JFK')}",
        )
        sub.psubscribe("gates:L*")
        sub.get_message(timeout=2)
        heard = trial.run("gates:LGA", "DL461 D7")
        trial.expect(
            heard is True and not kept("gates:LGA"),
            "who listens by a pattern listens",
            f"one listened by the pattern gates:L*; it returned {heard!r:.40}, and the list holds "
            f"{kept('gates:LGA')}",
        )
    _until(lambda: not trial.r.client_list(_type="pubsub"))
    for after in (1, 2):
        name, before = f"gates:crash{after}", published()
        died = trial.crash(name, "AA1141 31", after=after)
        if not trial.expect(
            not died or published() == before or kept(name) == ["AA1141 31"],
            "it is published and kept, or neither",
            f"it published to nobody, died between two trips, and the list holds {kept(name)}: "
            "the message is lost",
        ):
            break
    messages = [f"gate {number}" for number in range(130)]
    for message in messages:
        trial.run("gates:HNL", message)
    found = kept("gates:HNL")
    trial.expect(
        len(found) <= 100,
        "the list has an end",
        f"of 130 it keeps {len(found)}: it grows for as long as nobody listens",
    )
    trial.expect(
        len(found) != 100 or found == messages[:-101:-1],
        "the newest 100, newest first",
        f"wanted are 100 of 130, newest first; it keeps {found[0]!r} to {found[-1:]!r}",
    )
    lives = [left for _, left in trial.keyspace().values()]
    if not trial.expect(
        None not in lives and all(86_000 < left <= 86_400 for left in lives),
        "each list ends after a day",
        "a list stays for ever" if None in lives else f"the lists have {lives} s to live",
    ):
        return
    trial.r.expire("missed:gates:EWR", 1000)
    trial.run("gates:EWR", "UA1545 C121")
    again = trial.r.ttl("missed:gates:EWR")
    trial.expect(
        not 0 <= again <= 1000,
        "counted from the last one that came",
        f"a list had 1,000 s left when another message came, and has {again} s now: it ends a day "
        "after the first, not the last",
    )


def _until(reached):
    """Ask until it is so, for two seconds."""
    import time

    end = time.monotonic() + 2
    while not reached() and time.monotonic() < end:
        time.sleep(0.002)
