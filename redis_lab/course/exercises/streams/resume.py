"""Read a log to its end and go on after a crash: the place is saved with the effect, or neither."""

NOTEBOOK = "09"
TITLE = "Go on after a crash"
HINTS = (
    "The server does not know how far you have read: keep the ID of the last entry in a key.",
    "Counted, and died before the place was saved: counted twice. Saved, and died before it was "
    "counted: never. So both must happen, or neither.",
    "Read a hundred with `r.xread({'departures': place}, count=100)`. Then one `r.pipeline()`, "
    "which is a transaction: a `HINCRBY` for each of them, and the `SET` of the place.",
    "`while reply := r.xread(…)` ends when nothing is left. `reply['departures'][0]` are the "
    "entries, `[-1][0]` of those is the new place; the first one is '0'.",
)
WHY = (
    "Exactly once is no feature of a queue: it is an effect and a place that change together. "
    "Where the effect is in another database, keep the place there, in the same transaction."
)


def stub(r):
    """Add what is new in departures to the hash board: one for each flight, by its dest."""


def solution(r):
    place = r.get("board:place") or "0"
    while reply := r.xread({"departures": place}, count=100):
        entries = reply["departures"][0]
        place = entries[-1][0]
        with r.pipeline() as pipe:
            for _, fields in entries:
                pipe.hincrby("board", fields["dest"], 1)
            pipe.set("board:place", place).execute()


def _count(r, entries):
    with r.pipeline() as pipe:
        for _, fields in entries:
            pipe.hincrby("board", fields["dest"], 1)
        pipe.execute()


def wrong_place_last(r):
    """counted twice"""
    place = r.get("board:place") or "0"
    while reply := r.xread({"departures": place}, count=100):
        entries = reply["departures"][0]
        _count(r, entries)
        place = entries[-1][0]
        r.set("board:place", place)


def wrong_place_first(r):
    """never counted"""
    place = r.get("board:place") or "0"
    while reply := r.xread({"departures": place}, count=100):
        entries = reply["departures"][0]
        place = entries[-1][0]
        r.set("board:place", place)
        _count(r, entries)


def wrong_no_transaction(r):
    """counted twice"""
    place = r.get("board:place") or "0"
    while reply := r.xread({"departures": place}, count=100):
        entries = reply["departures"][0]
        place = entries[-1][0]
        with r.pipeline(transaction=False) as pipe:
            for _, fields in entries:
                pipe.hincrby("board", fields["dest"], 1)
            pipe.set("board:place", place).execute()


def wrong_from_now_on(r):
    """what was written before"""
    place = r.get("board:place") or "$"
    while reply := r.xread({"departures": place}, count=100, block=10):
        entries = reply["departures"][0]
        place = entries[-1][0]
        with r.pipeline() as pipe:
            for _, fields in entries:
                pipe.hincrby("board", fields["dest"], 1)
            pipe.set("board:place", place).execute()


def wrong_one_page(r):
    """it counted 100 of"""
    place = r.get("board:place") or "0"
    reply = r.xread({"departures": place}, count=100)
    if reply:
        entries = reply["departures"][0]
        with r.pipeline() as pipe:
            for _, fields in entries:
                pipe.hincrby("board", fields["dest"], 1)
            pipe.set("board:place", entries[-1][0]).execute()


def wrong_bound_included(r):
    """the last one it had read"""
    entries = r.xrange("departures", min=r.get("board:place") or "-")
    with r.pipeline() as pipe:
        for _, fields in entries:
            pipe.hincrby("board", fields["dest"], 1)
        pipe.set("board:place", entries[-1][0]).execute()


def wrong_milliseconds(r):
    """the same millisecond"""
    entries = r.xrange("departures", min=r.get("board:place") or "-")
    with r.pipeline() as pipe:
        for _, fields in entries:
            pipe.hincrby("board", fields["dest"], 1)
        if entries:
            pipe.set("board:place", int(entries[-1][0].split("-")[0]) + 1)
        pipe.execute()


def wrong_end_of_the_log(r):
    """while it was reading"""
    entries = r.xrange("departures", min=f"({r.get('board:place') or '0-0'}")
    end = r.xinfo_stream("departures")["last-generated-id"]
    with r.pipeline() as pipe:
        for _, fields in entries:
            pipe.hincrby("board", fields["dest"], 1)
        pipe.set("board:place", end).execute()


def wrong_counts_places(r):
    """the log was trimmed"""
    entries = r.xrange("departures")[int(r.get("board:read") or 0) :]
    with r.pipeline() as pipe:
        for _, fields in entries:
            pipe.hincrby("board", fields["dest"], 1)
        pipe.incrby("board:read", len(entries)).execute()


def wrong_takes_out(r):
    """other readers"""
    while entries := r.xrange("departures", count=100):
        with r.pipeline() as pipe:
            for number, fields in entries:
                pipe.hincrby("board", fields["dest"], 1)
                pipe.xdel("departures", number)
            pipe.execute()


