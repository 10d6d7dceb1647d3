"""A rolling mean from rules: sums and counts by the hour outlive the samples they came from."""

NOTEBOOK = "12"
TITLE = "A rolling mean with a rule"
MODULES = ("timeseries",)
HINTS = (
    "Samples of three hours can't tell a mean of 24. What must a rule keep of an hour, so that "
    "hours can be put together? (Not its mean.)",
    "Two rules, `sum` and `count`, each with a series of its own; they have to be there before "
    "the first sample.",
    "The current hour is in no written bucket: `latest=True`. The first hour of the span is "
    "`(at // 3_600_000 - 23) * 3_600_000`.",
    "Two departures of one minute: `newest = r.ts().get('raw')`, and if there is one, add at "
    "`max(at, newest[0] + 1)`.",
)
WHY = (
    "Sums and counts of short buckets make the mean of any longer span, exactly, for as long as "
    "you like, at a few bytes an hour. The samples may go as soon as no straggler can come."
)

HOUR = 3_600_000


def stub(r, at, delay):
    """Store a departure at this time in ms; the mean delay of this hour and the 23 before it."""


def solution(r, at, delay):
    ts, hour, made = r.ts(), 3_600_000, ("sum", "count")
    if not r.exists("raw"):
        ts.create("raw", retention_msecs=3 * hour)
        for how in made:
            ts.create(f"raw:{how}")
            ts.createrule("raw", f"raw:{how}", how, hour)
    newest = ts.get("raw")
    ts.add("raw", max(at, newest[0] + 1) if newest else at, delay)
    first = (at // hour - 23) * hour
    found = [ts.range(f"raw:{how}", first, "+", latest=True) for how in made]
    total, number = (sum(value for _, value in samples) for samples in found)
    return total / number


def _store(r, at, delay, rules, retention=3 * HOUR):
    if not r.exists("raw"):
        r.ts().create("raw", retention_msecs=retention)
        for how in rules:
            r.ts().create(f"raw:{how}")
            r.ts().createrule("raw", f"raw:{how}", how, HOUR)
    newest = r.ts().get("raw")
    r.ts().add("raw", max(at, newest[0] + 1) if newest else at, delay)


def _read(r, at, how, latest=True):
    first = (at // HOUR - 23) * HOUR
    return [value for _, value in r.ts().range(f"raw:{how}", first, "+", latest=latest)]


def wrong_mean_of_means(r, at, delay):
    """the hours' means"""
    _store(r, at, delay, ["avg"])
    means = _read(r, at, "avg")
    return sum(means) / len(means)


def wrong_written_buckets(r, at, delay):
    """the current hour is missing"""
    _store(r, at, delay, ["sum", "count"])
    number = sum(_read(r, at, "count", latest=False))
    return sum(_read(r, at, "sum", latest=False)) / number if number else 0.0


def wrong_samples(r, at, delay):
    """as far back as raw"""
    _store(r, at, delay, ["sum", "count"])
    found = [value for _, value in r.ts().range("raw", (at // HOUR - 23) * HOUR, "+")]
    return sum(found) / len(found)


def wrong_keeps_all(r, at, delay):
    """longer than three hours"""
    _store(r, at, delay, [], retention=0)
    found = [value for _, value in r.ts().range("raw", (at // HOUR - 23) * HOUR, "+")]
    return sum(found) / len(found)


def wrong_one_a_minute(r, at, delay):
    """update is not supported"""
    if not r.exists("raw"):
        r.ts().create("raw", retention_msecs=3 * HOUR)
        for how in ("sum", "count"):
            r.ts().create(f"raw:{how}")
            r.ts().createrule("raw", f"raw:{how}", how, HOUR)
    r.ts().add("raw", at, delay)
    return sum(_read(r, at, "sum")) / sum(_read(r, at, "count"))


def wrong_last_of_a_minute(r, at, delay):
    """of one minute"""
    if not r.exists("raw"):
        r.ts().create("raw", retention_msecs=3 * HOUR, duplicate_policy="last")
        for how in ("sum", "count"):
            r.ts().create(f"raw:{how}")
            r.ts().createrule("raw", f"raw:{how}", how, HOUR)
    r.ts().add("raw", at, delay)
    return sum(_read(r, at, "sum")) / sum(_read(r, at, "count"))


def wrong_ever(r, at, delay):
    """older hours"""
    _store(r, at, delay, ["sum", "count"])
    total, number = (
        sum(value for _, value in r.ts().range(f"raw:{how}", "-", "+", latest=True))
        for how in ("sum", "count")
    )
    return total / number


def check(trial):
    from statistics import fmean

    import redis_lab.data
    from redis_lab.course.answers import in_words

    flights = redis_lab.data.flights(month=4)
    those = flights[flights.day.isin([25, 26]) & flights.dep_time.notna()]
    those = those[those.origin == "LGA"]
    seconds = those.scheduled.dt.tz_localize("America/New_York").astype("int64")
    times = ((seconds + those.dep_delay.astype("int64") * 60) * 1000).tolist()
    delays = [int(delay) for delay in those.dep_delay]
    coming = sorted(zip(times, delays, strict=True), key=lambda pair: pair[0])[:450]

    def means(done):
        """The right mean after this many departures, and what some mistakes would make of it."""
        at = coming[done - 1][0]
        first = (at // HOUR - 23) * HOUR
        span = [pair for pair in coming[:done] if pair[0] >= first]
        hours = {}
        for moment, delay in span:
            hours.setdefault(moment // HOUR, []).append(delay)
        written = [delay for hour in hours if hour < at // HOUR for delay in hours[hour]]
        ways = {
            "it is the mean of the hours' means: an hour of one departure counts like one of 30":
                fmean(map(fmean, hours.values())),
            "the current hour is missing": fmean(written) if written else 0.0,
            "of the departures of one minute only the last counts": fmean(dict(span).values()),
            "of the departures of one minute only the first counts":
                fmean(dict(reversed(span)).values()),
            "older hours are in it": fmean(delay for _, delay in coming[:done]),
            "it goes only as far back as raw does":
                fmean(delay for moment, delay in span if moment >= at - 3 * HOUR),
        }  # fmt: skip
        return fmean(delay for _, delay in span), ways

    client = trial.client()
    answer = trial.call(client, *coming[0])
    trial.require(
        isinstance(answer, (int, float)),
        "it gives a number",
        f"it gave {in_words(answer)}, not a number",
    )
    trial.require(
        trial.r.type("raw") == "TSDB-TYPE",
        "the departures go to the series raw",
        "there is no series raw",
    )
    answers = [answer, *(trial.call(client, *pair) for pair in coming[1:])]
    wrong = [done for done, answer in enumerate(answers, 1) if abs(answer - means(done)[0]) > 1e-6]
    reason = ""
    if wrong:
        fits = {}
        for done in wrong:
            for way, value in means(done)[1].items():
                fits[way] = fits.get(way, 0) + (abs(answers[done - 1] - value) < 1e-6)
        way = max(fits, key=lambda each: fits[each])
        right = means(wrong[0])[0]
        reason = f"{len(wrong)} of {len(answers)} means are wrong"
        reason += f": {way}" if fits[way] > len(wrong) / 2 else (
            f", the first is {answers[wrong[0] - 1]:.2f} instead of {right:.2f}"
        )  # fmt: skip
    trial.expect(
        not wrong, "after each of 450 departures the mean of the 24 hours is right", reason
    )
    kept = trial.r.ts().info("raw")["retentionTime"]
    trial.expect(
        0 < kept <= 3 * HOUR,
        "raw keeps three hours",
        f"raw keeps samples {f'for {kept / HOUR:.0f} hours' if kept else 'for ever'}, longer than "
        "three hours",
    )
    keys = len(trial.keyspace())
    trial.expect(keys <= 6, "the rest is a few series", f"there are {keys} keys after 450 calls")
