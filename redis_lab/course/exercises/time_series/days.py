"""Days of a place from buckets of UTC: hours from the server, days from the calendar."""

NOTEBOOK = "12"
TITLE = "Days as New York counts them"
MODULES = ("timeseries",)
HINTS = (
    "A bucket of 24 hours is no day where clocks change. What divides every day of New York "
    "without a rest?",
    "Ask for hours: `aggregation_type='count', bucket_size_msec=3_600_000`. A year is 8,760 "
    "numbers at most.",
    "`pd.to_datetime(…, unit='ms', utc=True).tz_convert('America/New_York')` knows when clocks "
    "change; `.date` is the day. Group by it and add up.",
    "`empty=True` gives the hours without a departure, so that quiet days appear, with 0.",
)
WHY = (
    "The server counts in UTC and knows no calendar. Hours are small enough to pull and fit into "
    "days, weeks and months of nearly every zone, so that one series serves all of them."
)


def stub(r):
    """Departures in flown by day of New York: a dict of counts by date, without a gap."""


def solution(r):
    import pandas as pd

    hour = {"aggregation_type": "count", "bucket_size_msec": 3_600_000, "empty": True}
    counts = pd.Series(dict(r.ts().range("flown", "-", "+", **hour)))
    local = pd.to_datetime(counts.index, unit="ms", utc=True).tz_convert("America/New_York")
    return counts.groupby(local.date).sum().astype(int).to_dict()


def _buckets(r, align):
    import pandas as pd

    day = {"aggregation_type": "count", "bucket_size_msec": 86_400_000, "empty": True}
    found = r.ts().range("flown", "-", "+", align=align, **day)
    return {pd.Timestamp(at - align, unit="ms").date(): int(count) for at, count in found}


def wrong_utc(r):
    """days of UTC"""
    return _buckets(r, 0)


def wrong_winter(r):
    """while summer time"""
    return _buckets(r, 5 * 3_600_000)


def wrong_summer(r):
    """winter"""
    return _buckets(r, 4 * 3_600_000)


def wrong_quiet_days(r):
    """are not in it"""
    import pandas as pd

    hour = {"aggregation_type": "count", "bucket_size_msec": 3_600_000}
    counts = pd.Series(dict(r.ts().range("flown", "-", "+", **hour)))
    local = pd.to_datetime(counts.index, unit="ms", utc=True).tz_convert("America/New_York")
    return counts.groupby(local.date).sum().astype(int).to_dict()


def wrong_pulls_all(r):
    """KB of replies"""
    import pandas as pd

    times = [at for at, _ in r.ts().range("flown", "-", "+")]
    local = pd.to_datetime(pd.Series(times), unit="ms", utc=True).dt.tz_convert("America/New_York")
    days = pd.date_range(local.dt.date.min(), local.dt.date.max()).date
    return local.dt.date.value_counts().reindex(days, fill_value=0).to_dict()


def check(trial):
    from datetime import date

    import pandas as pd

    import redis_lab.data
    from redis_lab.course.answers import in_words

    parts = [redis_lab.data.flights(month=month) for month in (3, 11)]
    flights = pd.concat(parts).dropna(subset="dep_time")
    flights = flights[(flights.month == 3) | (flights.day <= 6)]
    seconds = flights.scheduled.dt.tz_localize("America/New_York").astype("int64")
    flights = flights.assign(left=(seconds + flights.dep_delay.astype("int64") * 60) * 1000)
    flights = flights.sort_values("left", kind="stable")
    flights["at"] = flights.left + flights.groupby("left").cumcount()
    local = pd.to_datetime(flights.left, unit="ms", utc=True).dt.tz_convert("America/New_York")
    quiet = date(2013, 3, 17)
    flights, local = flights[local.dt.date != quiet], local[local.dt.date != quiet]
    counted = local.dt.date.value_counts()
    every = pd.date_range(min(counted.index), max(counted.index)).date
    truth = counted.reindex(every, fill_value=0).to_dict()
    trial.r.ts().create("flown")
    samples = list(zip(flights["at"].tolist(), flights.dep_delay.tolist(), strict=True))
    for start in range(0, len(samples), 1000):
        trial.r.ts().madd([("flown", *each) for each in samples[start : start + 1000]])

    sent = trial.r.info("stats")["total_net_output_bytes"]
    answer = trial.run()
    sent = (trial.r.info("stats")["total_net_output_bytes"] - sent) / 1024
    trial.require(
        isinstance(answer, dict) and bool(answer) and all(type(day) is date for day in answer),
        "it gives a dict by datetime.date",
        f"it gave {in_words(answer)}, not a dict by datetime.date",
    )
    gone = sorted(set(truth) - set(answer))
    trial.expect(
        not gone,
        "every day from the first to the last is in it, quiet ones too",
        f"{len(gone)} days are not in it, the first of them {gone[0] if gone else ''}: 0 is a "
        "count too",
    )
    more = sorted(set(answer) - set(truth))
    off = [day for day in truth if truth[day] != answer.get(day, 0)]
    summer = [day for day in off if date(2013, 3, 10) <= day <= date(2013, 11, 3)]
    if len(off) > 25:
        reason = f"{len(off)} of {len(truth)} days are wrong: are they days of UTC?"
    elif len(summer) > len(off) / 2:
        reason = f"{len(off)} days are wrong, {len(summer)} of them while summer time is in force"
    else:
        reason = f"{len(off)} days are wrong, most of them in winter"
    trial.expect(not more and not off, "each has its departures, and no other's", reason)
    trial.expect(
        sent < 500,
        "the answers of the server are small",
        f"it pulled {sent:,.0f} KB of replies: let the server count",
    )
