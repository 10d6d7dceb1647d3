"""Counters by the hour in series: added up by the server, whatever the order of the reports."""

NOTEBOOK = "12"
TITLE = "Count by the hour"
MODULES = ("timeseries",)
HINTS = (
    "One sample an hour: the moment is the beginning of the hour, `at // 3_600_000 * 3_600_000`.",
    "The second departure of an hour meets a sample that is there. Which policy makes a count of "
    "them?",
    "`TS.INCRBY` counts on from the newest sample and refuses older moments: no good for late "
    "reports.",
    "`r.ts().add(key, hour, 1, on_duplicate='sum', labels={…})` makes the series when it is not "
    "there.",
)
WHY = (
    "`SUM` lets any number of writers count into the same bucket, late or not, in one trip and "
    "without reading. What it can't do is tell a report that comes twice: that takes a stream or "
    "a set of ids."
)

HOUR = 3_600_000


def stub(r, origin, carrier, at):
    """Count a departure of this airport and airline, at this time in ms, by the hour."""


def solution(r, origin, carrier, at):
    key, hour = f"flown:{origin}:{carrier}", at // 3_600_000 * 3_600_000
    r.ts().add(key, hour, 1, on_duplicate="sum", labels={"origin": origin, "carrier": carrier})


def wrong_default_policy(r, origin, carrier, at):
    """update is not supported"""
    labels = {"origin": origin, "carrier": carrier}
    r.ts().add(f"flown:{origin}:{carrier}", at // 3_600_000 * 3_600_000, 1, labels=labels)


def wrong_last(r, origin, carrier, at):
    """each replaced the one before"""
    labels, hour = {"origin": origin, "carrier": carrier}, at // 3_600_000 * 3_600_000
    r.ts().add(f"flown:{origin}:{carrier}", hour, 1, duplicate_policy="last", labels=labels)


def wrong_increment(r, origin, carrier, at):
    """equal to or higher than"""
    labels, hour = {"origin": origin, "carrier": carrier}, at // 3_600_000 * 3_600_000
    r.ts().incrby(f"flown:{origin}:{carrier}", 1, timestamp=hour, labels=labels)


def wrong_moment(r, origin, carrier, at):
    """not at the beginning"""
    labels = {"origin": origin, "carrier": carrier}
    r.ts().add(f"flown:{origin}:{carrier}", at, 1, on_duplicate="sum", labels=labels)


def wrong_no_labels(r, origin, carrier, at):
    """by its labels"""
    hour = at // 3_600_000 * 3_600_000
    r.ts().add(f"flown:{origin}:{carrier}", hour, 1, on_duplicate="sum")


def wrong_reads_first(r, origin, carrier, at):
    """another process"""
    key, hour = f"flown:{origin}:{carrier}", at // 3_600_000 * 3_600_000
    found = r.ts().range(key, hour, hour) if r.exists(key) else []
    labels = {"origin": origin, "carrier": carrier}
    number = found[0][1] + 1 if found else 1
    r.ts().add(key, hour, number, on_duplicate="last", labels=labels)


def wrong_series_first(r, origin, carrier, at):
    """trips"""
    key, hour = f"flown:{origin}:{carrier}", at // 3_600_000 * 3_600_000
    if not r.exists(key):
        labels = {"origin": origin, "carrier": carrier}
        r.ts().create(key, duplicate_policy="sum", labels=labels)
    r.ts().add(key, hour, 1)


def check(trial):
    from collections import Counter

    import redis_lab.data

    flights = redis_lab.data.flights(month=1, limit=500).dropna(subset="dep_time")
    seconds = flights.scheduled.dt.tz_localize("America/New_York").astype("int64")
    times = (seconds + flights.dep_delay.astype("int64") * 60) * 1000
    columns = flights.origin.tolist(), flights.carrier.tolist(), times.tolist()
    reports = list(zip(*columns, strict=True))[:200]
    reports = reports[::2] + reports[1::2]  # the second half comes late
    truth = Counter((origin, carrier, at // HOUR * HOUR) for origin, carrier, at in reports)

    def found():
        kept = {}
        for origin, carrier in {report[:2] for report in reports}:
            key = f"flown:{origin}:{carrier}"
            if trial.r.type(key) == "TSDB-TYPE":
                samples = trial.r.ts().range(key, "-", "+")
                kept |= {(origin, carrier, at): int(number) for at, number in samples}
        return kept

    client = trial.client()
    for report in reports:
        trial.call(client, *report)
    kept = found()
    trial.require(
        bool(kept),
        "the series are called flown:EWR:UA, …",
        f"after 200 departures there is no series flown:EWR:UA; the keys are "
        f"{sorted(trial.keyspace())[:3]}",
    )
    odd = [at for _, _, at in kept if at % HOUR]
    trial.require(
        not odd,
        "each sample stands at the beginning of its hour",
        f"{len(odd)} samples are not at the beginning of an hour",
    )
    total = sum(kept.values())
    trial.require(
        kept == truth,
        "200 departures, half of them late, are counted",
        "the departures of an hour count as one: each replaced the one before"
        if set(kept.values()) == {1}
        else f"the hours add up to {total}, not to 200"
        if total != 200
        else "all are there, but some in another hour, or in the series of another airline",
    )
    labelled = {
        (origin, carrier)
        for origin, carrier in {report[:2] for report in reports}
        if f"flown:{origin}:{carrier}"
        in trial.r.ts().queryindex([f"origin={origin}", f"carrier={carrier}"])
    }
    trial.expect(
        labelled == {report[:2] for report in reports},
        "each series is found by origin and carrier",
        "a series is not found by its labels origin and carrier",
    )
    report = reports[0]
    for _ in range(2):
        trial.run(*report, between=lambda: trial.run(*report))
    trial.together([report] * 6)
    expected = truth[(*report[:2], report[2] // HOUR * HOUR)]
    alone = trial.r.ts().range("flown:{}:{}".format(*report[:2]), "-", "+")
    number = dict(alone)[report[2] // HOUR * HOUR] - expected
    trial.expect(
        number in (8, 9, 10),  # an answer of one trip has no gap for the others to act in
        "those of several processes are all counted",
        f"of 10 departures of one hour {number:.0f} were counted, because another process counted "
        "between reading and writing",
    )
    trips = trial.trips_of("LGA", "ZZ", reports[0][2])
    trial.expect(trips == 1, "a departure is one trip", f"the first of a series took {trips} trips")
