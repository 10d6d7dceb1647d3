"""Which flights gained most against the same hour yesterday, while the hour is under way."""

NOTEBOOK = "44"
TITLE = "More than yesterday"
HINTS = (
    "At twenty past, a third of the hour is over. How much of yesterday's hour is there to compare "
    "it with?",
    "A difference of two sorted sets is a sum in which one of them weighs less than nothing.",
    "`ZUNIONSTORE` with weights, a time to live and `ZRANGE` with `desc=True` go in one "
    "`r.pipeline()`. Where does the result live, and for how long?",
    "`pipe.zunionstore(gain, {today: 1, yesterday: -(now % 3600) / 3600})`, with "
    '`gain = f"{{looks}}:gain:{now}"` and an end.',
)
WHY = (
    "Every chart that puts the present hour beside full ones falls at its right edge, and people "
    "are woken by it. Compare like with like: the same share, or an hour that is over."
)


def stub(r, now, n):
    """The n flights that gained most, now (seconds): [(flight, gain)], the greatest gain first.

    gain: looks in {looks}:<this hour> less the same share of {looks}:<the hour a day before>.
    """


def solution(r, now, n):
    hour, share = now // 3600, now % 3600 / 3600
    gain = f"{{looks}}:gain:{now}"
    weights = {f"{{looks}}:{hour}": 1, f"{{looks}}:{hour - 24}": -share}
    with r.pipeline() as pipe:
        pipe.zunionstore(gain, weights).expire(gain, 60)
        return pipe.zrange(gain, 0, n - 1, desc=True, withscores=True).execute()[-1]


def wrong_whole_hour(r, now, n):
    """the whole of yesterday's hour"""
    hour = now // 3600
    weights = {f"{{looks}}:{hour}": 1, f"{{looks}}:{hour - 24}": -1}
    with r.pipeline() as pipe:
        pipe.zunionstore("{looks}:gain", weights).expire("{looks}:gain", 60)
        return pipe.zrange("{looks}:gain", 0, n - 1, desc=True, withscores=True).execute()[-1]


def wrong_hour_before(r, now, n):
    """with the hour before"""
    hour, share = now // 3600, now % 3600 / 3600
    weights = {f"{{looks}}:{hour}": 1, f"{{looks}}:{hour - 1}": -share}
    with r.pipeline() as pipe:
        pipe.zunionstore("{looks}:gain", weights).expire("{looks}:gain", 60)
        return pipe.zrange("{looks}:gain", 0, n - 1, desc=True, withscores=True).execute()[-1]


def wrong_known_alone(r, now, n):
    """new today"""
    hour, share = now // 3600, now % 3600 / 3600
    weights = {f"{{looks}}:{hour}": 1, f"{{looks}}:{hour - 24}": -share}
    with r.pipeline() as pipe:
        pipe.zinterstore("{looks}:gain", weights).expire("{looks}:gain", 60)
        return pipe.zrange("{looks}:gain", 0, n - 1, desc=True, withscores=True).execute()[-1]


def wrong_no_yesterday(r, now, n):
    """busiest, not those that gained"""
    return r.zrange(f"{{looks}}:{now // 3600}", 0, n - 1, desc=True, withscores=True)


def wrong_brings_everything(r, now, n):
    """brought both hours"""
    hour, share = now // 3600, now % 3600 / 3600
    weights = {f"{{looks}}:{hour}": 1, f"{{looks}}:{hour - 24}": -share}
    found = r.zunion(weights, withscores=True)
    return sorted(found, key=lambda pair: -pair[1])[:n]


def wrong_stays(r, now, n):
    """without an end"""
    hour, share = now // 3600, now % 3600 / 3600
    gain = f"{{looks}}:gain:{hour}"
    weights = {f"{{looks}}:{hour}": 1, f"{{looks}}:{hour - 24}": -share}
    pipe = r.pipeline().zunionstore(gain, weights)
    return pipe.zrange(gain, 0, n - 1, desc=True, withscores=True).execute()[-1]


def wrong_into_today(r, now, n):
    """changed the looks themselves"""
    hour, share = now // 3600, now % 3600 / 3600
    today = f"{{looks}}:{hour}"
    pipe = r.pipeline().zunionstore(today, {today: 1, f"{{looks}}:{hour - 24}": -share})
    return pipe.zrange(today, 0, n - 1, desc=True, withscores=True).expire(today, 60).execute()[1]


def wrong_slots(r, now, n):
    """slots of a cluster"""
    hour, share = now // 3600, now % 3600 / 3600
    weights = {f"{{looks}}:{hour}": 1, f"{{looks}}:{hour - 24}": -share}
    with r.pipeline() as pipe:
        pipe.zunionstore("gain", weights).expire("gain", 60)
        return pipe.zrange("gain", 0, n - 1, desc=True, withscores=True).execute()[-1]


def wrong_three_trips(r, now, n):
    """another question came between"""
    hour, share = now // 3600, now % 3600 / 3600
    weights = {f"{{looks}}:{hour}": 1, f"{{looks}}:{hour - 24}": -share}
    r.zunionstore("{looks}:gain", weights)
    r.expire("{looks}:gain", 60)
    return r.zrange("{looks}:gain", 0, n - 1, desc=True, withscores=True)


def wrong_loose_pipeline(r, now, n):
    """not one step"""
    hour, share = now // 3600, now % 3600 / 3600
    weights = {f"{{looks}}:{hour}": 1, f"{{looks}}:{hour - 24}": -share}
    with r.pipeline(transaction=False) as pipe:
        pipe.zunionstore("{looks}:gain", weights).expire("{looks}:gain", 60)
        return pipe.zrange("{looks}:gain", 0, n - 1, desc=True, withscores=True).execute()[-1]


