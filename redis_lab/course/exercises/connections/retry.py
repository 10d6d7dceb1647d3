"""Book exactly once through a proxy that swallows replies: repeat, and let the server recognise."""

NOTEBOOK = "24"
TITLE = "Exactly once, over a bad line"
HINTS = (
    "After an error you don't know whether the booking was made. So ask again, in a way that does "
    "no harm if it was.",
    "Two commands can be torn apart, whatever their order: the look, the count and the mark belong "
    "into one script.",
    "The mark holds the answer: `GET` it first, and return it if it is there; else `INCR`, then "
    "`SET` the mark with the count and `EX` 172800.",
    "A broken connection is a `redis.ConnectionError`, a silent one a `redis.TimeoutError`: catch "
    "both, in a loop with an end.",
)
WHY = (
    "At least once plus a server that recognises repetitions is exactly once. Payment services "
    "call the mark an idempotency key, and ask the caller for it."
)


def stub(r, flight, booking):
    """Count this booking in booked:<flight>, once, however often it is sent or made again.

    The count after it; for a booking that was made before, the answer of that time.
    """


def solution(r, flight, booking):
    import redis

    source = """local told = redis.call('GET', KEYS[2])
    if told then return tonumber(told) end
    local count = redis.call('INCR', KEYS[1])
    redis.call('SET', KEYS[2], count, 'EX', 172800)
    return count"""
    for attempt in range(10):
        try:
            return r.eval(source, 2, f"booked:{flight}", f"done:{flight}:{booking}")
        except (redis.ConnectionError, redis.TimeoutError):
            if attempt == 9:
                raise


def wrong_default_retry(r, flight, booking):
    """counted again"""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    r.set_retry(Retry(NoBackoff(), 10))
    return r.incr(f"booked:{flight}")


def wrong_no_retry(r, flight, booking):
    """told that it failed"""
    return r.incr(f"booked:{flight}")


def wrong_marks_first(r, flight, booking):
    """never counted"""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    r.set_retry(Retry(NoBackoff(), 10))
    key = f"done:{flight}:{booking}"
    if r.set(key, 0, nx=True, ex=172800):
        r.set(key, r.incr(f"booked:{flight}"), ex=172800)
    return int(r.get(key))


def wrong_looks_first(r, flight, booking):
    """both counted"""
    import redis

    made = f"made:{flight}"
    while True:
        try:
            place = r.lpos(made, booking)
            if place is not None:
                return place + 1
            with r.pipeline() as pipe:
                pipe.rpush(made, booking).incr(f"booked:{flight}").expire(made, 172800).execute()
        except (redis.ConnectionError, redis.TimeoutError):
            continue


def wrong_mark_for_ever(r, flight, booking):
    """fill the memory"""
    import redis

    source = """local told = redis.call('GET', KEYS[2])
    if told then return tonumber(told) end
    local count = redis.call('INCR', KEYS[1])
    redis.call('SET', KEYS[2], count)
    return count"""
    while True:
        try:
            return r.eval(source, 2, f"booked:{flight}", f"done:{flight}:{booking}")
        except (redis.ConnectionError, redis.TimeoutError):
            continue


def wrong_mark_too_short(r, flight, booking):
    """is forgotten"""
    import redis

    source = """local told = redis.call('GET', KEYS[2])
    if told then return tonumber(told) end
    local count = redis.call('INCR', KEYS[1])
    redis.call('SET', KEYS[2], count, 'EX', 600)
    return count"""
    while True:
        try:
            return r.eval(source, 2, f"booked:{flight}", f"done:{flight}:{booking}")
        except (redis.ConnectionError, redis.TimeoutError):
            continue


def wrong_broken_not_silent(r, flight, booking):
    """stayed open and silent"""
    import redis

    source = """local told = redis.call('GET', KEYS[2])
    if told then return tonumber(told) end
    local count = redis.call('INCR', KEYS[1])
    redis.call('SET', KEYS[2], count, 'EX', 172800)
    return count"""
    while True:
        try:
            return r.eval(source, 2, f"booked:{flight}", f"done:{flight}:{booking}")
        except redis.ConnectionError:
            continue


def wrong_second_try_only(r, flight, booking):
    """two replies in a row"""
    import redis

    source = """local told = redis.call('GET', KEYS[2])
    if told then return tonumber(told) end
    local count = redis.call('INCR', KEYS[1])
    redis.call('SET', KEYS[2], count, 'EX', 172800)
    return count"""
    keys = (f"booked:{flight}", f"done:{flight}:{booking}")
    try:
        return r.eval(source, 2, *keys)
    except (redis.ConnectionError, redis.TimeoutError):
        return r.eval(source, 2, *keys)


