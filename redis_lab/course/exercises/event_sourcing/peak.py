"""A new projection from old events, which goes on where it stopped."""

NOTEBOOK = "53"
TITLE = "How full was it?"
HINTS = (
    "Three things must survive the end of your process: the answer, how many are aboard now, and "
    "how far you have read.",
    "`all_events(after=…)` begins behind an event; None begins at the first.",
    "Compare after each event, not when all are read: a flight may be full in between.",
    "Read the three keys, fold in Python, then write all three in one `MULTI`: `hset`, `hset`, "
    "`set` on `r.pipeline()`.",
)
WHY = (
    "The present forgets how it came about; events don't. And a projection that keeps its position "
    "in the transaction of its effect counts each event once, whatever dies."
)


def stub(r):
    """Bring the hash `peak` up to date: by flight, the most passengers that it ever had at once.

    The events are those of EventStore(r, "seats"). Keys of your own begin with "peak:".
    """


def solution(r):
    from redis_lab.patterns import EventStore

    after, most = r.get("peak:after"), {k: int(v) for k, v in r.hgetall("peak").items()}
    now = {flight: int(count) for flight, count in r.hgetall("peak:now").items()}
    last = after
    for event in EventStore(r, "seats").all_events(after):
        flight, last = event.aggregate_id, event.id
        now[flight] = now.get(flight, 0) + {"booked": 1, "cancelled": -1}.get(event.type, 0)
        most[flight] = max(most.get(flight, 0), now[flight])
    if last != after:
        with r.pipeline() as pipe:
            pipe.hset("peak", mapping=most).hset("peak:now", mapping=now)
            pipe.set("peak:after", last).execute()


def wrong_as_it_is(r):
    """as they are now"""
    from redis_lab.patterns import EventStore

    after, most = r.get("peak:after"), {k: int(v) for k, v in r.hgetall("peak").items()}
    last = after
    for event in EventStore(r, "seats").all_events(after):
        flight, last = event.aggregate_id, event.id
        most[flight] = most.get(flight, 0) + {"booked": 1, "cancelled": -1}.get(event.type, 0)
    if last != after:
        with r.pipeline() as pipe:
            pipe.hset("peak", mapping=most).set("peak:after", last).execute()


def wrong_all_bookings(r):
    """all who ever booked"""
    from redis_lab.patterns import EventStore

    after, last = r.get("peak:after"), None
    with r.pipeline() as pipe:
        for event in EventStore(r, "seats").all_events(after):
            last = event.id
            if event.type == "booked":
                pipe.hincrby("peak", event.aggregate_id, 1)
        if last:
            pipe.set("peak:after", last).execute()


def wrong_from_the_first(r):
    """read all of them again"""
    from redis_lab.patterns import EventStore

    now, most = {}, {}
    for event in EventStore(r, "seats").all_events():
        flight = event.aggregate_id
        now[flight] = now.get(flight, 0) + {"booked": 1, "cancelled": -1}.get(event.type, 0)
        most[flight] = max(most.get(flight, 0), now[flight])
    if most:
        r.hset("peak", mapping=most)


def wrong_forgets_who_is_aboard(r):
    """began with empty flights"""
    from redis_lab.patterns import EventStore

    after, most = r.get("peak:after"), {k: int(v) for k, v in r.hgetall("peak").items()}
    now, last = {}, after
    for event in EventStore(r, "seats").all_events(after):
        flight, last = event.aggregate_id, event.id
        now[flight] = now.get(flight, 0) + {"booked": 1, "cancelled": -1}.get(event.type, 0)
        most[flight] = max(most.get(flight, 0), now[flight])
    if last != after:
        with r.pipeline() as pipe:
            pipe.hset("peak", mapping=most).set("peak:after", last).execute()


def wrong_position_last(r):
    """counted twice"""
    from redis_lab.patterns import EventStore

    after, most = r.get("peak:after"), {k: int(v) for k, v in r.hgetall("peak").items()}
    now = {flight: int(count) for flight, count in r.hgetall("peak:now").items()}
    last = after
    for event in EventStore(r, "seats").all_events(after):
        flight, last = event.aggregate_id, event.id
        now[flight] = now.get(flight, 0) + {"booked": 1, "cancelled": -1}.get(event.type, 0)
        most[flight] = max(most.get(flight, 0), now[flight])
    if last != after:
        r.hset("peak:now", mapping=now)
        r.hset("peak", mapping=most)
        r.set("peak:after", last)


def wrong_position_first(r):
    """were lost"""
    from redis_lab.patterns import EventStore

    after, most = r.get("peak:after"), {k: int(v) for k, v in r.hgetall("peak").items()}
    now = {flight: int(count) for flight, count in r.hgetall("peak:now").items()}
    last = after
    for event in EventStore(r, "seats").all_events(after):
        flight, last = event.aggregate_id, event.id
        now[flight] = now.get(flight, 0) + {"booked": 1, "cancelled": -1}.get(event.type, 0)
        most[flight] = max(most.get(flight, 0), now[flight])
    if last != after:
        r.set("peak:after", last)
        r.hset("peak:now", mapping=now)
        r.hset("peak", mapping=most)


