"""A screen that is never dark: the last answer, when there is no fresh one at once."""

NOTEBOOK = "90"
TITLE = "A screen is never dark"
SECONDS = 20.0
HINTS = (
    "Whatever `board.departures` gives belongs into `kept`; whatever it raises is a reason to look "
    "there.",
    "A dead server is a `redis.ConnectionError`, a frozen one a `redis.TimeoutError`; both are "
    "`redis.RedisError`. `RateLimited` is neither, and a screen that asked too often can show what "
    "it has as well.",
    "Each try with a frozen server costs a timeout. Who has met one need not try again for a "
    "while: keep the time in `kept`, too. That is a *circuit breaker*.",
    "After a second try again, or the screen shows yesterday for ever. Use `time.monotonic()`.",
)
WHY = (
    "A cache that steps aside hands its load to what it was built to protect. A screen has "
    "something better: what it showed a second ago. The breaker makes a frozen server as cheap as "
    "a dead one, one timeout a second and not one a look, and it closes by itself."
)


def stub(board, who, kept):
    """The departures: fresh while Redis answers, else the last ones, from the dict kept."""


def solution(board, who, kept):
    import time

    import redis

    from redis_lab import RateLimited

    if "flights" in kept and time.monotonic() < kept.get("again", 0.0):
        return kept["flights"]
    try:
        kept["flights"] = board.departures(who)
    except (redis.RedisError, RateLimited):
        if "flights" not in kept:
            raise
        kept["again"] = time.monotonic() + 1
    return kept["flights"]


def wrong_as_it_was(board, who, kept):
    """the screen is dark"""
    return board.departures(who)


def wrong_dead_not_frozen(board, who, kept):
    """the server was frozen"""
    import time

    import redis

    from redis_lab import RateLimited

    if "flights" in kept and time.monotonic() < kept.get("again", 0.0):
        return kept["flights"]
    try:
        kept["flights"] = board.departures(who)
    except (redis.ConnectionError, RateLimited):
        if "flights" not in kept:
            raise
        kept["again"] = time.monotonic() + 1
    return kept["flights"]


def wrong_tries_each_time(board, who, kept):
    """30 of 30"""
    import redis

    from redis_lab import RateLimited

    try:
        kept["flights"] = board.departures(who)
    except (redis.RedisError, RateLimited):
        if "flights" not in kept:
            raise
    return kept["flights"]


def wrong_dark_for_the_hasty(board, who, kept):
    """more often than it may"""
    import time

    import redis

    if "flights" in kept and time.monotonic() < kept.get("again", 0.0):
        return kept["flights"]
    try:
        kept["flights"] = board.departures(who)
    except redis.RedisError:
        if "flights" not in kept:
            raise
        kept["again"] = time.monotonic() + 1
    return kept["flights"]


def wrong_for_ever(board, who, kept):
    """never came back"""
    import redis

    from redis_lab import RateLimited

    if "closed" in kept:
        return kept["flights"]
    try:
        kept["flights"] = board.departures(who)
    except (redis.RedisError, RateLimited):
        if "flights" not in kept:
            raise
        kept["closed"] = True
    return kept["flights"]


def wrong_shows_the_last_first(board, who, kept):
    """all is well, and"""
    import time

    import redis

    from redis_lab import RateLimited

    if "flights" in kept and time.monotonic() < kept["again"]:
        return kept["flights"]
    try:
        kept["flights"] = board.departures(who)
    except (redis.RedisError, RateLimited):
        if "flights" not in kept:
            raise
    kept["again"] = time.monotonic() + 60
    return kept["flights"]


def wrong_nothing_is_an_answer(board, who, kept):
    """no flights today"""
    import time

    import redis

    from redis_lab import RateLimited

    if time.monotonic() < kept.get("again", 0.0):
        return kept.get("flights", [])
    try:
        kept["flights"] = board.departures(who)
    except (redis.RedisError, RateLimited):
        kept["again"] = time.monotonic() + 1
    return kept.get("flights", [])


