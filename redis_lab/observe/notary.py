"""Notary: consumers in processes of their own, which tell another server what they have done.

A fault strikes the server that carries the messages, or the consumers; what the notary was told
outlives both. Consumers halt where they are told to, so that a fault strikes all of them at the
same place. This file is also what their processes run. They end when the notary's server does.
"""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    import pandas as pd

PATIENCE = 60  # seconds for a word of a consumer, or for a fact
PLACES = ("at work", "after it")


class Notary:
    """Consumers of each way to take a message, and what they have told.

    office: the URL of the notary's server, which nobody else uses; url: of the one that carries the
    messages. take: source of a generator for each way, `def way(r):`, that yields messages; it may
    use `name` (that of the consumer), pause (a threading.Event), time, chain and repeat. What
    follows a yield runs when that message is done. Its client retries nothing, unless the way's
    name is pubsub: a subscription is dialled once more. When a connection is lost, the generator is
    begun anew. The first word of a message is its name; "end" is only heard, and "t" with a
    time.monotonic_ns() is only timed.
    """

    def __init__(self, office: str, url: str, take: str):
        self.ways = re.findall(r"^def (\w+)\(r\):", take, re.MULTILINE)
        self._places = [office, url]
        self._take = take
        self._office = _client(office)
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, name: str = "A") -> None:
        """A consumer of this name for each way; back when all run their generator."""
        for way in self.ways:
            process = subprocess.Popen(
                [sys.executable, "-P", __file__], stdin=subprocess.PIPE, text=True,
                stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            assert process.stdin
            with process.stdin as orders:  # not as arguments: the URLs have passwords
                json.dump([*self._places, way, name, self._take], orders)
            self._processes.append(process)
        self.hear("starts")

    def kill(self) -> None:
        """kill -9 for all that run."""
        while self._processes:
            process = self._processes.pop()
            process.kill()
            process.wait()

    def halt(self, place: str, name: str) -> None:
        """Let one consumer of each way halt at this message: "at work" or "after it"."""
        if place not in PLACES:
            raise ValueError(f"place: one of {', '.join(PLACES)}, not {place!r}")
        self._office.sadd(place, *[f"{way} {name}" for way in self.ways])

    def go_on(self) -> None:
        """Those that halt go on."""
        for way in self.ways:
            self._office.rpush(f"{way} go", 1)

    def hear(self, word: str, *ways: str) -> None:
        """Wait until each way (or these) says starts, halts or end.

        TimeoutError after 60 s; RuntimeError if it says something else, such as why it failed.
        """
        for way in ways or self.ways:
            said: Any = self._office.blpop([f"{way} says"], PATIENCE)
            if not said:
                raise TimeoutError(f"{way} has said nothing for {PATIENCE} s, not {word}")
            if said[1] != word:
                raise RuntimeError(f"{way} said {said[1]}, not {word}")

    def done(self, way: str) -> list[str]:
        """The names of the messages that were done, in that order."""
        found: Any = self._office.lrange(f"{way} done", 0, -1)
        return found

    def times(self) -> "pd.DataFrame":
        """Microseconds from sent to received, a column for each way; told at "end"."""
        import pandas as pd

        found: Any = {way: self._office.lrange(f"{way} times", 0, -1) for way in self.ways}
        return pd.DataFrame(found).astype(int)

    def tally(self, sent: Sequence[str]) -> "pd.DataFrame":
        """A column for each way; rows lost, twice and late: done after one that was sent later."""
        import pandas as pd

        place, rows = {name: number for number, name in enumerate(sent)}, {}
        for way in self.ways:
            done = pd.Series([place[name] for name in self.done(way)], dtype=int)
            first = done.drop_duplicates()
            late = (first < first.cummax()).sum()
            rows[way] = [len(sent) - len(first), len(done) - len(first), late]
        return pd.DataFrame(rows, index=["lost", "twice", "late"])

    def arrived(self, sent: Sequence[str]) -> "pd.DataFrame":
        """A row for each message in the order sent, a column for each way: True if it was done."""
        import pandas as pd

        told = {way: set(self.done(way)) for way in self.ways}
        return pd.DataFrame({way: [name in told[way] for name in sent] for way in self.ways})

    def forget(self) -> None:
        """All that was told so far, and orders that nobody followed."""
        kinds = ("says", "go", "done", "times")
        self._office.delete(*PLACES, *[f"{way} {kind}" for way in self.ways for kind in kinds])


def until(fact: Callable[[], object]) -> None:
    """Ask until it is so. TimeoutError after 60 s."""
    deadline = time.monotonic() + PATIENCE
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not become so")
        time.sleep(0.005)  # and leave the processors to those it waits for


def _client(url: str, retries: int = 0, name: str | None = None) -> redis.Redis:
    retry = Retry(NoBackoff(), retries)
    return redis.Redis.from_url(
        url, decode_responses=True, protocol=3, socket_timeout=None, client_name=name, retry=retry
    )


def _consume(office: str, url: str, way: str, name: str, take: str) -> None:
    notary = _client(office)
    try:
        _take(notary, url, way, name, take)
    except Exception as error:
        notary.rpush(f"{way} says", f"{type(error).__name__}: {error}")
        raise


def _take(notary: redis.Redis, url: str, way: str, name: str, take: str) -> None:
    r = _client(url, int(way == "pubsub"), way)
    pause, times = threading.Event(), []  # type: ignore[var-annotated]
    known = {"name": name, "pause": pause, "time": time, "chain": chain, "repeat": repeat}
    exec(take, known)

    def halt(place: str, message: str) -> None:
        if notary.srem(place, f"{way} {message}"):
            notary.rpush(f"{way} says", "halts")
            notary.blpop([f"{way} go"], 10 * PATIENCE)

    def work(message: str, *rest: str) -> None:
        if message == "t":
            times.append((time.monotonic_ns() - int(rest[0])) // 1000)
        elif message == "end":
            if times:
                notary.rpush(f"{way} times", *times)
            notary.rpush(f"{way} says", "end")
        else:
            halt("at work", message)
            notary.rpush(f"{way} done", message)
            halt("after it", message)

    notary.rpush(f"{way} says", "starts")
    while notary.ping():
        try:
            for message in known[way](r):  # type: ignore[operator]
                work(*message.split())
        except redis.ConnectionError:
            pause.wait(0.01)


if __name__ == "__main__":
    _consume(*json.load(sys.stdin))
