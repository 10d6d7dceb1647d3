"""The hash slots of a cluster as a table: who owns each, where it is going, what it holds."""

from typing import Any

import pandas as pd
from redis.exceptions import RedisError

SLOTS = 16384
_BATCH = 4096


def slots(lab: Any) -> pd.DataFrame:
    """A row for each slot, in order: node, to, keys.

    lab: a Topology of a cluster. node: the name of the owner, "" without one; to: the name of the
    node to which the owner is moving it slot by slot (CLUSTER SETSLOT … MIGRATING), else "";
    keys: what the owner counts in it (CLUSTER COUNTKEYSINSLOT), None if the owner doesn't answer.
    Owners are those of the node that knows of most. Raises RedisError if none answers.
    """
    names = {node.internal_address: node.name for node in lab.data_nodes}
    told = {node.name: lines for node in lab.data_nodes if (lines := _members(node))}
    if not told:
        raise RedisError("no node of the cluster answers")
    member_names = {line[0]: name for name, lines in told.items() for line in lines if _own(line)}
    # A node that belongs to no cluster yet knows of no owners.
    known = max(told.values(), key=lambda lines: sum(len(line) > 8 for line in lines))
    for line in known:
        member_names.setdefault(line[0], names.get(_address(line), line[1]))
    table = pd.DataFrame({"node": "", "to": "", "keys": None}, index=range(SLOTS))
    table.index.name = "slot"
    for line in known:
        for part in line[8:]:
            if not part.startswith("["):
                first, _, last = part.partition("-")
                table.loc[int(first) : int(last or first), "node"] = member_names[line[0]]
    for lines in told.values():
        for mark in (part for line in lines if _own(line) for part in line[8:]):
            slot, leaving, where = mark.strip("[]").partition("->-")
            if leaving:
                table.loc[int(slot), "to"] = member_names[where]
    for node in lab.data_nodes:
        owned = table.index[table.node == node.name]
        if len(owned) and node.name in told:
            table.loc[owned, "keys"] = _counts(node, owned)
    return table.astype({"keys": "Int64"})


def _members(node: Any) -> list[list[str]]:
    """The lines of CLUSTER NODES in words; none if the node doesn't answer."""
    try:
        return [line.split() for line in node.ask("CLUSTER", "NODES").splitlines()]
    except RedisError:
        return []


def _own(line: list[str]) -> bool:
    return "myself" in line[2].split(",")


def _address(line: list[str]) -> tuple[str, int]:
    host, _, port = line[1].partition("@")[0].rpartition(":")
    return host, int(port)


def _counts(node: Any, owned: pd.Index) -> list[int]:
    counts: list[int] = []
    with node.client() as client:
        for start in range(0, len(owned), _BATCH):
            pipe = client.pipeline(transaction=False)
            for slot in owned[start : start + _BATCH]:
                pipe.execute_command("CLUSTER COUNTKEYSINSLOT", int(slot))
            counts += pipe.execute()
    return counts
