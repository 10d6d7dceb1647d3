"""What is missing until a topology is in order, asked of every server that is in service.

Each function answers in words, and with an empty string when nothing is missing. A node that was
killed, paused or cut off is not in service: the others must have come to terms with that.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from redis.exceptions import RedisError

from redis_lab.lab.node import Node
from redis_lab.lab.shapes import SERVICE

UNSOUND = {"s_down", "o_down", "disconnected", "failover_in_progress"}
Address = tuple[str, int]


def in_service(nodes: Iterable[Node]) -> list[Node]:
    """Those that were not killed, paused or cut off."""
    return [node for node in nodes if node.state == "up"]


def answering(nodes: Iterable[Node]) -> str:
    """Every node in service answers, its data loaded."""
    return next(filter(None, map(silence, in_service(nodes))), "")


def silence(node: Node) -> str:
    """Why a node does not answer; empty when it does."""
    try:
        node.ask("PING")
    except RedisError as error:
        return f"{node.name}: {error}"
    return ""


# replication


def replication(primary: Node, data: Sequence[Node]) -> str:
    """Every other node in service replicates this primary; both ends say that the link is up."""
    if primary.state != "up":
        return f"the primary, {primary.name}, is {primary.state}"
    try:
        seen = primary.info("replication")
        online = sum("state=online" in value for name, value in seen.items() if name[:5] == "slave")
        replicas = [node for node in in_service(data) if node is not primary]
        if seen["role"] != "master":
            return f"{primary.name} is not a primary yet"
        for node in replicas:
            state = node.info("replication")
            if state["role"] != "slave" or _primary_of(state) != primary.internal_address:
                return f"{node.name} does not replicate {primary.name}"
            if state["master_link_status"] != "up":
                return f"the link of {node.name} to {primary.name} is down"
        if online < len(replicas):
            return f"{primary.name} sees {online} of {len(replicas)} replicas online"
    except RedisError as error:
        return str(error)
    return ""


def _primary_of(replication_info: dict[str, str]) -> Address:
    return replication_info["master_host"], int(replication_info["master_port"])


def leader(data: Sequence[Node]) -> Node | None:
    """The primary of a replica set: one in service if any, the one that most replicas follow.

    Where that does not tell two primaries apart, the one that took over last leads.
    """
    roles = {node: node.role for node in data}
    followed = Counter(node.primary_address for node in data if roles[node] == "replica")
    primaries = [node for node in data if roles[node] == "primary"]
    return max(
        primaries,
        key=lambda node: (node.state == "up", followed[node.internal_address], node.promoted),
        default=None,
    )


# Sentinel


def named_primary(sentinels: Sequence[Node]) -> Address | None:
    """The address that the majority of the Sentinels that answer names; None without one."""
    votes = Counter(filter(None, map(vote, sentinels)))
    if not votes:
        return None
    address, count = votes.most_common(1)[0]
    return address if count * 2 > votes.total() else None


def vote(sentinel: Node) -> Address | None:
    """The address that one Sentinel names; None if it names none or does not answer."""
    try:
        host, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
    except (RedisError, TypeError):
        return None
    return host, int(port)


def sentinel_group(sentinels: Sequence[Node], data: Sequence[Node]) -> str:
    """All Sentinels in service see the same primary, its replicas, each other, and a quorum."""
    watching, replicas = in_service(sentinels), in_service(data)
    if len(watching) * 2 <= len(sentinels):
        return f"{len(watching)} of {len(sentinels)} Sentinels in service are no majority"
    address = named_primary(watching)
    primary = next((node for node in data if node.internal_address == address), None)
    if primary is None:
        return "no majority of the Sentinels names a primary"
    if missing := replication(primary, data):
        return missing
    expected = {node.internal_address for node in replicas if node is not primary}
    for sentinel in watching:
        try:
            seen = as_dict(sentinel.ask("SENTINEL", "MASTER", SERVICE))
            doubts = UNSOUND & set(seen["flags"].split(","))
            if doubts or (seen["ip"], int(seen["port"])) != address:
                return f"{sentinel.name} sees {seen['ip']}:{seen['port']} as {seen['flags']}"
            if unseen := expected - _sound_replicas(sentinel):
                return f"{sentinel.name} does not see the replicas at {_ports(unseen)} as sound"
            others = map(as_dict, sentinel.ask("SENTINEL", "SENTINELS", SERVICE))
            sound = sum(not UNSOUND & set(other["flags"].split(",")) for other in others)
            if sound < len(watching) - 1:
                return f"{sentinel.name} sees {sound} of {len(watching) - 1} other Sentinels"
            sentinel.ask("SENTINEL", "CKQUORUM", SERVICE)
        except RedisError as error:
            return f"{sentinel.name}: {error}"
    return ""


def _sound_replicas(sentinel: Node) -> set[Address]:
    replicas = map(as_dict, sentinel.ask("SENTINEL", "REPLICAS", SERVICE))
    return {
        (seen["ip"], int(seen["port"]))
        for seen in replicas
        if not UNSOUND & set(seen["flags"].split(",")) and seen["master-link-status"] == "ok"
    }


def _ports(addresses: Iterable[Address]) -> str:
    return ", ".join(str(port) for _, port in sorted(addresses))


def as_dict(reply: Any) -> dict[str, str]:
    """A map reply, also where the server sent it as a flat list."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
