"""What of a cache is this process's own: its counts, and the computations under way."""

import os
import threading
from typing import NamedTuple
from weakref import WeakSet

from redis_lab.patterns.cache_value import Token

What = tuple[str, Token]  # name and version


class Outcome(NamedTuple):
    """What other threads may have of a computation; payload: None if the value None is not kept."""

    payload: bytes | None
    expires: int
    cost: int


class Flight:
    """A computation in this process, for which other threads wait."""

    def __init__(self) -> None:
        self.owner = threading.get_ident()
        self.done = threading.Event()
        self.outcome: Outcome | None = None
        self.error: Exception | None = None  # of Redis: those who wait would meet it as well


class Here:
    """Counts and flights of one cache in this process; a forked child starts anew."""

    def __init__(self) -> None:
        self.start()
        _everywhere.add(self)

    def start(self) -> None:
        self.lock = threading.Lock()
        self.counts = {"hits": 0, "misses": 0, "loads": 0, "errors": 0}
        self.flights: dict[What, Flight] = {}
        self.orphans: list[tuple[str, str]] = []

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def join(self, what: What) -> tuple[Flight, bool]:
        """The flight under way and False, or a new one and True: the caller leads it."""
        with self.lock:
            if what in self.flights:
                return self.flights[what], False
            flight = self.flights[what] = Flight()
            return flight, True

    def close(self, what: What, flight: Flight) -> None:
        """Let nobody join any more: who comes now may come after an invalidation."""
        with self.lock:
            if self.flights.get(what) is flight:
                del self.flights[what]

    def leave(self, what: What, flight: Flight) -> None:
        """End a flight, or give up waiting for it: those who wait go on, and the next one leads."""
        self.close(what, flight)
        flight.done.set()

    def orphan(self, key: str, claim: str) -> None:
        """Note a claim that may be in Redis though nobody computes under it."""
        with self.lock:
            self.orphans.append((key, claim))

    def take_orphans(self) -> list[tuple[str, str]]:
        """Those noted since the last time."""
        with self.lock:
            taken, self.orphans = self.orphans, []
        return taken


_everywhere: WeakSet[Here] = WeakSet()


def _start_anew() -> None:
    for here in list(_everywhere):
        here.start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
