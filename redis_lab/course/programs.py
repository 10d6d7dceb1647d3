"""The programs of an office (office.py), and the process that runs them; it knows no redis-py.

A program is a generator: each next() is a turn, and it yields the seconds until it wants another.
It gets a function that opens a connection, and a set that has "mended" in it from a moment on.
"""

import contextlib
import itertools
import json
import random
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

LONGEST = 3600.0  # seconds that an office is open
PATIENCE = 20.0  # seconds for an answer of the server
SCRIPT = """local cursor, count = '0', 0
repeat
  local page = redis.call('SCAN', cursor, 'COUNT', 5000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    if string.match(key, '^flight:.*-20130214-') then count = count + 1 end
  end
until cursor == '0'
return count"""


class Line:
    """A connection of a program, on plain sockets."""

    def __init__(self, to: tuple[str, int], login: list[str], name: str):
        self.socket = socket.create_connection(to, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")
        if login[1]:
            self.ask("AUTH", *login)
        if name:
            self.ask("CLIENT", "SETNAME", name)

    def send(self, *words: Any) -> None:
        self.socket.sendall(wire(*words))

    def read(self) -> Any:
        """One reply; an error is its text, as nobody in this office looks at errors."""
        kind, rest = (line := self.replies.readline())[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.replies.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if not line:
            raise ConnectionError
        return rest

    def ask(self, *words: Any) -> Any:
        self.send(*words)
        return self.read()


def wire(*words: Any) -> bytes:
    """A command as it travels."""
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


Open = Callable[[], Line]
Turns = Iterator[float]


def board(line: Open, told: set[str]) -> Turns:
    mine = line()
    for turn in itertools.count():
        mine.ask("GET", f"flight:{turn}")
        yield 0.01


def desk(line: Open, told: set[str]) -> Turns:
    mine = line()
    seats = [word for number in range(5000) for word in (f"passenger {number}", f"{number % 40}A")]
    mine.ask("HSET", "seats:today", *seats)
    for _ in itertools.count():
        mine.ask("SADD", "seen:today", random.randrange(200_000))
        yield 0.01


def report(line: Open, told: set[str]) -> Turns:
    """Counts with SCAN as one should, and does it in a script, where nobody else has a turn."""
    mine = line()
    script = mine.ask("SCRIPT", "LOAD", SCRIPT).decode()
    mine.ask("SET", "flights:2013-02-14", 0)
    while "mended" not in told:
        try:
            mine.ask("EVALSHA", script, 0)
        except (ConnectionError, OSError):
            mine = line()  # somebody killed it: back to work
        yield 0.35
    while True:
        mine.ask("GET", "flights:2013-02-14")
        yield 0.35


def lounge(line: Open, told: set[str]) -> Turns:
    """Wants the gates of three flights, and reads a hash with the terminals' floor plans in it."""
    mine = line()
    fields = [word for number in range(800) for word in (f"UA{number}", f"gate A{number % 30}")]
    mine.ask("HSET", "gates:EWR", *fields)
    for number in range(48):
        mine.ask("HSET", "gates:EWR", f"plan {number}", "x" * 500_000)
    while "mended" not in told:
        mine.send("HGETALL", "gates:EWR")
        yield 0.03  # a slow reader, too
        mine.read()
        yield 0.07
    while True:
        mine.ask("HMGET", "gates:EWR", "UA1", "UA2", "UA3")
        yield 0.08


def notices(line: Open, told: set[str]) -> Turns:
    """Every screen of the airport asks for the same line, all at the same moment."""
    lines = [line() for _ in range(8)]
    lines[0].ask("SET", "notice:all", "Please keep your belongings with you. " * 14)
    many = wire("GET", "notice:all") * 400
    lines[0].send("GET", "notice:all")
    size = len(lines[0].replies.readline() + lines[0].replies.readline())
    while "mended" not in told:
        for each in lines:
            each.socket.sendall(many)
        for each in lines:
            each.replies.read(400 * size)
        yield 0.06
    while True:
        lines[0].ask("GET", "notice:all")
        yield 1.0


def kiosk(line: Open, told: set[str]) -> Turns:
    """Counts what it prints under a name that belongs to a hash, and ignores the answer."""
    mine = line()
    mine.ask("HSET", "printer:7", "paper", "A5")
    for _ in itertools.count():
        mine.ask("INCR", "printer:7")
        yield 0.05


def archive(line: Open, told: set[str]) -> Turns:
    """Asks for much, and does not read the answers."""
    mine = line()
    mine.ask("SET", "year:2012", "x" * 1_000_000)
    for _ in range(60):  # more than all buffers on the way take, also those of a container
        mine.send("GET", "year:2012")
    while True:
        yield 60.0


def crews(line: Open, told: set[str]) -> Turns:
    """Opens a connection for each crew and forgets it."""
    forgotten = []
    for number in itertools.count():
        if number < 400:
            forgotten.append(line())
            forgotten[-1].ask("GET", f"crew:{number}")
        yield 0.0 if number < 60 else 0.1


def debug(line: Open, told: set[str]) -> Turns:
    """Somebody looked for a bug last week, and left MONITOR running."""
    mine = line()
    mine.send("MONITOR")
    while True:
        while select.select([mine.socket], [], [], 0)[0]:
            if not mine.socket.recv(1 << 16):
                raise ConnectionError("MONITOR was ended")
        yield 0.005


def pool(line: Open, told: set[str]) -> Turns:
    """Thirty connections, each of them in use: many, no harm."""
    lines = [line() for _ in range(30)]
    for each in itertools.cycle(lines):
        each.ask("GET", "flight:1")
        yield 0.01


def upload(line: Open, told: set[str]) -> Turns:
    """Sends a large value slowly: much memory, no harm."""
    mine = line()
    mine.socket.sendall(b"*3\r\n$3\r\nSET\r\n$6\r\nphotos\r\n$3000000\r\n" + b"x" * 2_500_000)
    while True:
        yield 60.0


_ALL = (
    board, desk, report, lounge, notices, kiosk, archive, crews, debug, pool, upload,
)  # fmt: skip
PROGRAMS: dict[str, Callable[[Open, set[str]], Turns]] = {each.__name__: each for each in _ALL}
NAMELESS = {"notices"}


def _work() -> None:
    """What the process runs: orders come in by stdin until it is closed."""
    host, port, login, names = json.loads(sys.stdin.readline())

    def starts(name: str) -> Turns:
        kind, _, alias = name.partition(":")
        called = "" if kind in NAMELESS else alias or kind
        return PROGRAMS[kind](lambda: Line((host, port), login, called), told[name])

    def turn(name: str) -> float:
        """Its next turn; who lost its connection begins anew, once, as a client library does."""
        try:
            return next(turns[name])
        except OSError:
            turns[name] = starts(name)
            return next(turns[name])

    told: dict[str, set[str]] = {name: set() for name in names}
    turns = {name: starts(name) for name in names}
    due = dict.fromkeys(names, 0.0)
    ends, fresh = time.monotonic() + LONGEST, True
    while time.monotonic() < ends:
        for name in names:
            if time.monotonic() >= due[name]:
                due[name] = time.monotonic() + turn(name)
        if fresh:
            print("done", flush=True)
            fresh = False
        rest = min(due.values()) - time.monotonic()
        if select.select([sys.stdin], [], [], max(0.0, rest))[0]:
            order = sys.stdin.readline().split()
            if not order:
                return
            told[order[1]].add("mended")
            due[order[1]], fresh = 0.0, True


if __name__ == "__main__":
    with contextlib.suppress(OSError):  # the server is gone
        _work()
