"""A pipeline in which one command fails: count the others once, and tell which it was."""

NOTEBOOK = "20"
TITLE = "One refusal, fifteen totals"
HINTS = (
    "Nothing needs repeating: what stands behind a failed command has been run.",
    "`execute(raise_on_error=False)` puts errors among the results.",
    "`isinstance(result, redis.ResponseError)` tells a refusal from a total.",
    "Let a ConnectionError pass: nobody knows then what was counted.",
)
WHY = (
    "A batch that is sent again because of one bad row counts all good rows twice, without a "
    "word. Every batch interface has this question: which of them failed?"
)


def stub(r, counts):
    """Add {carrier: flights} to departures:<carrier>; (totals, refused), by carrier, in one trip.

    totals has the new numbers, refused what the server said, as text.
    """


def solution(r, counts):
    with r.pipeline(transaction=False) as pipe:
        for carrier, flights in counts.items():
            pipe.incrby(f"departures:{carrier}", flights)
        results = dict(zip(counts, pipe.execute(raise_on_error=False), strict=True))
    refused = {each: str(said) for each, said in results.items() if isinstance(said, Exception)}
    return {each: total for each, total in results.items() if each not in refused}, refused


def wrong_lets_it_raise(r, counts):
    """it raised ResponseError"""
    with r.pipeline(transaction=False) as pipe:
        for carrier, flights in counts.items():
            pipe.incrby(f"departures:{carrier}", flights)
        return dict(zip(counts, pipe.execute(), strict=True)), {}


def wrong_tries_again(r, counts):
    """were counted more than once"""
    import redis

    left, refused = dict(counts), {}
    while True:
        with r.pipeline(transaction=False) as pipe:
            for carrier, flights in left.items():
                pipe.incrby(f"departures:{carrier}", flights)
            try:
                return dict(zip(left, pipe.execute(), strict=True)), refused
            except redis.ResponseError as error:
                bad = next(each for each in left if f"departures:{each} " in str(error))
                refused[bad] = str(error)
                del left[bad]


def wrong_one_by_one(r, counts):
    """16 trips"""
    import redis

    totals, refused = {}, {}
    for carrier, flights in counts.items():
        try:
            totals[carrier] = r.incrby(f"departures:{carrier}", flights)
        except redis.ResponseError as error:
            refused[carrier] = str(error)
    return totals, refused


def wrong_errors_among_totals(r, counts):
    """an error among the totals"""
    with r.pipeline(transaction=False) as pipe:
        for carrier, flights in counts.items():
            pipe.incrby(f"departures:{carrier}", flights)
        return dict(zip(counts, pipe.execute(raise_on_error=False), strict=True)), {}


def wrong_hands_out_exceptions(r, counts):
    """an object of Python"""
    with r.pipeline(transaction=False) as pipe:
        for carrier, flights in counts.items():
            pipe.incrby(f"departures:{carrier}", flights)
        results = dict(zip(counts, pipe.execute(raise_on_error=False), strict=True))
    totals = {each: result for each, result in results.items() if isinstance(result, int)}
    return totals, {each: result for each, result in results.items() if each not in totals}


def wrong_looks_first(r, counts):
    """2 trips"""
    with r.pipeline(transaction=False) as pipe:
        for carrier in counts:
            pipe.type(f"departures:{carrier}")
        types = dict(zip(counts, pipe.execute(), strict=True))
        good = [carrier for carrier in counts if types[carrier] in ("none", "string")]
        for carrier in good:
            pipe.incrby(f"departures:{carrier}", counts[carrier])
        totals = dict(zip(good, pipe.execute(raise_on_error=False), strict=True))
    refused = {each: "WRONGTYPE" for each in counts if each not in good}
    refused |= {each: str(said) for each, said in totals.items() if isinstance(said, Exception)}
    return {each: total for each, total in totals.items() if each not in refused}, refused


