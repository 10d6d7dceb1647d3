"""Event and Snapshot, and how they are written into Redis and read again: see event_store."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from redis_lab.patterns.keys import text

_ID = re.compile(r"\d+-\d+", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """Something that happened to an aggregate.

    id: orders all events of a namespace; version: counts from 1 in the aggregate; data: as JSON
    gives it back; at: the server's time in UTC, which goes back when its clock does.
    """

    id: str
    aggregate_id: str
    version: int
    type: str
    data: Any
    at: datetime


class Snapshot(NamedTuple):
    """The state of an aggregate after the event of that version."""

    state: Any
    version: int


def of_all(entry: tuple[Any, dict[Any, Any]]) -> Event:
    """The event in an entry of the stream of all events."""
    number, fields = text(entry[0]), _decoded(entry[1])
    return _event(number, fields["aggregate"], int(fields["version"]), fields)


def of_aggregate(aggregate_id: str, entry: tuple[Any, dict[Any, Any]]) -> Event:
    """The event in an entry of that aggregate's stream, where entry IDs are versions."""
    version, fields = text(entry[0]).partition("-")[0], _decoded(entry[1])
    return _event(fields["id"], aggregate_id, int(version), fields)


def time(microseconds: Any) -> datetime:
    """UTC of microseconds since 1970, as number or reply."""
    return _EPOCH + timedelta(microseconds=int(microseconds))


def position(after: Any) -> str:
    """The stream ID to go on from. Raises TypeError, ValueError for what is no Event.id."""
    if after is None:
        return "0-0"
    if not isinstance(after, str):
        raise TypeError(f"after must be an Event.id or None, not {type(after).__name__}")
    if not _ID.fullmatch(after):
        raise ValueError(f"after must be an Event.id such as 1700000000000-0, not {after!r}")
    return after


def _event(number: str, aggregate_id: str, version: int, fields: dict[str, str]) -> Event:
    data = json.loads(fields["data"])
    return Event(number, aggregate_id, version, fields["type"], data, time(fields["at"]))


def _decoded(fields: dict[Any, Any]) -> dict[str, str]:
    if "data" in fields:  # the client decodes
        return fields
    return {name.decode(): value.decode() for name, value in fields.items()}