def wrong_asks_the_timetable(board, who, kept):
    """the timetable was asked"""
    import redis

    from redis_lab import RateLimited
    from redis_lab.board.board import DAY

    try:
        kept["flights"] = board.departures(who)
    except (redis.RedisError, RateLimited):
        return board._timetable(board.airport, DAY)
    return kept["flights"]


def check(trial):
    import contextlib
    import threading
    import time

    import redis

    from redis_lab import RateLimited
    from redis_lab.board import Board
    from redis_lab.course.answers import Refused

    node = trial.lab.nodes[0]
    today, asked = {"gate": "B12"}, []

    def timetable(airport, day):
        asked.append(day)
        return [{"id": "UA1545", **today}]

    class Counted(Board):
        tries = 0

        def departures(self, *args):
            self.tries += 1
            return super().departures(*args)

    def board_of(client):
        client.connection_pool.connection_kwargs["socket_timeout"] = 0.2
        client.connection_pool.disconnect()
        return Counted(client, "EWR", timetable, on_error="raise")

    def look(board, kept, who="screen 1"):
        try:
            return trial.call(board, who, kept)
        except Refused as refusal:
            return refusal

    def changed(gate):
        today["gate"] = gate
        others.forget()
        return [{"id": "UA1545", "gate": gate}]

    others = Board(trial.r, "EWR", timetable)
    board, kept = board_of(trial.client()), {}
    shown = [look(board, kept)]
    news = changed("B14")
    deadline = time.monotonic() + 5
    while (shown := [*shown, look(board, kept)])[-1] != news and time.monotonic() < deadline:
        time.sleep(0.05)
    trial.require(
        shown[0] == [{"id": "UA1545", "gate": "B12"}] and shown[-1] == news,
        "all is well: it shows what is new",
        f"all is well, and the gate became B14; the screen showed {shown[0]}, then {shown[-1]}",
    )
    asked.clear()
    board.tries = 0
    trial.lab.pause(node)
    try:
        dark = [each for each in (look(board, kept) for _ in range(30)) if each != news]
    finally:
        trial.lab.resume(node)
    trial.require(
        not dark,
        "the server is frozen: it shows the last",
        f"the server was frozen, and the screen is dark: {len(dark)} of 30 looks gave {dark[:1]}",
    )
    trial.expect(
        board.tries <= 10,
        "and doesn't wait for it at each look",
        f"{board.tries} of 30 looks tried the frozen server, and each waited for its timeout",
    )
    news = changed("B16")
    asked.clear()
    deadline = time.monotonic() + 10
    while (seen := look(board, kept)) != news and time.monotonic() < deadline:
        time.sleep(0.05)
    trial.expect(
        seen == news,
        "it is back: so is what is new",
        f"the server was back for ten seconds, and what is new never came back: {seen}",
    )
    asked.clear()
    rushing, done = threading.Event(), threading.Event()

    def hammer():
        with contextlib.suppress(redis.ConnectionError):
            while not done.is_set():
                try:
                    others.departures("screen 1")
                except RateLimited:
                    rushing.set()

    program = threading.Thread(target=hammer)
    program.start()
    rushing.wait(20)
    rushed = [look(board, kept) for _ in range(10)]
    done.set()
    program.join()
    trial.expect(
        all(each == news for each in rushed),
        "it has asked too often: it shows the last",
        f"the screen had asked more often than it may, and got "
        f"{next((str(each) for each in rushed if each != news), '')}",
    )
    trial.lab.kill(node)
    dead = look(board, kept)
    trial.expect(
        dead == news,
        "the server is dead: it shows the last",
        f"the server was dead, and the screen is dark: {dead}",
    )
    trial.expect(
        not asked,
        "the timetable has its peace",
        f"the timetable was asked {len(asked)} times while Redis was away: it is what the cache "
        "protects",
    )
    empty = [look(board, {}, "a new screen") for _ in range(2)]
    trial.expect(
        all("Error" in str(each) for each in empty),
        "a screen that has nothing to show says so",
        f"a new screen has nothing to show, and it gave {empty[-1]}: no flights today?",
    )
