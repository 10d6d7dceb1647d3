"""A board that recovers: subscribe, then the snapshot, then only what is newer than it."""

import contextlib

NOTEBOOK = "50"
TITLE = "A board that recovers"
HINTS = (
    "Two things tell that you were away: `get_message` raises `ConnectionError`, or a second "
    "message of the type `subscribe` comes. The subscription is there again by itself.",
    "Whenever a `subscribe` comes, the first one too, take the snapshot: from then on every change "
    "is in it, or will come as a message, or both.",
    "Both is why messages have numbers: what is in the snapshot must not be added again. So its "
    "number must be read in the same moment as the minutes.",
    "`r.pipeline()` is `MULTI`: `hgetall` and `get` in one. On `ConnectionError` return what you "
    "have; the next call goes on. Was it the snapshot that failed, it must look again.",
)
WHY = (
    "A snapshot before the subscription loses what falls between them; one after it sees that "
    "twice. Only a number in both closes the gap, and only a look at the connection tells that "
    "there was one: silence looks the same on a healthy board and on a deaf one."
)


class stub:
    """The minutes that each flight is late, right again soon after every disconnect."""

    def __init__(self, r):
        """r: the client to use; the board listens to the channel `late`."""

    def update(self):
        """Take in what has come, without waiting for more; {flight: minutes}, as integers."""

    def close(self):
        """Listen no more."""


class solution:
    def __init__(self, r):
        self.r, self.sub, self.late = r, r.pubsub(), {}
        self.sub.subscribe("late")

    def update(self):
        import redis

        try:
            while message := self.sub.get_message():
                if message["type"] == "subscribe":
                    late, at = self.r.pipeline().hgetall("minutes").get("minutes:number").execute()
                    self.late = {flight: int(minutes) for flight, minutes in late.items()}
                    self.number = int(at or 0)
                else:
                    number, flight, minutes = message["data"].split()
                    if int(number) > self.number:
                        self.late[flight] = self.late.get(flight, 0) + int(minutes)
                        self.number = int(number)
        except redis.ConnectionError:
            self.sub.connection.disconnect()  # the next call subscribes, and looks, again
        return self.late

    def close(self):
        self.sub.close()


class _Parts:
    """An answer in parts, one of which the wrong ones spoil."""

    def __init__(self, r):
        self.r, self.sub = r, r.pubsub()
        self.late, self.number = {}, 0
        self.sub.subscribe("late")

    def update(self):
        import redis

        try:
            while message := self.sub.get_message():
                if message["type"] == "subscribe":
                    self.look()
                else:
                    self.add(*message["data"].split())
        except redis.ConnectionError:
            pass  # the next call finds the new connection, or tries again
        return self.late

    def look(self):
        with self.r.pipeline() as pipe:
            late, number = pipe.hgetall("minutes").get("minutes:number").execute()
        self.late = {flight: int(minutes) for flight, minutes in late.items()}
        self.number = int(number or 0)

    def add(self, number, flight, minutes):
        if int(number) > self.number:
            self.late[flight] = self.late.get(flight, 0) + int(minutes)
            self.number = int(number)

    def close(self):
        self.sub.close()


class wrong_only_subscribes(_Parts):
    """while it was away"""

    def __init__(self, r):
        super().__init__(r)
        self.sub.get_message(timeout=1)
        self.look()

    def update(self):
        import redis

        try:
            while message := self.sub.get_message():
                if message["type"] == "message":
                    self.add(*message["data"].split())
        except redis.ConnectionError:
            pass
        return self.late


class wrong_snapshot_first(_Parts):
    """between the snapshot and the subscription"""

    def __init__(self, r):
        self.r, self.sub = r, r.pubsub()
        self.look()
        self.sub.subscribe("late")

    def update(self):
        import redis

        while True:
            try:
                message = self.sub.get_message()
            except redis.ConnectionError:
                self.look()
                continue
            if message is None:
                return self.late
            if message["type"] == "message":
                self.add(*message["data"].split())


class wrong_again_from_the_start(_Parts):
    """between the snapshot and the subscription"""

    def update(self):
        import redis

        try:
            while message := self.sub.get_message():
                if message["type"] == "message":
                    self.add(*message["data"].split())
        except redis.ConnectionError:
            self.close()
            self.__init__(self.r)
        return self.late

    def __init__(self, r):
        self.r, self.sub = r, r.pubsub()
        self.look()
        self.sub.subscribe("late")


class wrong_without_numbers(_Parts):
    """counted twice"""

    def add(self, number, flight, minutes):
        self.late[flight] = self.late.get(flight, 0) + int(minutes)


class wrong_two_looks(_Parts):
    """counted twice"""

    def look(self):
        self.number = int(self.r.get("minutes:number") or 0)
        self.late = {flight: int(late) for flight, late in self.r.hgetall("minutes").items()}


class wrong_waits_for_a_jump(_Parts):
    """until the next message"""

    def __init__(self, r):
        super().__init__(r)
        self.sub.get_message(timeout=1)
        self.look()

    def update(self):
        import redis

        try:
            while message := self.sub.get_message():
                if message["type"] == "message":
                    self.add(*message["data"].split())
        except redis.ConnectionError:
            pass
        return self.late

    def add(self, number, flight, minutes):
        if int(number) > self.number + 1:
            self.look()
        super().add(number, flight, minutes)


