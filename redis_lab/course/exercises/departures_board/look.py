"""A screen that is never dark: the last answer, when there is no fresh one at once."""

NOTEBOOK = "90"
TITLE = "A screen is never dark"
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
    """The departures: fresh while Redis answers, else the last ones, from the dict kept.

    kept: the screen's own, empty at first; keep in it what you need. When Redis is back, fresh ones
    within 3 s. A screen that has nothing to show yet raises Redis's error.
    """


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


def wrong_frozen_not_dead(board, who, kept):
    """the server was dead"""
    import time

    import redis

    from redis_lab import RateLimited

    if "flights" in kept and time.monotonic() < kept.get("again", 0.0):
        return kept["flights"]
    try:
        kept["flights"] = board.departures(who)
    except (redis.TimeoutError, RateLimited):
        if "flights" not in kept:
            raise
        kept["again"] = time.monotonic() + 1
    return kept["flights"]


def wrong_tries_each_time(board, who, kept):
    """20 of 20"""
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


def wrong_trusts_its_breaker(board, who, kept):
    """KeyError"""
    import time

    import redis

    from redis_lab import RateLimited

    if time.monotonic() < kept.get("again", 0.0):
        return kept["flights"]
    try:
        kept["flights"] = board.departures(who)
    except (redis.RedisError, RateLimited):
        kept["again"] = time.monotonic() + 1
        if "flights" not in kept:
            raise
    return kept["flights"]


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
    import re
    import time

    from redis_lab.board import Board
    from redis_lab.course.answers import Refused
    from redis_lab.patterns import GCRA

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

    def patience(seconds):
        """How long the answer's client waits for a reply; connections that know better go."""
        pool = board.client.connection_pool
        pool.connection_kwargs["socket_timeout"] = seconds
        pool.disconnect()
        pool.reset()

    def look(kept, who="screen 1"):
        try:
            return trial.call(board, who, kept)
        except Refused as refusal:
            return refusal

    def looks_until(so, seconds):
        """What the screen showed until so(what it shows), or for so long."""
        deadline, shown = time.monotonic() + seconds, [look(kept)]
        while not so(shown[-1]) and time.monotonic() < deadline:
            time.sleep(0.05)
            shown.append(look(kept))
        return shown

    def changed(gate):
        today["gate"] = gate
        others.forget()
        return [{"id": "UA1545", "gate": gate}]

    def peace(when):
        trial.expect(
            not asked,
            "the timetable has its peace",
            f"the timetable was asked {len(asked)} times {when}: it is what the cache protects",
        )

    others = Board(trial.r, "EWR", timetable)
    board, kept = Counted(trial.client(), "EWR", timetable, on_error="raise"), {}
    first = look(kept)
    news = changed("B14")
    shown = looks_until(lambda seen: seen == news, 3)[-1]
    trial.require(
        first == [{"id": "UA1545", "gate": "B12"}] and shown == news,
        "all is well: it shows what is new",
        f"all is well, and the gate became B14; the screen showed {first}, then {shown}",
    )
    asked.clear()
    board.tries = 0
    patience(0.2)
    trial.lab.pause(node)
    try:
        dark = next((each for each in (look(kept) for _ in range(20)) if each != news), None)
    finally:
        trial.lab.resume(node)
        patience(2.0)
    trial.require(
        dark is None,
        "the server is frozen: it shows the last",
        f"the server was frozen, and the screen is dark: {dark}",
    )
    trial.expect(
        board.tries <= 7,
        "and doesn't wait for it at each look",
        f"{board.tries} of 20 looks tried the frozen server, and each waited for its timeout",
    )
    peace("while the server was frozen")
    news = changed("B16")
    seen = looks_until(lambda seen: seen == news, 6)[-1]  # twice the time that it has
    trial.require(
        seen == news,
        "it is back: so is what is new",
        f"the server was back for six seconds, and what is new never came back: {seen}",
    )
    asked.clear()
    board._looks = GCRA(board.client, "hasty", rate=1, burst=5, on_error="raise")
    rushed = next((each for each in (look(kept) for _ in range(10)) if each != news), None)
    trial.expect(
        rushed is None,
        "it has asked too often: it shows the last",
        f"the screen had asked more often than it may, and is dark: {rushed}",
    )
    peace("for a screen that had asked too often")
    asked.clear()
    trial.lab.kill(node)
    board.tries = 0
    dead = looks_until(lambda seen: seen != news or board.tries, 6)[-1]
    trial.expect(
        dead == news,
        "the server is dead: it shows the last",
        f"the server was dead, and the screen is dark: {dead}",
    )
    peace("while the server was dead")
    nothing = {}
    empty = [look(nothing, "a new screen") for _ in range(2)]
    wrong = [each for each in empty if not re.search("(Connection|Timeout)Error", str(each))]
    trial.expect(
        not wrong,
        "a screen that has nothing to show says so",
        "a new screen has nothing to show and should raise Redis's error, and it gave "
        f"{next(map(str, wrong), '')}: no flights today?",
    )
