"""Who copies whom in a lab, how far each has come, and how it got there: INFO as one table."""

import re
from typing import Any

import pandas as pd
from redis.exceptions import RedisError

COLUMNS = [
    "role", "follows", "link", "replid", "offset", "behind", "full", "partial", "refused",
]  # fmt: skip


def replication(lab: Any) -> pd.DataFrame:
    """A row for each data node, by name.

    role: as the node sees itself; "" if it doesn't answer, and then the rest is missing. follows:
    the node it copies from. link: up, down or copying (a full copy is under way), of replicas.
    replid: the first eight letters. offset: bytes of the stream that it has applied, or as a
    primary produced. behind: bytes behind the node at the top of its chain, which is asked last:
    under writes it counts what came in between; missing if that one doesn't answer or has another
    replid. full, partial, refused: copies, continuations and refused continuations that it gave
    to others (sync_full, sync_partial_ok, sync_partial_err).
    """
    names = {node.internal_address: node.name for node in lab.data_nodes}
    rows: dict[str, dict[str, Any]] = {}
    for node in reversed(lab.data_nodes):  # as a rule the first is the primary: last
        try:
            rows[node.name] = _row(node.info("replication"), node.info("stats"), names)
        except RedisError:
            rows[node.name] = {"role": "", "follows": "", "link": "", "replid": ""}
    for name, row in rows.items():
        top = rows.get(_top(name, rows), {})
        if top.get("role") == "primary" and top["replid"] == row["replid"]:
            row["behind"] = max(0, top["offset"] - row["offset"])
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS).iloc[::-1]
    numbers = dict.fromkeys(COLUMNS[4:], "Int64")
    return frame.astype(numbers).rename_axis("node")


def distance(primary: Any, replica: Any) -> dict[str, float]:
    """How far a replica (node) is behind its primary (node), seen in three ways; for a Recorder.

    lag_field: lag of INFO on the primary, seconds since the last report. behind_as_reported_bytes:
    by the offset of that report. behind_when_asked_bytes: by what the replica itself says, after
    the primary; missing (nan) if it doesn't answer. The first two are missing if the primary does
    not list it.
    """
    said, nothing = primary.info("replication", patience=2.0), float("nan")
    listed = (value for name, value in said.items() if re.fullmatch(r"slave\d+", name))
    fields = (dict(part.split("=") for part in value.split(",")) for value in listed)
    own = [each for each in fields if int(each["port"]) == replica.internal_port]
    end = int(said["master_repl_offset"])
    try:
        applied = float(replica.info("replication")["slave_repl_offset"])
    except (RedisError, KeyError):
        applied = nothing
    return {
        "lag_field": float(own[0]["lag"]) if own else nothing,
        "behind_as_reported_bytes": float(end - int(own[0]["offset"])) if own else nothing,
        "behind_when_asked_bytes": max(0.0, end - applied) if applied == applied else nothing,
    }


def _row(said: dict[str, str], stats: dict[str, str], names: dict[Any, str]) -> dict[str, Any]:
    replica = said["role"] == "slave"
    link = said.get("master_link_status", "")
    if said.get("master_sync_in_progress") == "1":
        link = "copying"
    address = (said.get("master_host"), int(said.get("master_port", 0)))
    return {
        "role": "replica" if replica else "primary",
        "follows": names.get(address, ":".join(map(str, address))) if replica else "",
        "link": link,
        "replid": said["master_replid"][:8],
        "offset": int(said["slave_repl_offset" if replica else "master_repl_offset"]),
        "full": int(stats["sync_full"]),
        "partial": int(stats["sync_partial_ok"]),
        "refused": int(stats["sync_partial_err"]),
    }


def _top(name: str, rows: dict[str, dict[str, Any]]) -> str:
    """The last known node upwards; a frozen one in the middle hides what is above it: the only
    primary that answers is taken then."""
    seen = set()
    while name not in seen and rows.get(name, {}).get("follows"):
        seen.add(name)
        name = rows[name]["follows"]
    if rows.get(name, {}).get("role"):
        return name
    primaries = [each for each, row in rows.items() if row["role"] == "primary"]
    return primaries[0] if len(primaries) == 1 else name