class wrong_asks_every_time(_Parts):
    """nothing had happened"""

    def update(self):
        super().update()
        self.look()
        return self.late


class wrong_never_hangs_up(_Parts):
    """were closed"""

    def close(self):
        self.closed = True


def check(trial):
    boards = []
    try:
        _judge(trial, boards)
    finally:
        for board in boards:
            with contextlib.suppress(Exception):
                board.close()
        _until(lambda: not trial.r.client_list(_type="pubsub"))


def _judge(trial, boards):
    from redis_lab.course.gaps import Gaps

    flights = ("UA1545", "B6725", "DL461")
    script = """
        local number = redis.call('INCR', 'minutes:number')
        redis.call('HINCRBY', 'minutes', ARGV[1], ARGV[2])
        return redis.call('PUBLISH', 'late', number .. ' ' .. ARGV[1] .. ' ' .. ARGV[2])
    """

    def change(flight="UA1545", minutes=15):
        trial.r.eval(script, 0, flight, minutes)

    def truth():
        return {flight: int(minutes) for flight, minutes in trial.r.hgetall("minutes").items()}

    def begin(gaps):
        boards.append(trial.call(trial.client(gaps)))
        return boards[-1]

    def shown(board):
        found = trial.ask(board.update)
        return dict(found) if isinstance(found, dict) else found

    def settled(board):
        """What it shows, as soon as that is the truth, or after two seconds."""
        _until(lambda: shown(board) == truth())
        return shown(board)

    def away(*changes):
        """Cut it off, and change this before it knows."""
        trial.r.client_kill_filter(_type="pubsub")
        for flight, minutes in changes:
            change(flight, minutes)

    for flight in flights:
        change(flight)
    gaps = Gaps()
    board = begin(gaps)
    given = trial.ask(board.update)
    trial.require(
        isinstance(given, dict),
        "update() gives a dictionary",
        f"update() gave {given!r:.80}, wanted is {{flight: minutes}}",
    )
    first, wanted = settled(board), truth()
    trial.require(
        first == wanted,
        "it begins with what is known already",
        f"`minutes` holds {wanted}; two seconds later update() gave {first!r:.120}",
    )
    trial.require(
        bool(trial.r.client_list(_type="pubsub")),
        "it listens",
        "no connection of it is subscribed to anything",
    )
    for number in range(30):
        change(flights[number % 3], number)
    heard, wanted = settled(board), truth()
    trial.require(
        heard == wanted,
        "it follows 30 changes",
        f"after 30 changes it is {wanted}, and the board shows {heard!r:.120}",
    )
    before = gaps.trips
    for _ in range(5):
        shown(board)
    trial.expect(
        gaps.trips == before,
        "while nothing happens it asks nothing",
        f"nothing had happened, and five updates made {gaps.trips - before} trips: with a thousand "
        "boards that is the load which messages were to spare",
    )
    away(*((flight, 20) for flight in flights))
    found, wanted = settled(board), truth()
    change("DL461", 1)
    later = settled(board) == truth()
    trial.require(
        found == wanted,
        "after a disconnect it is right again, without another message",
        f"while it was away three flights became 20 minutes later: {wanted}; it shows "
        f"{found!r:.120}"
        + (
            ", until the next message, which may take hours"
            if later
            else ", and goes on being wrong"
        ),
    )
    for after in range(1, 5):
        gaps = Gaps(change, after)
        board = begin(gaps)
        _require_whole(trial, settled(board), truth(), "at the start")
        gaps.trips, gaps.acted = 0, False
        away(("B6725", 5))
        _require_whole(trial, settled(board), truth(), "after a disconnect")
        change("DL461", 2)
        last, wanted = settled(board), truth()
        trial.require(
            last == wanted,
            "and goes on being right",
            f"one change later it is {wanted}, and it shows {last!r:.120}",
        )
    for board in boards:
        trial.ask(board.close)
    _until(lambda: not trial.r.client_list(_type="pubsub"))
    left = len(trial.r.client_list(_type="pubsub"))
    trial.expect(
        left == 0,
        "close() hangs up",
        f"{len(boards)} boards were closed, and the server still sends messages to {left} of them",
    )


def _require_whole(trial, shown, wanted, when):
    shown = shown if isinstance(shown, dict) else {}
    surplus = sum(shown.values()) - sum(wanted.values())
    trial.require(
        shown == wanted,
        f"a change in any gap between two trips is counted once, {when}",
        f"{when}, a change came between two of its trips: it is {wanted}, the board shows {shown}: "
        + ("the change was counted twice, in the snapshot and as a message" if surplus > 0 else
           "the change is in neither: it came between the snapshot and the subscription, or "
           "between two parts of the snapshot"),
    )  # fmt: skip


def _until(reached):
    """Ask until it is so, for two seconds: one is promised, and machines are busy."""
    import time

    end = time.monotonic() + 2
    while not reached() and time.monotonic() < end:
        time.sleep(0.002)