def wrong_one_trip(r):
    """cut in two"""
    from redis_lab.patterns import EventStore

    after, most = r.get("peak:after"), {k: int(v) for k, v in r.hgetall("peak").items()}
    now = {flight: int(count) for flight, count in r.hgetall("peak:now").items()}
    last = after
    for event in EventStore(r, "seats").all_events(after):
        flight, last = event.aggregate_id, event.id
        now[flight] = now.get(flight, 0) + {"booked": 1, "cancelled": -1}.get(event.type, 0)
        most[flight] = max(most.get(flight, 0), now[flight])
    if last != after:
        pipe = r.pipeline(transaction=False)
        pipe.hset("peak", mapping=most).hset("peak:now", mapping=now)
        pipe.set("peak:after", last).execute()


def check(trial):
    from redis_lab.patterns import EventStore

    store = EventStore(trial.r, "seats")
    flights = ["EV5708-20130101-LGA", "EV4144-20130101-EWR", "9E3452-20130101-JFK"]
    numbers = iter(range(10_000))
    aboard, ever, booked = {}, {}, {}

    def happen(flight, *changes):
        """So many bookings, or as many cancellations where the number is negative, in turn."""
        for change in changes:
            for _ in range(abs(change)):
                people = aboard.setdefault(flight, [])
                if change > 0:
                    people.append(f"p{next(numbers)}")
                    booked[flight] = booked.get(flight, 0) + 1
                    store.append(flight, "booked", {"passenger": people[-1], "fare": 100})
                else:
                    store.append(flight, "cancelled", {"passenger": people.pop()})
                ever[flight] = max(ever.get(flight, 0), len(people))

    def seen():
        kind = trial.r.type("peak")
        found = (
            trial.r.hgetall("peak").items() if kind == "hash" else [("the type of the key", kind)]
        )
        return {k: int(v) if v.lstrip("-").isdigit() else v for k, v in found}

    def why(found):
        """What these numbers are, if they are not the highest."""
        if found == {flight: len(people) for flight, people in aboard.items()}:
            return ": these are the passengers as they are now"
        return ": these are all who ever booked" if found == booked else ""

    for flight in flights:
        store.append(flight, "opened", {"seats": 55}, 0)
    happen(flights[0], 12, -8, 4)
    happen(flights[1], 20, -2, 7, -1)
    happen(flights[2], 3)
    out = trial.r.info("stats")["total_net_output_bytes"]
    trial.run()
    first = trial.r.info("stats")["total_net_output_bytes"] - out
    found = seen()
    trial.require(
        found == ever,
        "each flight has the most that it ever had",
        f"peak is {found}, and should be {ever}{why(found)}",
    )
    happen(flights[0], 1)
    happen(flights[1], -3, 5)
    trial.run()
    found = seen()
    trial.require(
        found == ever,
        "a second call goes on",
        f"one booking of {flights[0]}, then three cancellations and five bookings of {flights[1]}: "
        f"peak is {found}, and should be {ever}"
        + (why(found) or ": as if it began with empty flights"),
    )
    happen(flights[2], 200, -200)
    trial.run()
    happen(flights[2], 1)
    out = trial.r.info("stats")["total_net_output_bytes"]
    trial.run()
    second = trial.r.info("stats")["total_net_output_bytes"] - out
    trial.expect(
        second < 8_000,
        "it reads only what has come since",
        f"one event was new, and the server sent {second:,} bytes, where {first:,} had been enough "
        "for the first 60 events: it read all of them again",
    )
    trial.expect(
        seen() == ever,
        "what it was is kept when it gets less",
        f"200 bookings and 200 cancellations of {flights[2]}: peak is {seen()}, should be {ever}",
    )
    for after in range(1, 12):
        happen(flights[0], 3)
        happen(flights[1], 2, -1)
        died = trial.crash(after=after)
        trial.run()
        found = seen()
        lost = any(int(found.get(flight, 0)) < most for flight, most in ever.items())
        what = "what came before it were lost" if lost else "the same events were counted twice"
        if not trial.expect(
            found == ever,
            "wherever it dies, the next call puts all right",
            f"it died after trip {after} and was called again: peak is {found}, and should be "
            f"{ever}: {what}",
        ):
            break
        if not died:
            break
    happen(flights[0], 3)
    with trial.cost() as cost:
        trial.run()
    writes = sum(
        calls
        for name, calls in cost.commands.items()
        if name in ("set", "hset", "hmset", "mset", "hincrby", "incrby", "incr", "zadd", "xadd")
    )
    trial.expect(
        cost.indivisible or writes <= 1,
        "what belongs together is written in one step",
        f"{writes} writes and no transaction: a death while they are sent leaves them cut in two",
    )
