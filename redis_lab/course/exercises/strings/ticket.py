"""A ticket machine: atomic numbers that end with the day, in one trip."""

NOTEBOOK = "01"
TITLE = "A ticket machine"
HINTS = (
    "One command counts and tells.",
    "`EXPIRE` after every call pushes the end away; a moment stays where it is: `EXPIREAT`.",
    "`r.pipeline()` sends several commands in one trip, as one transaction.",
)
WHY = (
    "Counters of a day, an hour, a window live like this everywhere: numbered by the server, gone "
    "by themselves. The day in the name saves the call that is under way at midnight."
)


def stub(r, desk):
    """The next ticket of this desk today: 1, 2, 3, …"""


def solution(r, desk):
    import time

    midnight = (int(time.time()) // 86400 + 1) * 86400
    key = f"ticket:{desk}:{midnight}"
    with r.pipeline() as pipe:
        return pipe.incr(key).expireat(key, midnight).execute()[0]


def wrong_read_modify_write(r, desk):
    """two clients got the same number"""
    import time

    key = f"ticket:{desk}"
    number = int(r.get(key) or 0) + 1
    r.set(key, number, exat=(int(time.time()) // 86400 + 1) * 86400)
    return number


def wrong_sliding_expiry(r, desk):
    """the end moved"""
    with r.pipeline() as pipe:
        return pipe.incr(f"ticket:{desk}").expire(f"ticket:{desk}", 86400).execute()[0]


def wrong_no_expiry(r, desk):
    """never expires"""
    return r.incr(f"ticket:{desk}")


def wrong_two_trips(r, desk):
    """2 trips"""
    import time

    number = r.incr(f"ticket:{desk}")
    r.expireat(f"ticket:{desk}", (int(time.time()) // 86400 + 1) * 86400)
    return number


def check(trial):
    from datetime import UTC, datetime, timedelta

    numbers = [trial.run("EWR-3") for _ in range(3)]
    gone = numbers == [1, 1, 1] and not trial.keyspace()
    trial.require(
        numbers == [1, 2, 3],
        "the first three tickets are 1, 2, 3",
        f"they were {numbers}" + (", and no key is left: is its end in the past?" if gone else ""),
    )
    others = []
    number = trial.run("EWR-3", between=lambda: others.append(trial.run("EWR-3")))
    trial.expect(
        number not in others,
        "two clients at the same moment get different numbers",
        f"two clients got the same number, {number}: another came between your read and your write",
    )
    together = trial.together([("EWR-4",)] * 16)
    twice = " (two clients got the same number)" if len(set(together)) < 16 else ""
    other = "" if twice else " (is each desk counted by itself?)"
    trial.expect(
        set(together) == set(range(1, 17)),
        "sixteen clients at another desk get 1 to 16",
        f"sixteen clients at another desk got {together}{twice}{other}",
    )
    trips = max(trial.trips_of("JFK-1"), trial.trips_of("JFK-1"))
    trial.expect(trips == 1, "a call is one trip", f"a call took {trips} trips")
    keys = list(trial.r.scan_iter())
    ends = {key: trial.r.expiretime(key) for key in keys}
    lasting = [key for key, end in ends.items() if end < 0]
    trial.expect(
        not lasting, "every key has a time to live", f"what never expires: {', '.join(lasting)}"
    )
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    midnight = int(datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=UTC).timestamp())
    # An answer given a moment before midnight may end the day before.
    right = all(end in (midnight, midnight - 86400) for end in ends.values())
    trial.expect(
        right or bool(lasting),
        "they end at midnight, UTC, however often it is called",
        "the end moved, or is not midnight (UTC), but so far from it: "
        + ", ".join(f"{end - midnight:+} s" for end in ends.values()),
    )