def wrong_one_by_one(r):
    """trips for"""
    place = r.get("board:place") or "0"
    while reply := r.xread({"departures": place}, count=1):
        place, fields = reply["departures"][0][0]
        with r.pipeline() as pipe:
            pipe.hincrby("board", fields["dest"], 1).set("board:place", place).execute()


def after_failover(trial, write):
    """By how much the board is off when a promoted replica lacks the last twenty departures."""

    def counted():
        return sum(int(n) for n in trial.r.hvals("board") if n.isdigit())

    raw = trial.lab.client(decode_responses=False)
    saved = {key: raw.dump(key) for key in raw.scan_iter()}
    write(20)
    written = trial.r.xrevrange("departures", count=20)[::-1]
    trial.run()
    right = counted()
    for key in list(raw.scan_iter()):
        raw.delete(key)
    for key, value in saved.items():
        raw.restore(key, 0, value)
    for number, fields in written:
        trial.r.xadd("departures", fields, id=number)
    trial.run()
    raw.close()
    return counted() - right


def check(trial):
    from collections import Counter

    import redis_lab.data

    flights = redis_lab.data.flights(month=1, limit=6000)
    coming = iter(zip(flights.id.tolist(), flights.dest.tolist(), strict=True))
    written = Counter()
    clock = [1357034400000]

    def write(number, step=1000):
        """Add so many flights; every two share a millisecond."""
        with trial.r.pipeline() as pipe:
            for place in range(number):
                clock[0] += step * (place % 2 == 0)
                flight, dest = next(coming)
                written[dest] += 1
                fields = {"flight": flight, "dest": dest}
                pipe.xadd("departures", fields, id=f"{clock[0]}-*")
            pipe.execute()

    def off():
        """How many more, or fewer, are on the board than were written."""
        board = trial.r.hgetall("board") if trial.r.type("board") == "hash" else {}
        counted = {dest: int(board.get(dest, 0)) for dest in written}
        return sum(counted.values()) - written.total(), counted == dict(written)

    write(250)
    trial.run()
    more, right = off()
    fault = (
        f"it counted {250 + more} of 250"
        if more != -250
        else "the hash board is empty: what was written before it asked has to be read too"
    )
    trial.require(right, "250 departures are counted", fault)
    trial.run()
    more, right = off()
    trial.require(
        right,
        "a second call, with nothing new, counts nothing",
        f"nothing was new, and it counted {more} again: the last one it had read, or more"
        if more > 0
        else f"after a second call {-more} are missing",
    )
    trial.expect(
        trial.r.xlen("departures") == 250,
        "the log stays as it is",
        f"{250 - trial.r.xlen('departures')} entries are gone from the log: other readers need "
        "them too",
    )
    write(31)
    trial.run()
    write(1, step=0)  # in the millisecond of the last one that was read
    trial.run()
    more, right = off()
    trial.expect(
        right,
        "what comes in the same millisecond as the last one read is counted once",
        f"an entry came in the same millisecond as the last one read: "
        f"{'it was never counted' if more < 0 else 'something was counted again'}",
    )
    base = more
    for after in range(1, 7):
        write(20)
        trial.run(between=lambda: write(3), after=after)
        trial.run()
    more, right = off()
    trial.expect(
        more == base,
        "what comes while it reads is counted, now or by the next call",
        f"three departures were written while it was reading, six times, and {base - more} of them "
        "were never counted"
        if more < base
        else f"three departures were written while it was reading, and {more - base} were counted "
        "again",
    )
    lost, twice, base = 0, 0, more
    for torn in (False, True):
        for after in range(1, 9):
            write(150)
            died = trial.crash(after=after, torn=torn)
            trial.run()
            more, _ = off()
            lost, twice, base = lost + max(0, base - more), twice + max(0, more - base), more
            if not died:
                break
    trial.expect(
        twice == 0,
        "after a crash nothing is counted twice, wherever it died",
        f"after a crash {twice} departures were counted twice: they were on the board, and the "
        "place was not saved",
    )
    trial.expect(
        lost == 0,
        "nor is anything left out",
        f"after a crash {lost} departures were never counted: the place was saved before they were",
    )
    trial.expect(
        trial.r.type("departures") == "stream" and after_failover(trial, write) == 0,
        "and where a failover takes the server back, place and board go back together",
        "a failover took the server back by twenty departures, which were written again: they were "
        "not counted again. Is the place kept where the board is?",
    )
    base, _ = off()
    trial.r.xtrim("departures", maxlen=10, approximate=False)
    write(5)
    trial.run()
    more, _ = off()
    trial.expect(
        more == base,
        "and it goes on when old entries were trimmed",
        f"the log was trimmed to its last ten entries, five came in, and the board is off by "
        f"{abs(more - base)}",
    )
    write(400)
    trips = trial.trips_of()
    trial.expect(trips <= 40, "400 departures are few trips", f"it took {trips} trips for 400")
