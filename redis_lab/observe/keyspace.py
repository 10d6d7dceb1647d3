"""What keys cost and how they are stored, asked of the server key by key."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pandas as pd
import redis
from redis.utils import str_if_bytes

_BATCH = 1000
# What counts the items of a value; a type not named here has none to count.
_LENGTHS = {
    "string": "STRLEN", "list": "LLEN", "hash": "HLEN", "set": "SCARD", "zset": "ZCARD",
    "stream": "XLEN",
}  # fmt: skip
_COLUMNS = ["key", "type", "encoding", "items", "bytes", "bytes_per_item"]


def memory(client: redis.Redis | redis.RedisCluster, pattern: str = "*") -> pd.DataFrame:
    """A row for each key that matches: key, type, encoding, items, bytes, bytes_per_item.

    bytes: MEMORY USAGE with SAMPLES 0, every item counted, key and overhead included. items: of a
    string its bytes, None where the type has none to count. The largest come first. A key that
    vanishes meanwhile is left out. Slow on large keys: it is for looking, not for production.
    """
    rows: list[dict[str, Any]] = []
    for keys in _batches(client, pattern):
        kinds = [str_if_bytes(kind) for kind in _ask(client, [("TYPE", key) for key in keys])]
        stored = _ask(client, [("OBJECT", "ENCODING", key) for key in keys])
        pairs = zip(kinds, keys, strict=True)
        counts = _ask(client, [(_LENGTHS.get(kind, "TYPE"), key) for kind, key in pairs])
        sizes = _ask(client, [("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys])
        told = zip(keys, kinds, stored, counts, sizes, strict=True)
        for key, kind, encoding, count, size in told:
            if isinstance(size, int):
                items = count if kind in _LENGTHS and isinstance(count, int) else None
                rows.append(
                    {
                        "key": str_if_bytes(key),
                        "type": kind,
                        "encoding": str_if_bytes(encoding),
                        "items": items,
                        "bytes": size,
                        "bytes_per_item": size / items if items else None,
                    }
                )
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    return frame.sort_values("bytes", ascending=False, ignore_index=True)


def encodings(client: redis.Redis | redis.RedisCluster, pattern: str = "*") -> pd.DataFrame:
    """How the matching keys are stored: a row for each type and encoding, with keys, items, bytes.

    Counted by memory(), of which this is the sum.
    """
    grouped = memory(client, pattern).groupby(["type", "encoding"])
    summed = grouped.agg(keys=("key", "size"), items=("items", "sum"), bytes=("bytes", "sum"))
    return summed.sort_values("bytes", ascending=False).reset_index()


def _batches(client: Any, pattern: str) -> Iterator[list[Any]]:
    seen: set[Any] = set()  # SCAN may give a key twice
    found = (key for key in client.scan_iter(match=pattern, count=_BATCH) if key not in seen)
    while batch := list(dict.fromkeys(islice(found, _BATCH))):
        seen.update(batch)
        yield batch


def _ask(client: Any, commands: list[tuple[Any, ...]]) -> list[Any]:
    """The replies, an error reply among them as it is; keys may vanish or change their type."""
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)
    return pipe.execute(raise_on_error=False)