def check(trial):
    from redis.crc import key_slot

    import redis_lab.data
    from redis_lab.course.answers import Refused
    from redis_lab.observe import zipf

    hour = 384_886  # 27 November 2013, 17:00 in New York
    today, yesterday, before = (f"{{looks}}:{hour - back}" for back in (0, 24, 1))
    given = {
        today: {"UA1": 50, "DL2": 40, "B63": 30, "AA4": 20, "HA5": 7},
        yesterday: {"UA1": 120, "DL2": 40, "AA4": 20, "WN6": 90},
        before: {"DL2": 200, "B63": 100, "AA4": 10},
    }

    def fill(looks):
        trial.r.delete("none", *trial.r.scan_iter(count=1000))
        for key, counts in looks.items():
            trial.r.zadd(key, counts)
            trial.r.expire(key, 3 * 86_400)

    def pairs(answer):
        try:
            return [(str(flight), round(float(gain), 4)) for flight, gain in answer]
        except (TypeError, ValueError):
            raise Refused(f"it answered {answer!r:.90}, no list of (flight, gain)") from None

    fill(given)
    twenty_past = hour * 3600 + 1200
    first = pairs(trial.run(twenty_past, 3))
    busiest = [flight for flight, _ in first] == ["UA1", "DL2", "B63"] and first[0][1] == 50
    whole = [("B63", 30), ("HA5", 7), ("DL2", 0)]
    hour_ago = [("UA1", 50), ("AA4", 16.6667), ("HA5", 7)]
    reason = f"a third of the hour is over: B63 gained 30, DL2 26.67, AA4 13.33; it says {first}"
    if first == whole:
        reason += ": it compares with the whole of yesterday's hour"
    elif first == hour_ago:
        reason += ": it compares with the hour before"
    elif busiest:
        reason += ": the busiest, not those that gained"
    elif not {"B63", "WN6"} & set(dict(first)):
        reason += ": B63 is new today, and missing"
    elif "AA4" not in dict(first):
        reason += ": AA4 isn't among the busiest and gained more than they did"
    trial.require(
        first == [("B63", 30), ("DL2", 26.6667), ("AA4", 13.3333)],
        "a third of yesterday's hour is set against the first third of this one",
        reason,
    )
    left = {key: dict(trial.r.zrange(key, 0, -1, withscores=True)) for key in given}
    ends = [trial.r.ttl(key) for key in given]
    trial.require(
        left == given and min(ends) > 200_000,
        "the looks are as they were",
        "it changed the looks themselves: the next question counts what was already a difference",
    )
    extra = {key: left for key, (_, left) in trial.keyspace().items() if key not in given}
    forever = [key for key, left in extra.items() if left is None or left > 3601]
    trial.expect(
        not forever, "nothing is left that stays", f"it left {', '.join(forever)} without an end"
    )
    used = set(extra)
    with trial.cost() as cost:
        later = pairs(trial.run(hour * 3600 + 2700, 2))
    trial.expect(
        later == [("B63", 30), ("DL2", 10)],
        "at a quarter to, three quarters of it",
        f"at a quarter to, B63 has gained 30 and DL2 10; it says {later}",
    )
    used |= {key for key in trial.keyspace() if key not in given}
    trial.expect(cost.trips == 1, "it is one trip", f"it took {cost.trips} trips")
    stores = cost.commands["zunionstore"] or cost.commands["zinterstore"]
    other = []
    if cost.trips > 1:
        for after in range(1, cost.trips):

            def ask():
                other.append(trial.run(hour * 3600 + 3599, 1))

            got = pairs(trial.run(twenty_past, 3, between=ask, after=after))
            trial.expect(
                got == first,
                "two that ask at the same time get their own answers",
                f"another question came between two of its trips, and it answered {got}",
            )
    else:
        trial.expect(
            bool(cost.indivisible or not stores),
            "storing and reading are one step",
            "its commands are sent together, but they are not one step: another question's may "
            "come between them, and both read the same key",
        )
    slots = {key_slot(key.encode()) for key in (*given, *used)}
    trial.expect(
        len(slots) == 1,
        "all keys are in one slot",
        f"its keys lie in {len(slots)} slots of a cluster, where a union takes keys of one",
    )
    fill({})
    none = pairs(trial.run(twenty_past, 3) or [])
    trial.expect(
        none == [], "where nobody looked there is nothing", f"nobody looked; it says {none}"
    )
    flights = redis_lab.data.flights(month=11, limit=600).id.tolist()
    many = {
        key: {flight: drawn.count(flight) for flight in set(drawn)}
        for key, seed in ((today, 1), (yesterday, 2))
        for drawn in [zipf(flights, 1500, exponent=0.6, seed=seed)]
    }
    fill(many)
    share = 1500 / 3600
    gains = {
        flight: many[today].get(flight, 0) - share * many[yesterday].get(flight, 0)
        for flight in {*many[today], *many[yesterday]}
    }
    best = sorted(gains.values(), reverse=True)[:5]

    def sent():
        return trial.r.info("stats")["total_net_output_bytes"]

    sent()
    counts = [sent(), sent()]
    answer = trial.run(hour * 3600 + 1500, 5)
    size = sent() - counts[1] - (counts[1] - counts[0])
    answer = pairs(answer)
    trial.expect(
        [gain for _, gain in answer] == [round(gain, 4) for gain in best]
        and all(abs(gains[flight] - gain) < 0.001 for flight, gain in answer),
        "among 600 flights the five are right",
        f"of 600 flights the best gains are {[round(gain, 2) for gain in best]}; it says {answer}",
    )
    trial.expect(
        size < 4000,
        "and nothing is brought that isn't shown",
        f"for five flights the server sent {size:,} bytes: it brought both hours",
    )
