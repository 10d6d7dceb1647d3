"""How far the groups of a stream have come, and who holds what: a row for each group and entry."""

from typing import Any

import pandas as pd
import redis
from redis.utils import str_if_bytes

_COLUMNS = ["group", "entry", "state", "consumer", "deliveries", "idle_s"]


def deliveries(
    client: redis.Redis | redis.RedisCluster, stream: str, last: int = 100
) -> pd.DataFrame:
    """The newest `last` entries of a stream as each of its groups sees them, oldest first.

    Columns: group, entry (its ID), state, consumer, deliveries, idle_s (seconds since the last
    delivery). state: "waiting" (not delivered yet), "pending" (delivered to `consumer`, not
    acknowledged) or "done" (acknowledged, or read with NOACK); consumer is "" and deliveries 0
    unless an entry is pending. Entries that are pending but no longer in the stream come with the
    state "deleted". A moment's picture of several commands: what moves meanwhile may be seen twice.
    Raises ValueError for a key that is no stream, or a last below 1.
    """
    if last < 1:
        raise ValueError(f"last: 1 or more, not {last}")
    if str_if_bytes(client.type(stream)) != "stream":
        raise ValueError(f"stream: {stream!r} is none")
    newest: Any = client.xrevrange(stream, count=last)
    entries = [str_if_bytes(entry) for entry, _ in reversed(newest)]
    rows = []
    for group in client.xinfo_groups(stream):
        name = str_if_bytes(group["name"])
        reached = _order(str_if_bytes(group["last-delivered-id"]))
        held = _held(client, stream, name, entries)
        gone = held.keys() - set(entries)
        for entry in sorted([*entries, *gone], key=_order):
            state = "waiting" if _order(entry) > reached else "done"
            if entry in held:
                state = "deleted" if entry in gone else "pending"
            rows.append((name, entry, state, *held.get(entry, ("", 0, 0.0))))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _held(client: Any, stream: str, group: str, entries: list[str]) -> dict[str, tuple[Any, ...]]:
    """Consumer, deliveries and idle seconds of what is pending from the first of these on."""
    first = entries[0] if entries else "-"
    pending: Any = client.xpending_range(
        stream, group, first, "+", count=max(100, 10 * len(entries))
    )
    return {
        str_if_bytes(one["message_id"]): (
            str_if_bytes(one["consumer"]),
            one["times_delivered"],
            one["time_since_delivered"] / 1000,
        )
        for one in pending
    }


def _order(entry: str) -> tuple[int, int]:
    ms, _, number = entry.partition("-")
    return int(ms), int(number)
