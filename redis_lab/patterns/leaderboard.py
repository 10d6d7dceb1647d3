"""A leaderboard: the highest score first, ranks from 1, in a million members as in ten.

Every change is one script, atomic whoever else writes, and one round trip; rank and neighbours are
one picture. The board is its user's: nothing expires. Under an eviction policy that takes keys
without TTL (allkeys-*) half of a board can vanish: don't. An error does not mean "not applied": a
repeated increment, as redis-py's default retries do, may count twice. A board lives in one slot.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis_lab.patterns.checks import number, one_of, whole
from redis_lab.patterns.keys import escaped, tagged, text
from redis_lab.patterns.scripting import Client, checked_client, script

LARGEST = 2**53 - 1  # 2**53 + 1 is 2**53 again: an increment would be lost unseen
_TURN = 12  # hex digits: 281 million million changes
_BATCH = 1000
_PUT, _AROUND = script("leaderboard_put"), script("leaderboard_around")
_REMOVE, _TRIM = script("leaderboard_remove"), script("leaderboard_trim")


@dataclass(frozen=True)
class Entry:
    """A member's place. rank: from 1, no two members share one."""

    member: str
    score: float
    rank: int


class Leaderboard:
    """Members by score, highest first.

    ties: "earlier": of equal scores the one that was reached first ranks first, and setting a score
        again to what it is changes nothing. "name": the members' names decide, by their UTF-8
        bytes. Boards of both kinds may bear one name: they share nothing.
    Scores are doubles, as in Redis, and below 2^53 in magnitude: there, whole numbers are exact.
    "earlier" keeps a number for each change of a score, in front of the member's name and in a hash
    beside it. So all scores stay exact, where a clock packed into the score would take its digits;
    a million members cost 198 bytes each instead of 110, and a change 1.25 times the time.
    """

    def __init__(self, client: Client, name: str, *, ties: str = "earlier"):
        self.client = checked_client(client)
        self.name = name
        self.ties = one_of("ties", ties, ("earlier", "name"))
        self._board = f"{tagged(name)}:{ties}"
        self._keys = (self._board, f"{tagged(name)}:turns")[: 2 if ties == "earlier" else 1]
        self._turn = _TURN if ties == "earlier" else 0

    def add(self, member: str, score: float) -> None:
        """Set the member's score. Raises ValueError for one of 2^53 or more."""
        self._put(member, "score", score, "set")

    def increment(self, member: str, by: float) -> float:
        """Add to the member's score (0 for a new one); the score it has now.

        Raises ValueError where that would be 2^53 or more; the score stays as it was.
        """
        return self._put(member, "by", by, "add")

    def increment_in(self, pipeline: Any, member: str, by: float) -> None:
        """Queue increment() in the caller's pipeline, such as the transaction of a StreamWorker.

        Its reply there: the score as text, None where it would be 2^53 or more and stayed. On a
        Cluster all that the transaction writes must be in the slot of the board, {name}.
        """
        _PUT(pipeline, self._keys, self._arguments(member, "by", by, "add"))

    def top(self, n: int) -> list[Entry]:
        """The best n."""
        return self.page(1, whole("n", n))

    def page(self, number: int, size: int) -> list[Entry]:
        """A page of the board, counted from 1; empty beyond its end."""
        first = (whole("number", number) - 1) * whole("size", size)
        found: Any = self.client.zrange(self._board, first, first + size - 1, withscores=True)
        return self._entries(first, found)

    def rank(self, member: str) -> Entry | None:
        """The member's entry, None for an unknown one."""
        return next(iter(self.around(member, 0)), None)

    def around(self, member: str, n: int) -> list[Entry]:
        """The member with up to n neighbours on each side; empty for an unknown member."""
        found = _AROUND(self.client, self._keys, (_checked(member), whole("n", n, least=0)))
        if not found:
            return []
        first, flat = found
        return self._entries(first, zip(flat[::2], flat[1::2], strict=True))

    def remove(self, member: str) -> bool:
        """Take the member off the board; False for one that is not there (any more)."""
        return bool(_REMOVE(self.client, self._keys, (_checked(member),)))

    def trim(self, n: int) -> int:
        """Keep the best n (0: none); how many were removed, from the bottom, a thousand a step."""
        whole("n", n, least=0)
        removed, batch = 0, _BATCH
        while batch == _BATCH:
            batch = _TRIM(self.client, self._keys, (n, self._turn, _BATCH))
            removed += batch
        return removed

    def __repr__(self) -> str:
        return f"<Leaderboard {self.name!r}, ties: {self.ties}>"

    def _put(self, member: str, argument: str, value: float, how: str) -> float:
        reply = _PUT(self.client, self._keys, self._arguments(member, argument, value, how))
        if reply is None:
            raise ValueError(
                f"{argument} must leave the score below 2^53 in magnitude, and {value} would not"
            )
        return float(reply)

    def _arguments(self, member: str, argument: str, value: float, how: str) -> tuple[Any, ...]:
        if abs(number(argument, value)) > LARGEST:
            raise ValueError(f"{argument} must be below 2^53 in magnitude, not {value}")
        return _checked(member), value, how, LARGEST

    def _entries(self, first: int, found: Iterable[tuple[Any, Any]]) -> list[Entry]:
        return [
            Entry(text(place)[self._turn :], 0.0 - float(score), rank)
            for rank, (place, score) in enumerate(found, first + 1)
        ]


def _checked(member: str) -> str:
    escaped(member, "member")
    return member
