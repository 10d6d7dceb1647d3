"""First and last seen, whatever order reports arrive in: ZADD with LT and with GT."""

NOTEBOOK = "06"
TITLE = "First and last seen"
HINTS = (
    "The score is a time. What does the order of arrival mean to `GT`?",
    "Two sorted sets: `GT` keeps the last, `LT` the first. Neither keeps a new member out.",
    "Not seen since: a range by score from `-inf` up to `since`, the bound itself left out.",
    "One `r.pipeline()`: for each report `pipe.zadd(key, {plane: at}, gt=True)` and its twin, then "
    "the range; its reply is the last. (A `dict` of all reports holds one of each plane.)",
)
WHY = (
    "Last seen, first seen, best, worst: such a value can be written twice, late or in any order, "
    "so a queue may deliver again and a worker may start over. No lock, no read, no order to keep."
)


def stub(r, reports, since):
    """Note (plane, seconds) reports in seen:first and seen:last; who was last seen before since."""


def solution(r, reports, since):
    with r.pipeline() as pipe:
        for plane, at in reports:
            pipe.zadd("seen:first", {plane: at}, lt=True)
            pipe.zadd("seen:last", {plane: at}, gt=True)
        pipe.zrange("seen:last", "-inf", f"({since}", byscore=True)
        return pipe.execute()[-1]


def wrong_as_it_comes(r, reports, since):
    """an older report was written over a newer one"""
    with r.pipeline() as pipe:
        for plane, at in reports:
            pipe.zadd("seen:first", {plane: at}, nx=True)
            pipe.zadd("seen:last", {plane: at})
        pipe.zrange("seen:last", "-inf", f"({since}", byscore=True)
        return pipe.execute()[-1]


def wrong_first_come_first_seen(r, reports, since):
    """the first to arrive is not the first seen"""
    with r.pipeline() as pipe:
        for plane, at in reports:
            pipe.zadd("seen:first", {plane: at}, nx=True)
            pipe.zadd("seen:last", {plane: at}, gt=True)
        pipe.zrange("seen:last", "-inf", f"({since}", byscore=True)
        return pipe.execute()[-1]


def wrong_one_dict(r, reports, since):
    """one report of each plane is left in a dict"""
    with r.pipeline() as pipe:
        pipe.zadd("seen:first", dict(reports), lt=True)
        pipe.zadd("seen:last", dict(reports), gt=True)
        pipe.zrange("seen:last", "-inf", f"({since}", byscore=True)
        return pipe.execute()[-1]


def wrong_reads_first(r, reports, since):
    """another client came between"""
    for plane, at in reports:
        first, last = r.zscore("seen:first", plane), r.zscore("seen:last", plane)
        r.zadd("seen:first", {plane: at if first is None else min(first, at)})
        r.zadd("seen:last", {plane: at if last is None else max(last, at)})
    return r.zrange("seen:last", "-inf", f"({since}", byscore=True)


def wrong_bound(r, reports, since):
    """at that very second"""
    with r.pipeline() as pipe:
        for plane, at in reports:
            pipe.zadd("seen:first", {plane: at}, lt=True)
            pipe.zadd("seen:last", {plane: at}, gt=True)
        pipe.zrange("seen:last", "-inf", since, byscore=True)
        return pipe.execute()[-1]


def wrong_own_reports_only(r, reports, since):
    """what others noted"""
    with r.pipeline() as pipe:
        for plane, at in reports:
            pipe.zadd("seen:first", {plane: at}, lt=True)
            pipe.zadd("seen:last", {plane: at}, gt=True)
        pipe.execute()
    last = {}
    for plane, at in reports:
        last[plane] = max(at, last.get(plane, at))
    return [plane for plane, at in last.items() if at < since]


def wrong_a_trip_each(r, reports, since):
    """trips for"""
    for plane, at in reports:
        r.zadd("seen:first", {plane: at}, lt=True)
        r.zadd("seen:last", {plane: at}, gt=True)
    return r.zrange("seen:last", "-inf", f"({since}", byscore=True)