def check(trial):
    from redis_lab.course.answers import Refused
    from redis_lab.lab import Proxy

    with Proxy(trial.lab.primary) as proxy:
        client = proxy.client(socket_timeout=0.5)
        client.close = lambda: None
        try:
            _book(trial, proxy, client, Refused)
        finally:
            client.connection_pool.disconnect()


def _book(trial, proxy, client, refused):
    counter = "booked:UA1545"

    def book(booking):
        try:
            return trial.call(client, "UA1545", booking)
        except refused as refusal:
            return str(refusal)

    def count():
        found = trial.r.get(counter) if trial.r.type(counter) in ("string", "none") else "no string"
        return int(found or 0) if (found or "0").isdigit() else found

    bookings = [f"BK{number:03}" for number in range(1, 41)]
    trial.require(
        book("BK000") == 1 and count() == 1,
        "on a good line the first booking is 1",
        f"a first booking, and {counter} holds {count()!r}; it should hold 1, and be the answer",
    )
    told, seen = [], [1]
    for number, booking in enumerate(bookings):
        proxy.swallow(every=1 + number % 3, cut=True)  # the first, second or third from here
        told.append(book(booking))
        seen.append(count())
        if told[-1] != len(seen) or seen[-1] != len(seen):
            break
    proxy.swallow(0)
    step = seen[-1] - seen[-2] if isinstance(seen[-1], int) else None
    what = {
        0: f"it was never counted, and the caller heard {told[-1]!r}",
        1: f"the caller heard {told[-1]!r}",
    }.get(step, "a second try counted again")
    if step == 1 and isinstance(told[-1], str):
        what = f"it was counted, and the caller was told that it failed: {told[-1]}"
    trial.require(
        len(told) == len(bookings) and told[-1] == seen[-1] == len(bookings) + 1,
        "one reply of each lost, and every booking is counted once and hears its number",
        f"one reply of each booking was lost. Booking number {len(seen)}: {what}; {counter} went "
        f"from {seen[-2]} to {seen[-1]}",
    )
    total = count()
    again = [book(booking) for booking in bookings[:6]]
    trial.expect(
        again == told[:6] and count() == total,
        "made again, it hears what it heard then",
        f"six bookings were made a second time; they had heard {told[:6]}, and now {again}; the "
        f"count went from {total} to {count()}",
    )
    for replies, cut, how in (
        (2, True, "two replies in a row were lost"),
        (1, False, "one reply was lost, and the connection stayed open and silent"),
    ):
        total = count()
        proxy.swallow(replies, cut=cut)
        heard = book(f"BK9{replies}")
        proxy.swallow(0)
        said = heard.split(", at line")[0] if isinstance(heard, str) else heard
        kind = ": that is no ConnectionError" if "TimeoutError" in str(said) else ""
        trial.expect(
            heard == total + 1 == count(),
            f"also when {how}",
            f"{how}; the count went from {total} to {count()}, and the caller heard {said!r}{kind}",
        )
    for after in (1, 2, 3):
        total, other = count(), []
        booking = f"BK8{after}"

        def rival(booking=booking, other=other):
            other.append(book(booking))

        try:
            heard = trial.run("UA1545", booking, between=rival, after=after)
        except refused as refusal:
            heard = str(refusal)
        if not other:
            break
        trial.require(
            heard == other[0] == total + 1 == count(),
            "sent twice at the same time, it is counted once",
            f"one booking was sent by two processes at the same time, and both counted: from "
            f"{total} to {count()}, with the answers {heard!r} and {other[0]!r}",
        )
    marks = {key: left for key, (_, left) in trial.keyspace().items() if key != counter}
    eternal = [key for key, left in marks.items() if left is None]
    trial.expect(
        not eternal,
        "the memory of a booking ends by itself",
        f"{len(eternal)} of {len(marks)} marks have no time to live, {', '.join(eternal[:1])} the "
        "first: they fill the memory",
    )
    short = [left for left in marks.values() if left is not None and left < 86_000]
    long = [left for left in marks.values() if left is not None and left > 4 * 86_400]
    trial.expect(
        not short and not long,
        "after a day or two",
        f"a booking is forgotten after {min(short or long or [0]):,.0f} s; a repetition may come "
        "tomorrow, and nobody repeats next week",
    )
