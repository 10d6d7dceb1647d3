"""A log that keeps six hours: trimmed by time, with the write, a whole node at a time."""

NOTEBOOK = "09"
TITLE = "Six hours, and little more"
HINTS = (
    "A number of entries is no time: a busy morning has more of them than a night.",
    "`XADD` takes another bound than `MAXLEN`: the smallest ID that shall stay.",
    "IDs are milliseconds, and so is `at`. Six hours before it is `at - 6 * 3600 * 1000`.",
    "`r.xadd('log', {'flight': flight}, id=f'{at}-*', minid=…, approximate=True)`.",
)
WHY = (
    "Retention is agreed in hours, not in entries. `MINID` with the write keeps the promise at "
    "every moment; a nightly job keeps it at night. `~` may keep a node too many, never one too "
    "few."
)

HOURS = 6 * 3600 * 1000


def stub(r, at, flight):
    """Add a departure at this time, in ms, to the stream log, which keeps six hours before it."""


def solution(r, at, flight):
    r.xadd("log", {"flight": flight}, id=f"{at}-*", minid=at - 6 * 3600 * 1000, approximate=True)


def wrong_guess(r, at, flight):
    """less than six hours old"""
    r.xadd("log", {"flight": flight}, id=f"{at}-*", maxlen=250, approximate=True)


def wrong_generous_guess(r, at, flight):
    """more than six hours old"""
    r.xadd("log", {"flight": flight}, id=f"{at}-*", maxlen=1000, approximate=True)


def wrong_seconds(r, at, flight):
    """more than six hours old"""
    oldest = at // 1000 - 6 * 3600
    r.xadd("log", {"flight": flight}, id=f"{at}-*", minid=oldest, approximate=True)


def wrong_clock_of_today(r, at, flight):
    """less than six hours old"""
    import time

    oldest = int(time.time() * 1000) - 6 * 3600 * 1000
    r.xadd("log", {"flight": flight}, id=f"{at}-*", minid=oldest, approximate=False)


def wrong_one_a_minute(r, at, flight):
    """equal or smaller"""
    r.xadd("log", {"flight": flight}, id=at, minid=at - 6 * 3600 * 1000, approximate=True)


def wrong_time_to_live(r, at, flight):
    """the whole log"""
    r.pipeline().xadd("log", {"flight": flight}, id=f"{at}-*").expire("log", 6 * 3600).execute()


def wrong_later(r, at, flight):
    """took 2 trips"""
    r.xadd("log", {"flight": flight}, id=f"{at}-*")
    r.xtrim("log", minid=at - 6 * 3600 * 1000, approximate=True)


def check(trial):
    import redis_lab.data

    flights = redis_lab.data.flights(month=1)
    flights = flights[flights.day.isin([9, 10]) & flights.dep_time.notna()]
    seconds = flights.scheduled.dt.tz_localize("America/New_York").astype("int64")
    times = ((seconds + flights.dep_delay.astype("int64") * 60) * 1000).tolist()
    days = sorted(zip(times, flights.id.tolist(), strict=True))[:1150]  # 9 January, and a morning

    def log():
        if trial.r.type("log") != "stream":
            return []
        found = trial.r.xrange("log")
        return [(int(number.split("-")[0]), fields.get("flight")) for number, fields in found]

    client = trial.client()
    trial.call(client, *days[0])
    trial.call(client, days[0][0], "UA1")
    trial.require(
        log() == [days[0], (days[0][0], "UA1")],
        "two departures of one minute are in the stream log, with their time and flight",
        "two departures left, and the stream log is empty: nothing was written, or it was trimmed "
        "at once, though less than six hours old (the data's clock says 2013)"
        if not log()
        else f"two departures left at {days[0][0]}, and the stream log is {log()}",
    )
    trial.r.delete("log")
    gone, old = set(), 0
    for done, (at, flight) in enumerate(days, 1):
        trial.call(client, at, flight)
        if done % 60 == 0 or done == len(days):
            kept = log()
            young = {pair for pair in days[:done] if pair[0] > at - HOURS}
            gone |= young - set(kept)
            old = max(old, sum(pair[0] < at - HOURS for pair in kept))
    trial.expect(
        not gone,
        "through a day, a night and a morning no departure goes before its six hours are over",
        f"{len(gone)} departures went while they were less than six hours old",
    )
    trial.expect(
        old <= 100,
        "and at most 100 are kept longer",
        f"up to {old} departures were kept that were more than six hours old",
    )
    left = trial.r.pttl("log")
    trial.expect(
        left < 0,
        "the log itself does not expire",
        "it has a time to live: after six quiet hours the whole log is gone, and the IDs begin "
        "again",
    )
    trips = trial.trips_of(days[-1][0] + 60000, "UA2")
    trial.expect(trips == 1, "a departure is one trip", f"a departure took {trips} trips")