def check(trial):
    import redis_lab.data

    def seen(plane):
        scores = trial.r.zscore("seen:first", plane), trial.r.zscore("seen:last", plane)
        return tuple(None if score is None else int(score) for score in scores)

    trial.run([("N1", 500), ("N2", 300)], 0)
    kinds = {key: kind for key, (kind, _) in trial.keyspace().items()}
    trial.require(
        kinds == {"seen:first": "zset", "seen:last": "zset"},
        "there are two sorted sets, `seen:first` and `seen:last`",
        f"there is {kinds or 'no key'}, not the sorted sets seen:first and seen:last",
    )
    trial.require(
        seen("N1") == (500, 500) and seen("N2") == (300, 300),
        "a new plane is in both sets",
        f"after a first report at 500, seen:first and seen:last say {seen('N1')}",
    )
    trial.run([("N1", 400)], 0)
    trial.expect(
        seen("N1")[1] == 500,
        "a report that comes late does not move the last",
        f"at 500 N1 was seen, then a report of 400 came in, and seen:last is {seen('N1')[1]}: an "
        "older report was written over a newer one",
    )
    trial.expect(
        seen("N1")[0] == 400,
        "but the first",
        f"seen:first of N1 is {seen('N1')[0]}, not 400: the first to arrive is not the first seen",
    )
    trial.run([("N3", 600), ("N3", 900), ("N3", 200), ("N3", 700)], 0)
    trial.expect(
        seen("N3") == (200, 900),
        "four reports of one plane count, all four",
        f"of 600, 900, 200, 700 first and last are {seen('N3')}: one report of each plane is left "
        "in a dict"
        if seen("N3") == (700, 700)
        else f"of 600, 900, 200, 700 first and last are {seen('N3')}",
    )
    overwritten = []
    for after in (1, 2, 3):

        def rival(plane=f"N4-{after}", after=after):
            trial.run([(plane, 100), (plane, 900)], 0)
            overwritten.append(plane)

        trial.run([(f"N4-{after}", 500)], 0, between=rival, after=after)
    overwritten = [plane for plane in overwritten if seen(plane) != (100, 900)]
    trial.expect(
        not overwritten,
        "what another client notes meanwhile stays",
        "100 and 900 were noted, and 500 was written over them: another client came between your "
        "reading and your writing",
    )
    trial.r.delete("seen:first", "seen:last")
    flights = redis_lab.data.flights(month=1)
    flights = flights[flights.dep_time.notna()].sample(2000, random_state=6)
    seconds = flights.scheduled.dt.tz_localize("America/New_York").astype("int64")
    january = list(zip(flights.tailnum.tolist(), seconds.tolist(), strict=True))
    last = {plane: at for plane, at in sorted(january, key=lambda report: report[1])}
    first = {plane: at for plane, at in sorted(january, key=lambda report: -report[1])}
    since = min(at for at in last.values() if at > max(last.values()) - 7 * 86400)
    trial.together([(january[start : start + 500], since) for start in range(0, 2000, 500)])
    missing = trial.run(january[:300], since)
    kept = [
        dict(trial.r.zrange(f"seen:{end}", 0, -1, withscores=True)) for end in ("first", "last")
    ]
    trial.expect(
        kept == [first, last],
        "2,000 reports of January, shuffled, some of them twice: all planes are right",
        f"of {len(last)} planes, {sum(kept[0].get(each) != at for each, at in first.items())} have "
        f"a wrong first time, {sum(kept[1].get(each) != at for each, at in last.items())} a wrong "
        "last",
    )
    trial.require(
        isinstance(missing, list | tuple | set),
        "it answers with a list of planes",
        f"it answered {missing!r:.60}, not a list of planes",
    )
    listed = set(map(str, missing))
    expected = {plane for plane, at in last.items() if at < since}
    at_that_second = {plane for plane, at in last.items() if at == since} & listed
    trial.expect(
        not at_that_second,
        "who was seen at that very second was seen since then",
        f"{', '.join(at_that_second)} was seen at that very second, and is listed: a bound without "
        "`(` is part of the range",
    )
    trial.expect(
        listed - at_that_second == expected,
        "all that were not seen in the last week are listed, whoever noted them",
        f"it listed {len(missing)} planes, not {len(expected)}: "
        + (
            "did it leave out what others noted?"
            if expected - listed
            else f"{next(iter(listed - expected), None)}, for one, was seen since then"
        ),
    )
    trips = trial.trips_of(january[:100], since)
    trial.expect(trips == 1, "100 reports are one trip", f"it took {trips} trips for 100 reports")
