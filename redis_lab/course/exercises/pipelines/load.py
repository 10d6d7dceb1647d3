"""Load a feed in chunks: few trips, few flights held, none left without an end."""

NOTEBOOK = "20"
TITLE = "100,000 flights, 400 trips"
HINTS = (
    "`itertools.islice(flights, 500)` takes the next 500 from a feed, or what is left of it.",
    "A pipeline for each chunk; the chunk after the last one is empty, and ends the loop.",
    "`pipe.hset(key, mapping=fields)` and `pipe.expire(key, 86400)` go into the same pipeline.",
    "`while chunk := list(islice(feed, 500)):`, with `feed = iter(flights)` before it.",
)
WHY = (
    "Every import, export and backfill is this loop. The size of the chunk bounds what a crash "
    "repeats, what both ends hold, and how long anybody waits; it hardly changes the speed. (A "
    "process can die within a trip, too, after HSET and before EXPIRE: MULTI around each chunk "
    "closes that gap.)"
)


def stub(r, flights):
    """Store each (id, fields) of a feed as the hash flight:<id>, for a day; how many they were."""


def solution(r, flights):
    from itertools import islice

    feed, stored = iter(flights), 0
    while chunk := list(islice(feed, 500)):
        with r.pipeline(transaction=False) as pipe:
            for flight, fields in chunk:
                pipe.hset(f"flight:{flight}", mapping=fields).expire(f"flight:{flight}", 86400)
            pipe.execute()
        stored += len(chunk)
    return stored


def wrong_one_by_one(r, flights):
    """which is above the budget"""
    stored = 0
    for flight, fields in flights:
        r.hset(f"flight:{flight}", mapping=fields)
        r.expire(f"flight:{flight}", 86400)
        stored += 1
    return stored


def wrong_a_small_pipeline_each(r, flights):
    """which is above the budget"""
    stored = 0
    for flight, fields in flights:
        with r.pipeline() as pipe:
            pipe.hset(f"flight:{flight}", mapping=fields).expire(f"flight:{flight}", 86400)
            pipe.execute()
        stored += 1
    return stored


def wrong_one_pipeline(r, flights):
    """were on their way at once"""
    with r.pipeline(transaction=False) as pipe:
        for flight, fields in flights:
            pipe.hset(f"flight:{flight}", mapping=fields).expire(f"flight:{flight}", 86400)
        return len(pipe.execute()) // 2


def wrong_takes_the_whole_feed(r, flights):
    """were on their way at once"""
    flights = list(flights)
    for start in range(0, len(flights), 500):
        with r.pipeline(transaction=False) as pipe:
            for flight, fields in flights[start : start + 500]:
                pipe.hset(f"flight:{flight}", mapping=fields).expire(f"flight:{flight}", 86400)
            pipe.execute()
    return len(flights)


def wrong_forgets_the_rest(r, flights):
    """the last of the feed"""
    pipe, stored = r.pipeline(transaction=False), 0
    for flight, fields in flights:
        pipe.hset(f"flight:{flight}", mapping=fields).expire(f"flight:{flight}", 86400)
        stored += 1
        if stored % 500 == 0:
            pipe.execute()
    return stored


def wrong_no_end(r, flights):
    """live for ever"""
    pipe, stored = r.pipeline(transaction=False), 0
    for flight, fields in flights:
        pipe.hset(f"flight:{flight}", mapping=fields)
        stored += 1
        if stored % 500 == 0:
            pipe.execute()
    pipe.execute()
    return stored


def wrong_end_comes_later(r, flights):
    """a process that dies there"""
    from itertools import islice

    feed, stored = iter(flights), 0
    while chunk := list(islice(feed, 1000)):
        pipe = r.pipeline(transaction=False)
        for flight, fields in chunk:
            pipe.hset(f"flight:{flight}", mapping=fields)
        pipe.execute()
        for flight, _ in chunk:
            pipe.expire(f"flight:{flight}", 86400)
        pipe.execute()
        stored += len(chunk)
    return stored


def check(trial):
    import redis_lab.data
    from redis_lab.course.trial import Gaps

    size, budget, most = 5_010, 21, 1000
    columns = ["carrier", "origin", "dest", "distance"]
    flights = redis_lab.data.flights(limit=size)
    pairs = list(zip(flights.id.tolist(), flights[columns].to_dict("records"), strict=True))
    held = []

    def feed():
        for taken, pair in enumerate(pairs):
            if taken % 250 == 0 or taken == size - 1:
                held.append(taken - trial.r.dbsize())
            yield pair
        held.append(size - trial.r.dbsize())

    def told(name):
        return int(trial.r.info("stats")[name])

    def empty():
        for start in range(0, size, 1000):
            trial.r.unlink(*(f"flight:{flight}" for flight, _ in pairs[start : start + 1000]))

    gaps = Gaps()
    client = trial.client(gaps)
    before = told("total_net_input_bytes")
    trial.seconds = 20
    with trial.cost() as cost:
        answer = trial.call(client, feed())
    # A trip of many kilobytes is read in several pieces; a client of the answer's own shows here.
    pieces = (told("total_net_input_bytes") - before) / 2000 + len(held)
    stored = trial.r.dbsize()
    trial.require(stored > 0, "flights reach the server", "there is no key on the server")
    last = trial.r.exists(*(f"flight:{flight}" for flight, _ in pairs[-10:]))
    trial.expect(
        stored == size and last == 10,
        "every flight of the feed has its key",
        f"{size:,} flights were in the feed, and {stored:,} keys are on the server"
        + (": the last of the feed, less than a chunk, were not sent" if last < 10 else ""),
    )
    trips = gaps.trips if cost.trips <= gaps.trips + pieces else cost.trips
    trial.expect(
        trips <= budget,
        f"{size:,} flights in {budget} trips or fewer",
        f"{size:,} flights took {trips:,} round trips, which is above the budget of {budget}",
    )
    trial.expect(
        max(held) <= most,
        f"never more than {most:,} flights on their way",
        f"{max(held):,} flights were on their way at once: taken from the feed, and not on the "
        "server. A process that dies loses them, and a larger feed fills its memory",
    )
    wanted = {name: str(value) for name, value in pairs[517][1].items()}
    sample = f"flight:{pairs[517][0]}"
    kind = trial.r.type(sample)
    found = trial.r.hgetall(sample) if kind == "hash" else kind
    trial.expect(
        found == wanted,
        "each is a hash with the flight's fields",
        f"{sample} is {found}, not a hash of {wanted}",
    )
    ends = [left for _, left in trial.keyspace().values()]
    trial.require(
        None not in ends,
        "every one has a time to live",
        f"{ends.count(None):,} keys live for ever",
    )
    trial.expect(
        all(86400 - 300 < left <= 86400 for left in ends),
        "of a day",
        f"keys live for {min(ends):,.0f} to {max(ends):,.0f} seconds, not 86,400",
    )
    trial.expect(
        answer == size, f"it answers how many: {size:,}", f"it answered {answer!r}, not {size:,}"
    )
    immortal = []
    for after in (1, 2, 3):
        empty()
        trial.crash(iter(pairs[:2500]), after=after)
        immortal.append([left for _, left in trial.keyspace().values()].count(None))
    trial.expect(
        not any(immortal),
        "a crash leaves none without an end",
        f"between two trips {max(immortal):,} keys have no time to live: a process that dies "
        "there leaves them for ever",
    )
    empty()
    nothing = trial.run(iter([]))
    trial.expect(
        nothing == 0 and trial.r.dbsize() == 0,
        "an empty feed is no flights",
        f"for an empty feed it answered {nothing!r}",
    )
