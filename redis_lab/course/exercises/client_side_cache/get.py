"""Close the race: a read is announced, and kept only if no message has come meanwhile."""

NOTEBOOK = "35"
TITLE = "The message that comes too early"
HINTS = (
    "Say in `expected` that you are about to read, before you read.",
    "After `fetch`, look whether your announcement is still there; if not, somebody was told that "
    "the key changed, and what you have may be old.",
    "Another reader may have announced himself since. So an announcement must be yours: a new "
    "`object()`, compared with `is`.",
    "Two blocks of `with lock`, and `fetch` between them.",
)
WHY = (
    "A message that finds nothing to drop is not without meaning: it is for the read that is under "
    "way. The same announcement is what a lease is in a shared cache, and what WATCH is in a "
    "transaction."
)


def stub(kept, expected, lock, key, fetch):
    """The value of key: from kept, or what fetch(key) gives, kept unless it was overtaken."""


def solution(kept, expected, lock, key, fetch):
    mine = object()
    with lock:
        if key in kept:
            return kept[key]
        expected[key] = mine
    value = fetch(key)
    with lock:
        if expected.get(key) is mine:
            del expected[key]
            kept[key] = value
    return value


def wrong_keeps_always(kept, expected, lock, key, fetch):
    """was overtaken"""
    with lock:
        if key in kept:
            return kept[key]
    value = fetch(key)
    with lock:
        kept[key] = value
    return value


def wrong_announces_late(kept, expected, lock, key, fetch):
    """was overtaken"""
    with lock:
        if key in kept:
            return kept[key]
    value = fetch(key)
    with lock:
        expected[key] = mine = object()
    with lock:
        if expected.get(key) is mine:
            kept[key] = value
    return value


def wrong_flag(kept, expected, lock, key, fetch):
    """announcement of another reader"""
    with lock:
        if key in kept:
            return kept[key]
        expected[key] = True
    value = fetch(key)
    with lock:
        if expected.pop(key, None):
            kept[key] = value
    return value


def wrong_under_the_lock(kept, expected, lock, key, fetch):
    """waits for Redis"""
    with lock:
        if key not in kept:
            kept[key] = fetch(key)
        return kept[key]


def wrong_without_lock(kept, expected, lock, key, fetch):
    """without the lock"""
    mine = object()
    with lock:
        if key in kept:
            return kept[key]
        expected[key] = mine
    value = fetch(key)
    if expected.get(key) is mine:
        kept[key] = value
    return value


def wrong_none_is_nothing(kept, expected, lock, key, fetch):
    """asked again for None"""
    mine = object()
    with lock:
        if kept.get(key) is not None:
            return kept[key]
        expected[key] = mine
    value = fetch(key)
    with lock:
        if expected.get(key) is mine:
            del expected[key]
            kept[key] = value
    return value


def check(trial):
    import contextlib
    import threading

    from redis_lab.course.answers import Refused

    lock, bare = threading.Lock(), []

    class Watched(dict):
        """A dictionary that notes who touches it without the lock."""

    def watched(name):
        real = getattr(dict, name)

        def method(self, *args):
            if not lock.locked():
                bare.append(name)
            return real(self, *args)

        return method

    for name in ("__contains__", "__getitem__", "__setitem__", "__delitem__", "get", "pop",
                 "setdefault", "update"):  # fmt: skip
        setattr(Watched, name, watched(name))
    kept, expected, held = Watched(), Watched(), []

    def changed(key):
        """What the thread that listens does."""
        if not lock.acquire(timeout=0.2):
            held.append(key)
            return
        try:
            dict.pop(kept, key, None)
            dict.pop(expected, key, None)
        finally:
            lock.release()

    def local(key):
        return dict.get(kept, key, "nothing")

    fetched = []

    def reads(key):
        fetched.append(key)
        if lock.locked():
            held.append(key)
        return trial.r.get(key)

    def ask(key, fetch=reads):
        return trial.call(kept, expected, lock, key, fetch)

    trial.r.set("gate:UA1545", "C120")
    first = ask("gate:UA1545")
    trial.require(
        first == "C120", "it gives what Redis has", f"Redis has 'C120', and it gave {first!r:.80}"
    )
    trial.expect(
        not held,
        "the lock is free while Redis is asked",
        "it holds the lock while it waits for Redis: all other readers wait, and so do messages",
    )
    second = ask("gate:UA1545")
    trial.require(
        second == "C120" and len(fetched) == 1,
        "the second time it comes from here",
        f"the second time it gave {second!r:.80}, and fetch was called {len(fetched)} times in all",
    )
    changed("gate:UA1545")
    trial.r.set("gate:UA1545", "C132")
    third = ask("gate:UA1545")
    trial.expect(third == "C132", "after a message it asks again", f"it gave {third!r:.80}")
    fetched.clear()
    for _ in range(2):
        empty = ask("gate:none")
    trial.expect(
        empty is None and len(fetched) == 1,
        "None is a value",
        f"it asked again for None: {len(fetched)} times",
    )

    def overtaken(key):
        value = reads(key)
        trial.r.set(key, "C150")
        changed(key)
        return value

    trial.r.set("gate:B6725", "20")
    given = ask("gate:B6725", overtaken)
    trial.expect(
        given == "20" and local("gate:B6725") == "nothing",
        "what was overtaken by a message is returned and not kept",
        f"it gave {given!r:.40}, which was overtaken by a message while it was on its way, and "
        f"kept {local('gate:B6725')!r:.40}; Redis has 'C150'",
    )
    later = ask("gate:B6725")
    trial.expect(
        later == "C150" and local("gate:B6725") == "C150",
        "the next one asks, and keeps the new value",
        f"the next one gave {later!r:.40} and kept {local('gate:B6725')!r:.40}, wanted was 'C150'",
    )

    # One is overtaken; before it comes back, another reader of the same key has begun.
    reading, go_on = threading.Event(), threading.Event()

    def slow(key):
        value = reads(key)
        reading.set()
        go_on.wait(2)
        return value

    def read_too():
        with contextlib.suppress(Refused):
            ask("gate:DL1", slow)

    second_reader = threading.Thread(target=read_too)

    def overtaken_twice(key):
        value = overtaken(key)
        if not second_reader.ident:
            second_reader.start()
            reading.wait(1)
        return value

    trial.r.set("gate:DL1", "A7")
    try:
        ask("gate:DL1", overtaken_twice)
    finally:
        seen = local("gate:DL1")
        go_on.set()
        if second_reader.ident:
            second_reader.join()
    trial.expect(
        seen != "A7" and local("gate:DL1") in ("C150", "nothing"),
        "nor if another reader has begun since",
        "it was overtaken, and kept the old value on the announcement of another reader, who had "
        "begun after the message",
    )
    trial.expect(
        not bare,
        "nothing is looked up or kept without the lock",
        f"without the lock it calls {', '.join(sorted(set(bare)))}: a message may come between",
    )
    ask("gate:DL1")
    trial.expect(
        local("gate:DL1") == "C150",
        "after all that it is kept again",
        f"Redis has 'C150', and here is {local('gate:DL1')!r:.40}",
    )