def wrong_swallows_everything(r, counts):
    """nobody heard"""
    import redis

    totals, refused = {}, {}
    try:
        with r.pipeline(transaction=False) as pipe:
            for carrier, flights in counts.items():
                pipe.incrby(f"departures:{carrier}", flights)
            results = pipe.execute(raise_on_error=False)
    except redis.RedisError as error:
        results = [error] * len(counts)
    for carrier, result in zip(counts, results, strict=True):
        if isinstance(result, Exception):
            refused[carrier] = str(result)
        else:
            totals[carrier] = result
    return totals, refused


def check(trial):
    import redis_lab.data
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    flights = redis_lab.data.flights(month=1)
    counts = {str(each): int(n) for each, n in flights.carrier.value_counts().items()}
    gaps = Gaps()
    client = trial.client(gaps)

    def told(*args):
        answer = trial.call(client, *args)
        try:
            totals, refused = answer
            return dict(totals), dict(refused)
        except (TypeError, ValueError):
            raise Refused(f"it answered {answer!r:.90}, not (totals, refused)") from None

    totals, refused = told(counts)
    trial.require(
        totals == counts and not refused,
        "the first day's totals are its departures",
        f"for new counters it answered {totals} and {refused}, not {counts} and nothing refused",
    )
    trips = gaps.trips
    with trial.cost() as cost:
        told(counts)
    trial.expect(
        max(trips, cost.trips) == 1,
        "in one trip",
        f"{len(counts)} counters took {max(trips, cost.trips)} trips",
    )
    trial.r.delete("departures:EV", "departures:WN")
    trial.r.rpush("departures:EV", "a list")
    trial.r.set("departures:WN", 2**63 - 5)
    trial.r.set("departures:VX", "many")
    bad = {"EV", "WN", "VX"}
    totals, refused = told(counts)
    good = {each: 3 * n for each, n in counts.items() if each not in bad}
    now = {each: int(trial.r.get(f"departures:{each}")) for each in good}
    more = [each for each in good if now[each] > good[each]]
    less = [each for each in good if now[each] < good[each]]
    trial.expect(
        not more,
        "with three counters that refuse, the others are counted once",
        f"{', '.join(more[:4])} … were counted more than once: what failed stopped none of them, "
        "and they were sent again",
    )
    trial.expect(not less, "none of them is left out", f"{', '.join(less[:4])} … were not counted")
    errors = [each for each, total in totals.items() if isinstance(total, Exception)]
    trial.expect(
        not errors,
        "totals are numbers",
        f"there is an error among the totals: {errors[:1]}",
    )
    trial.expect(
        totals == now or bool(errors),
        "and those of all the others",
        f"the totals are {totals}; on the server they are {now}",
    )
    said = [str(refused.get(each)) for each in ("EV", "WN", "VX")]
    trial.expect(
        set(refused) == bad,
        "the three are named",
        f"refused names {sorted(refused) or 'none'}; the server refused {sorted(bad)}",
    )
    trial.expect(
        set(refused) != bad
        or ("WRONGTYPE" in said[0] and "overflow" in said[1] and "integer" in said[2]),
        "with the server's own words",
        f"for EV, WN and VX it says {said}: a list, a number at its end, a word",
    )
    objects = [type(each).__name__ for each in refused.values() if not isinstance(each, str)]
    trial.expect(
        not objects,
        "as text",
        f"refused has a {(objects or [''])[0]} for each, an object of Python: text can be printed, "
        "stored and sent on",
    )
    trial.expect(
        told({}) == ({}, {}), "a day without departures is none", "an empty day is not ({}, {})"
    )

    def cut():
        trial.r.client_kill_filter(_type="normal", skipme=True)

    gaps.act, gaps.after = cut, 0
    try:
        heard = f"it answered {trial.call(client, counts)!r:.80}"
    except Refused as error:
        heard = str(error)
    trial.expect(
        "ConnectionError" in heard,
        "a lost connection is heard of",
        f"the connection was lost, and nobody heard: {heard}. Nobody knows what was counted",
    )
