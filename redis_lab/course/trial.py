"""What a check can do with an answer: run it against a real server, and ask the server afterwards.

A Trial starts the servers that the exercise needs. The answer gets a client of its own, whose
conversation can be interrupted between two trips: another client acts there, or the answer dies.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis_lab.course import answers
from redis_lab.course.answers import Killed, Refused
from redis_lab.course.gaps import Gaps, mortal, pools, watch
from redis_lab.lab.shapes import PEER

UNWANTED = {
    "flushall": "it calls FLUSHALL, which empties the server for everybody",
    "flushdb": "it calls FLUSHDB, which empties the database for everybody",
    "keys": "it calls KEYS, which stops everybody else on a large server: SCAN asks in pieces",
    "shutdown": "it shuts the server down",
}
LONGEST = 400  # characters of a reason: an answer may have returned anything
# What opens a connection, and how the lab finds its primary.
GREETING = {"hello", "auth", "client|setinfo", "client|setname", "select", "ping", "role"}


@dataclass(frozen=True)
class Line:
    """One finding: what was looked at, whether it is so, and why not."""

    claim: str
    passed: bool
    why_not: str = ""


@dataclass
class Cost:
    """What the servers counted: calls by command in lower case ("client|list"), and round trips.

    A trip is one read from a socket; a request over 16 KB is several.
    """

    commands: Counter[str] = field(default_factory=Counter)
    trips: int = 0

    @property
    def indivisible(self) -> bool:
        """Whether a transaction, a script or a function was among the commands."""
        return any(self.commands[name] for name in ("exec", "eval", "evalsha", "fcall"))


class Trial:
    """One judgement of one answer.

    lab: the servers, as the exercise's SHAPE says. r: the check's own client, not the answer's.
    seconds: the time limit of a call, which a check may change. lines: what was found so far.
    returned_something: whether any call gave more than None.
    """

    def __init__(self, answer: Callable[..., Any], lab: Any, seconds: float):
        self.lab = lab
        self.r = lab.client()
        self.lines: list[Line] = []
        self._answer = answer
        self.seconds = seconds
        self._clients: list[Any] = []
        self.returned_something = False
        self._cost: Cost | None = None

    def expect(self, passed: bool, claim: str, why_not: str) -> bool:
        """Note a finding; the check goes on. claim: what is right; why_not: what is wrong.

        A claim that is found right again and again is one line, at its last place; one that was
        found wrong stays so, with the first reason.
        """
        if any(line.claim == claim and not line.passed for line in self.lines):
            return bool(passed)
        self.lines = [line for line in self.lines if line.claim != claim or not line.passed]
        short = why_not if len(why_not) <= LONGEST else f"{why_not[:LONGEST]} …"
        self.lines.append(Line(claim, bool(passed), "" if passed else short))
        return bool(passed)

    def require(self, passed: bool, claim: str, why_not: str) -> None:
        """Note a finding, and end the check here if it failed."""
        if not self.expect(passed, claim, why_not):
            raise EndOfCheck

    def run(self, *args: Any, between: Callable[[], Any] | None = None, after: int = 1) -> Any:
        """The result of answer(r, *args), with a client of its own.

        between: called once, after that many trips of the answer and before its next one: what
        others do meanwhile. An answer of fewer trips leaves no such gap.
        """
        return self.call(self.client(Gaps(between, after)), *args)

    def call(self, *args: Any) -> Any:
        """The result of answer(*args), for exercises whose function takes no client."""
        return self._called([args])[0]

    def ask(self, method: Callable[..., Any], *args: Any) -> Any:
        """The result of method(*args): of an object that call() gave, where answers are classes."""
        return self._called([args], method)[0]

    def together(self, calls: Sequence[Sequence[Any]]) -> list[Any]:
        """The results of answer(r, *args) for all these args, at once, each with a client."""
        everything = [[self.client(), *args] for args in calls]
        return self._called(everything)

    def crash(self, *args: Any, after: int, torn: bool = False) -> bool:
        """Run answer(r, *args) and let its process die after that many trips; False if it ended.

        torn: it dies while it sends the next one, of which half arrives. What of a pipeline has
        arrived is done, unless it is a transaction.
        """
        try:
            self.call(self.client(mortal(after, torn)), *args)
        except Killed:
            return True
        return False

    def trips_of(self, *args: Any) -> int:
        """Run answer(r, *args); how often it waited for the server."""
        gaps = Gaps()
        self.call(self.client(gaps), *args)
        return gaps.trips

    @contextlib.contextmanager
    def cost(self) -> Iterator[Cost]:
        """What the servers count while the answer is called in this block, and then only."""
        self._cost = Cost()
        try:
            yield self._cost
        finally:
            self._cost = None

    def keyspace(self) -> dict[str, tuple[str, float | None]]:
        """Every key with its type and the seconds it has left, None for those that stay."""
        keys = sorted(set(self.r.scan_iter(count=1000)))
        pipe = self.r.pipeline(transaction=False)
        for key in keys:
            pipe.type(key).pttl(key)
        told = pipe.execute()
        found = zip(keys, told[::2], told[1::2], strict=True)
        return {key: (kind, left / 1000 if left >= 0 else None) for key, kind, left in found}

    def inspect(self) -> None:
        """Raise Refused for what no answer may do, whatever it returned."""
        calls, _ = self._counted()
        for name, sentence in UNWANTED.items():
            if calls[name]:
                raise Refused(sentence)
        killed = {event.node for event in self.lab.events if event.kind == "kill"}
        for node in self.lab.data_nodes:
            if node.paused or (node.name in killed and not node.alive):
                continue  # the check did that
            for each in node.ask("CLIENT", "LIST").splitlines():
                if re.search(r" multi=\d", each):
                    raise Refused("it leaves a MULTI open: EXEC or a with block ends it")
                if re.search(r" watch=[1-9]", each):
                    raise Refused("it leaves a WATCH open: a with block around the pipe ends it")
                if re.search(r" [ps]?sub=[1-9]", each) and f" user={PEER}" not in each:
                    raise Refused("it leaves a subscription open: close() or a with block ends it")
        if any(getattr(client, "closed_by_answer", False) for client in self._clients):
            raise Refused("it closes the client, which belongs to the caller")

    def end(self) -> None:
        """Let go of every connection; the servers are the caller's to stop."""
        for client in [*self._clients, self.r]:
            with contextlib.suppress(Exception):
                type(client).close(client)

    def client(self, gaps: Gaps | None = None) -> Any:
        """A client for the answer, as run() gives it. gaps: counts or interrupts its trips."""
        gaps = gaps or Gaps()
        client = self.lab.client()
        watch(client, gaps)
        act, gaps.act = gaps.act, None
        client.ping()
        gaps.trips, gaps.act = 0, act
        client.close = lambda: setattr(client, "closed_by_answer", True)
        self._clients.append(client)
        return client

    def _called(self, calls: Sequence[Sequence[Any]], method: Any = None) -> list[Any]:
        before, reads = self._counted() if self._cost else (Counter(), 0)
        results = answers.call_all(method or self._answer, calls, self.seconds, self._release)
        self.returned_something |= any(result is not None for result in results)
        if self._cost:
            after, reads_now = self._counted()
            done = after - before
            done["info"] -= len(self.lab.data_nodes)
            greetings = sum(done.pop(name, 0) for name in GREETING)
            self._cost.commands.update(+done)
            self._cost.trips += reads_now - reads - len(self.lab.data_nodes) - greetings
        return results

    def _release(self) -> None:
        """Make whatever an answer waits for fail."""
        for client in self._clients:
            for pool in pools(client):
                pool.disconnect(inuse_connections=True)

    def _counted(self) -> tuple[Counter[str], int]:
        calls: Counter[str] = Counter()
        reads = 0
        for node in self.lab.data_nodes:
            with contextlib.suppress(Exception):  # a node that the check itself killed
                said = node.ask("INFO", "everything")
                named = re.findall(r"^cmdstat_(\S+):calls=(\d+)", said, re.MULTILINE)
                calls.update({name: int(count) for name, count in named})
                reads += int(re.search(r"total_reads_processed:(\d+)", said)[1])  # type: ignore[index]
        return calls, reads


class EndOfCheck(Exception):
    """A requirement failed; what follows it in the check would say nothing."""
