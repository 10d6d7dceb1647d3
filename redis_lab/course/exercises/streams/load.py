"""Load a log so that it may be done again: IDs that come from the data refuse what is there."""

NOTEBOOK = "09"
TITLE = "Load it twice"
HINTS = (
    "An ID that the server makes is new each time. One that follows from the data is the same "
    "each time, and the log refuses it.",
    "Several flights leave in the same minute. Which part of the ID tells them apart, and does "
    "`-*` give the same number the second time?",
    "`f'{at}-{number}'`: `number` is 0 for the first of this time in the list, then 1, 2, …",
    "Send all in one `r.pipeline(transaction=False)`; `execute(raise_on_error=False)` hands errors "
    "over as replies. 'equal or smaller' says that an entry is there; raise whatever else it is.",
)
WHY = (
    "A loader dies half-way, or two of them are started: with IDs that follow from the data, run "
    "it again and never ask how far it came. The price: one source a stream, and in order."
)


def stub(r, departures):
    """Write these (milliseconds, flight) pairs, in order of time, to log: each once, ever."""


def solution(r, departures):
    from redis.exceptions import ResponseError

    last, number = None, 0
    with r.pipeline(transaction=False) as pipe:
        for at, flight in departures:
            number = number + 1 if at == last else 0
            last = at
            pipe.xadd("log", {"flight": flight}, id=f"{at}-{number}")
        replies = pipe.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, ResponseError) and "equal or smaller" not in str(reply):
            raise reply


def wrong_own_clock(r, departures):
    """not the time of the flight"""
    with r.pipeline(transaction=False) as pipe:
        for _, flight in departures:
            pipe.xadd("log", {"flight": flight})
        pipe.execute()


def wrong_server_counts(r, departures):
    """a second run added"""
    with r.pipeline(transaction=False) as pipe:
        for at, flight in departures:
            pipe.xadd("log", {"flight": flight}, id=f"{at}-*")
        pipe.execute(raise_on_error=False)


def wrong_one_a_minute(r, departures):
    """of the same millisecond"""
    with r.pipeline(transaction=False) as pipe:
        for at, flight in departures:
            pipe.xadd("log", {"flight": flight}, id=at)
        pipe.execute(raise_on_error=False)


def wrong_raises(r, departures):
    """equal or smaller"""
    numbers = {}
    with r.pipeline(transaction=False) as pipe:
        for at, flight in departures:
            numbers[at] = numbers.get(at, -1) + 1
            pipe.xadd("log", {"flight": flight}, id=f"{at}-{numbers[at]}")
        pipe.execute()


def wrong_is_there_already(r, departures):
    """was never completed"""
    if r.exists("log"):
        return
    wrong_server_counts(r, departures)


def wrong_begins_anew(r, departures):
    """came back"""
    numbers = {}
    with r.pipeline() as pipe:
        pipe.delete("log")
        for at, flight in departures:
            numbers[at] = numbers.get(at, -1) + 1
            pipe.xadd("log", {"flight": flight}, id=f"{at}-{numbers[at]}")
        pipe.execute()


def wrong_asks_how_many(r, departures):
    """another loader"""
    done = r.xlen("log")
    wrong_server_counts(r, departures[done:])


def wrong_swallows_all(r, departures):
    """said nothing"""
    numbers = {}
    with r.pipeline(transaction=False) as pipe:
        for at, flight in departures:
            numbers[at] = numbers.get(at, -1) + 1
            pipe.xadd("log", {"flight": flight}, id=f"{at}-{numbers[at]}")
        pipe.execute(raise_on_error=False)


def wrong_one_by_one(r, departures):
    """trips for"""
    from redis.exceptions import ResponseError

    numbers = {}
    for at, flight in departures:
        numbers[at] = numbers.get(at, -1) + 1
        try:
            r.xadd("log", {"flight": flight}, id=f"{at}-{numbers[at]}")
        except ResponseError as error:
            if "equal or smaller" not in str(error):
                raise


def check(trial):
    import redis_lab.data
    from redis_lab.course.answers import Refused

    flights = redis_lab.data.flights(month=1)
    flights = flights[(flights.day == 9) & flights.dep_time.notna()]
    seconds = flights.scheduled.dt.tz_localize("America/New_York").astype("int64")
    times = ((seconds + flights.dep_delay.astype("int64") * 60) * 1000).tolist()
    day = sorted(zip(times, flights.id.tolist(), strict=True), key=lambda pair: pair[0])[:600]
    while day[-1][0] != day[-2][0]:  # the last two leave in the same minute
        day.pop()

    def log():
        if trial.r.type("log") != "stream":
            return []
        return [(int(at.split("-")[0]), fields.get("flight")) for at, fields in entries()]

    def entries():
        return trial.r.xrange("log")

    def begin_anew():
        for key in trial.keyspace():
            trial.r.delete(key)

    trial.run(day[:40])
    trial.require(bool(log()), "a first load fills the stream log", "there is no stream called log")
    flights_of = [flight for _, flight in log()]
    trial.require(
        set(flights_of) >= {flight for _, flight in day[:40]},
        "every flight of it is there",
        f"{40 - len(set(flights_of))} of 40 flights are missing, second or third ones of the same "
        "millisecond",
    )
    trial.require(
        sorted(log()) == sorted(day[:40]),
        "an ID begins with the time of its flight",
        "an ID of the log is not the time of the flight: `*` takes the server's clock",
    )
    trial.expect(log() == day[:40], "they are in order", "they are not in the order of the list")
    trial.run(day[:40])
    trial.expect(
        log() == day[:40],
        "loading them again changes nothing",
        f"a second run added {len(log()) - 40} entries: the same flight twice",
    )
    trial.run(day)
    trial.require(
        set(log()) == set(day),
        "a longer list is completed",
        f"a load that had stopped after 40 flights was never completed: {len(log())} of {len(day)} "
        "are there",
    )
    if len(log()) == len(day):
        trial.expect(log() == day, "in order", "they are not in the order of the list")
    trial.r.xtrim("log", maxlen=100, approximate=False)
    kept = log()
    trial.run(day)
    trial.expect(
        log()[:1] == kept[:1],
        "what was trimmed stays away",
        f"the log was trimmed to 100 entries, and {len(log()) - 100} came back",
    )
    begin_anew()
    try:
        for after in (1, 2):
            trial.run(day, between=lambda: trial.run(day), after=after)
        ours = trial.r.xlen("log")
        trial.together([(day,)] * 3)
    except Refused as refused:
        raise Refused(f"with another loader at work {refused}") from None
    trial.expect(
        len(log()) == len(set(log())) == ours == len(day),
        "two loaders at once write each flight once",
        f"with another loader at work the log has {len(log())} entries of {len(day)} flights",
    )
    begin_anew()
    trial.r.rpush("log", "a list")
    try:
        trial.run(day[:3])
        trial.expect(False, "another error is raised", "log was no stream, and it said nothing")
    except Refused as refused:
        trial.expect("WRONGTYPE" in str(refused), "another error is raised", str(refused))
    begin_anew()
    trips = trial.trips_of(day)
    trial.expect(trips <= 20, "a day is few trips", f"it took {trips} trips for {len(day)} flights")
