"""Read a great many keys in chunks, and never hold, or let the server hold, more than one."""

NOTEBOOK = "20"
TITLE = "Read as far as you need"
HINTS = (
    "A function with `yield` in it runs only as far as somebody asks.",
    "`itertools.islice(keys, 500)` takes the next 500, from an iterator made once with `iter`.",
    "`r.mget(chunk)` is a trip for the whole chunk; `zip(chunk, values)` pairs them again.",
    "`while chunk := list(islice(keys, 500)): yield from zip(chunk, r.mget(chunk))`",
)
WHY = (
    "A report that reads everything before it looks at the first row needs memory for everything, "
    "at both ends. Chunk by chunk it starts at once, stops when it likes, and lets others in."
)


def stub(r, keys):
    """Yield (key, value) for each of these keys, in order; keys can be any iterable."""


def solution(r, keys):
    from itertools import islice

    keys = iter(keys)
    while chunk := list(islice(keys, 500)):
        yield from zip(chunk, r.mget(chunk), strict=True)


def wrong_all_at_once(r, keys):
    """before the report had taken"""
    keys = list(keys)
    return zip(keys, r.mget(keys), strict=True)


def wrong_chunks_into_a_list(r, keys):
    """before the report had taken"""
    keys, found = list(keys), []
    for start in range(0, len(keys), 500):
        chunk = keys[start : start + 500]
        found += zip(chunk, r.mget(chunk), strict=True)
    return found


def wrong_one_by_one(r, keys):
    """a trip for each key"""
    for key in keys:
        yield key, r.get(key)


def wrong_skips_the_missing(r, keys):
    """is not there"""
    from itertools import islice

    keys = iter(keys)
    while chunk := list(islice(keys, 500)):
        for key, value in zip(chunk, r.mget(chunk), strict=True):
            if value:
                yield key, value


def wrong_drops_the_rest(r, keys):
    """the last of the keys"""
    chunk = []
    for key in keys:
        chunk.append(key)
        if len(chunk) == 500:
            yield from zip(chunk, r.mget(chunk), strict=True)
            chunk = []


def wrong_reads_replies_one_by_one(r, keys):
    """before the report had taken"""
    keys = list(keys)
    wire = r.connection_pool.get_connection()
    try:
        wire.send_packed_command(wire.pack_commands([("GET", key) for key in keys]))
        for key in keys:
            yield key, wire.read_response()
    finally:
        wire.disconnect()
        r.connection_pool.release(wire)


def wrong_keeps_its_connection(r, keys):
    """a connection in use"""
    from itertools import islice

    keys, wire = iter(keys), r.connection_pool.get_connection()
    while chunk := list(islice(keys, 500)):
        wire.send_command("MGET", *chunk)
        yield from zip(chunk, wire.read_response(), strict=True)
    r.connection_pool.release(wire)


def check(trial):
    import redis_lab.data
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    flights = redis_lab.data.flights(limit=6_030)
    dests = dict(zip("dest:" + flights.id, flights.dest, strict=True))
    trial.r.mset(dests)
    gone = list(dests)[7::100]
    trial.r.unlink(*gone)
    dests |= dict.fromkeys(gone)
    trial.r.set(next(iter(dests)), "")
    dests[next(iter(dests))] = ""

    def looked_up():
        stats = trial.r.info("stats")
        return int(stats["keyspace_hits"]) + int(stats["keyspace_misses"])

    def started(client, keys):
        answer = trial.call(client, keys)
        if not hasattr(answer, "__iter__"):
            raise Refused(f"it answered {answer!r:.60}, nothing that (key, value) come out of")
        return trial.ask(iter, answer)

    def in_use(client):
        return len(client.connection_pool._get_in_use_connections())

    def all_of(rows, ahead):
        """What comes out, and how far the server was ahead of it."""
        found = []
        for row in rows:
            if len(found) % 90 == 0:
                ahead.append(looked_up() - before - len(found))
            found.append(row)
        return found

    gaps = Gaps()
    client, ahead, before = trial.client(gaps), [], looked_up()
    with trial.cost() as cost:
        rows = started(client, (key for key in dests))
        found = trial.ask(all_of, rows, ahead)
    try:
        pairs = [(key, value) for key, value in found]
    except (TypeError, ValueError):
        raise Refused(f"{found[0]!r:.60} came out of it, no (key, value)") from None
    short = len(dests) - len(pairs)
    trial.expect(
        dict(pairs[-20:]) == dict(list(dests.items())[-20:]) or short == 0,
        "the last keys are among them",
        f"the last of the keys are missing: {len(pairs):,} came out for {len(dests):,} keys",
    )
    known = dict(pairs)
    trial.expect(
        all(key in known and known[key] is None for key in gone),
        "a key that is not there gives None",
        f"{gone[0]} is not there, and "
        + ("it gave a value" if gone[0] in known else "was left out"),
    )
    trial.expect(
        pairs == list(dests.items()) or short > 0,
        "keys and values, in the order of the keys",
        "the pairs are not those of the keys, or not in their order",
    )
    asked_for = looked_up() - before
    pieces = asked_for * 40 / 2000 + len(ahead)
    trips = gaps.trips if cost.trips <= gaps.trips + pieces + 5 else cost.trips
    trial.expect(
        0 < trips <= len(dests) // 100 + 1,
        "a trip brings 100 keys or more",
        f"{len(dests):,} keys took {trips:,} trips"
        + (": a trip for each key" if trips >= len(dests) // 2 else ""),
    )
    first = looked_up()
    rows = started(client, iter(dests))
    trial.ask(next, rows)
    first = looked_up() - first
    trial.expect(
        max(first, *ahead) <= 1001,
        "never more than 1,000 ahead of the report",
        f"the server had answered {max(first, *ahead):,} keys before the report had taken "
        "their first: all those answers lie somewhere, with you or in its output buffer",
    )
    for _ in range(20):
        trial.ask(next, rows)
    busy = in_use(client)
    if hasattr(rows, "close"):
        rows.close()
    trial.expect(
        not busy and not in_use(client),
        "a report that pauses or stops holds no connection",
        "while the report looks at a row, or after it has stopped, it keeps a connection in use: "
        "a hundred such reports, and the pool is empty",
    )
    nothing = trial.ask(list, started(client, []))
    trial.expect(nothing == [], "no keys, no rows", f"for no keys it gave {nothing!r:.60}")
