"""Events counted while they happen: by hour and by day (UTC), per event type.

An event is one script and one round trip, counted everywhere or nowhere; buckets are the server's,
whatever this machine's clock says. Every key expires. Unique users are an estimate (HyperLogLog,
standard error 0.81 %). An error does not mean "not counted": a call that is repeated after a lost
answer, as redis-py's default retries do, may count twice. An event type lives in one slot.
"""

import json
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redis_lab.errors import ValueTooLarge
from redis_lab.patterns.checks import number, one_of, positive, seconds, whole
from redis_lab.patterns.keys import escaped, text
from redis_lab.patterns.scripting import Client, checked_client, script

PERIODS = {"hourly": 3600, "daily": 86400}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_10000 = 253_402_300_800
_JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_TRACK, _NOW = script("analytics_track"), script("analytics_now")


@dataclass(frozen=True)
class Stats:
    """One hour or day of an event type.

    unique_users: an estimate, standard error 0.81 %. top_users: (user, events), most first; exact
    while the bucket has seen no more users than `capacity`. average_per_user: events for each
    unique user, 0.0 where there are none.
    """

    total_events: int
    unique_users: int
    top_users: list[tuple[str, int]]
    average_per_user: float


class RealTimeAnalytics:
    """Counts, unique users, top users, who is active, what came last.

    retention: seconds. A bucket expires that long after its end (a changed retention holds for
        buckets begun after the change); who was active and what came last are forgotten after it.
        An event further than that from the server's time, before or after, is dropped.
    capacity: most users that a bucket ranks. Up to so many, all counts are exact. Beyond, a
        newcomer takes the place of the least with its count plus one (Space-Saving; Metwally,
        Agrawal, El Abbadi 2005): every user with more than events/capacity events is ranked, and
        no count is below the truth or above it by more than events/capacity.
    keep: entries of recent() that are kept, at least; up to a hundred more may be.
    max_bytes: largest user and properties of one event together, as JSON (UTF-8).
    Memory: at most 14 KB for a bucket's unique users, and about 100 bytes with a short name for
    each ranked user of a bucket and each user active within the retention.
    A `period` is "hourly" or "daily". `at` is an aware datetime or unix seconds.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        *,
        retention: float = 30 * 86400.0,
        capacity: int = 10_000,
        keep: int = 1000,
        max_bytes: int = 65_536,
    ):
        self.client = checked_client(client)
        self.namespace = namespace
        self.retention = seconds("retention", retention)
        self.capacity = whole("capacity", capacity)
        self.keep = whole("keep", keep)
        self.max_bytes = whole("max_bytes", max_bytes)
        self._prefix = escaped(namespace, "namespace")
        self._limits = math.ceil(retention * 1000), capacity, keep
        self._ahead = 0  # of this machine's clock is the server's, by so many µs

    def _tag(self, event_type: str) -> str:
        return f"{{{self._prefix}:{escaped(event_type, 'event_type')}}}"

    def _rolling(self, event_type: str) -> tuple[str, str]:
        tag = self._tag(event_type)
        return f"{tag}:active", f"{tag}:recent"

    def _bucket(self, event_type: str, period: str, start: int) -> tuple[str, str, str]:
        bucket = f"{self._tag(event_type)}:{period}:{start}"
        return f"{bucket}:events", f"{bucket}:users", f"{bucket}:top"

    def track_event(
        self,
        event_type: str,
        user_id: str,
        properties: dict[str, Any] | None = None,
        at: datetime | float | None = None,
    ) -> bool:
        """Count an event, now by the server's clock or at the given time.

        True: counted. False: dropped, for it is further than the retention from the server's time.
        A late event counts in the hour and day it happened; one from the future, in those to come,
        and its user as active now.
        properties: what json.dumps takes; recent() gives it back.
        Raises TypeError, ValueError, ValueTooLarge.
        """
        stored = self._as_json(user_id, properties)
        happened = None if at is None else _microseconds(at)
        given = "" if happened is None else happened
        while True:
            moment = time.time_ns() // 1000 + self._ahead if happened is None else happened
            hour, day = _start("hourly", moment), _start("daily", moment)
            keys = (
                *self._bucket(event_type, "hourly", hour),
                *self._bucket(event_type, "daily", day),
                *self._rolling(event_type),
            )
            reply = _TRACK(self.client, keys, (given, hour, user_id, stored, *self._limits))
            if reply <= 1:
                return bool(reply)
            # A script's keys are named before the server tells its hour, and these were another
            # hour's: the clocks differ. By how much is known from now on.
            self._ahead = reply - time.time_ns() // 1000

    def stats(
        self,
        event_type: str,
        period: str = "hourly",
        at: datetime | float | None = None,
        top: int = 10,
    ) -> Stats:
        """The hour or day that `at` lies in, None for the present one; one picture of it.

        top: how many top users; so many are read, not all.
        """
        one_of("period", period, tuple(PERIODS))
        whole("top", top)
        moment = self._now(event_type) if at is None else _microseconds(at)
        events, users, ranked = self._bucket(event_type, period, _start(period, moment))
        pipe = self.client.pipeline(transaction=True)
        pipe.get(events)
        pipe.execute_command("PFCOUNT", users)  # a Cluster's pipeline refuses its pfcount()
        pipe.zrange(ranked, 0, top - 1, desc=True, withscores=True)
        total, unique, best = pipe.execute()
        total = int(total or 0)
        return Stats(
            total_events=total,
            unique_users=unique,
            top_users=[(text(user), int(count)) for user, count in best],
            average_per_user=total / unique if unique else 0.0,
        )

    def series(self, event_type: str, period: str, last: int) -> list[tuple[datetime, int, int]]:
        """(start in UTC, total events, unique users) of the last so many hours or days.

        Oldest first, the present one last; gaps, and what is older than the retention, as zeros.
        """
        one_of("period", period, tuple(PERIODS))
        width, now = PERIODS[period], self._now(event_type)
        newest = _start(period, now)
        oldest = newest - (whole("last", last) - 1) * width
        if oldest < 0:
            raise ValueError(f"last must not reach back before 1970, as {last} does")
        starts = range(oldest, newest + 1, width)
        kept = [start for start in starts if start + width + self.retention > now / 1_000_000]
        pipe = self.client.pipeline(transaction=True)
        for start in kept:
            events, users, _ = self._bucket(event_type, period, start)
            pipe.get(events)
            pipe.execute_command("PFCOUNT", users)
        replies = pipe.execute()
        counted = dict(zip(kept, zip(replies[::2], replies[1::2], strict=True), strict=True))
        return [
            (datetime.fromtimestamp(start, UTC), int(total or 0), unique)
            for start in starts
            for total, unique in [counted.get(start, (0, 0))]
        ]

    def active_users(self, event_type: str, within: float) -> list[str]:
        """Who had an event in the last `within` seconds (at most the retention), latest first."""
        if positive("within", within) > self.retention:
            raise ValueError(f"within must be at most the retention, {self.retention:g} s")
        active, _ = self._rolling(event_type)
        since = self._now(event_type) - math.floor(within * 1_000_000)
        return [
            text(user)
            for user in self.client.zrange(active, "+inf", since, desc=True, byscore=True)
        ]

    def recent(self, event_type: str, count: int) -> list[dict[str, Any]]:
        """The events that arrived last, latest first, of those that are kept.

        Each with event_type, user_id, properties ({} where there were none) and at (UTC datetime).
        """
        whole("count", count)
        _, recent = self._rolling(event_type)
        since = self._now(event_type) // 1000 - self._limits[0]
        entries: Any = self.client.xrevrange(recent, "+", max(0, since), count)
        return [_event(event_type, fields) for _, fields in entries]

    def __repr__(self) -> str:
        return f"<RealTimeAnalytics {self.namespace!r}, kept for {self.retention:g} s>"

    def _now(self, event_type: str) -> int:
        """The time in µs of the server that has the event type."""
        whole_seconds, rest = _NOW(self.client, self._rolling(event_type)[:1])
        return int(whole_seconds) * 1_000_000 + int(rest)

    def _as_json(self, user_id: str, properties: dict[str, Any] | None) -> str:
        escaped(user_id, "user_id")
        if properties is not None and not isinstance(properties, dict):
            raise TypeError(f"properties must be a dict, not {type(properties).__name__}")
        try:
            stored = _JSON.encode(properties or {})
        except (TypeError, ValueError) as error:
            raise type(error)(f"properties must be what JSON can hold: {error}") from error
        if (size := len(stored) + len(user_id.encode())) > self.max_bytes:
            raise ValueTooLarge(f"user_id and properties: {size} bytes, limit {self.max_bytes}")
        return stored


def _event(event_type: str, fields: dict[Any, Any]) -> dict[str, Any]:
    entry = {text(name): text(value) for name, value in fields.items()}
    return {
        "event_type": event_type,
        "user_id": entry["user"],
        "properties": json.loads(entry["properties"]),
        "at": _EPOCH + timedelta(microseconds=int(entry["at"])),
    }


def _start(period: str, moment: int) -> int:
    """Where the hour or day of a moment (µs) begins, in unix seconds: UTC has no other days."""
    seconds_since = moment // 1_000_000
    return seconds_since - seconds_since % PERIODS[period]


def _microseconds(at: datetime | float) -> int:
    if isinstance(at, datetime):
        if at.utcoffset() is None:
            raise ValueError("at must be an aware datetime: a naive one has no place in time")
        return (at - _EPOCH) // timedelta(microseconds=1)
    if not 0 <= number("at", at) < _YEAR_10000:
        raise ValueError(f"at must be unix seconds from 1970 to 9999, not {at}: milliseconds?")
    return math.floor(at * 1_000_000)
