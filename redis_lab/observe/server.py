"""What a server says of itself, as tables: INFO, the slow log, the times of its commands."""

from typing import Any

import pandas as pd
import redis
from redis.client import NEVER_DECODE

_PERCENTILES = {"p50": "p50_us", "p99": "p99_us", "p99.9": "p999_us"}


def info(client: redis.Redis, section: str = "everything") -> pd.Series:
    """One section of INFO as a Series: numbers as numbers, lists of k=v as dicts, the rest as text.

    section: as in INFO, such as "memory". ValueError for one that the server does not have.
    """
    fields = client.info(section)
    if not fields:
        raise ValueError(f"section: the server has no section {section!r}")
    return pd.Series(fields, dtype=object, name=section)


def latency(client: redis.Redis) -> pd.DataFrame:
    """A row for each command that has run: calls, mean_us, p50_us, p99_us, p999_us, failed.

    The server's own times, without waiting and without the way, in microseconds, since the last
    CONFIG RESETSTAT. The slowest in all come first.
    """
    counted = _by_command(info(client, "commandstats"), "cmdstat_")
    spread = _by_command(info(client, "latencystats"), "latency_percentiles_usec_")
    rows = [
        {
            "command": command,
            "calls": int(values["calls"]),
            "mean_us": values["usec_per_call"],
            **{name: spread.get(command, {}).get(p) for p, name in _PERCENTILES.items()},
            "failed": int(values.get("failed_calls", 0)),
            "usec": values["usec"],
        }
        for command, values in counted.items()
    ]
    frame = pd.DataFrame(rows).sort_values("usec", ascending=False, ignore_index=True)
    return frame.drop(columns="usec")


def slowlog(client: redis.Redis, count: int = 128) -> pd.DataFrame:
    """The slow log, newest first: id, at (UTC), us, command, client, name.

    us: microseconds of execution; which commands are kept is slowlog-log-slower-than.
    """
    entries: Any = client.execute_command("SLOWLOG", "GET", count, **_AS_SENT)
    rows = [
        {
            "id": number,
            "at": pd.Timestamp(at, unit="s", tz="UTC"),
            "us": took,
            "command": " ".join(_text(word) for word in words),
            "client": _text(address),
            "name": _text(name),
        }
        for number, at, took, words, address, name, *_ in entries
    ]
    return pd.DataFrame(rows, columns=["id", "at", "us", "command", "client", "name"])


_AS_SENT = {NEVER_DECODE: True}  # arguments in the log may be any bytes


def _by_command(fields: pd.Series, prefix: str) -> dict[str, dict[str, float]]:
    return {str(name).removeprefix(prefix): values for name, values in fields.items()}


def _text(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
