"""What is missing until a topology is in order, asked of every server that is in service.

Each function answers in words, and with an empty string when nothing is missing. A node that was
killed, paused or cut off is not in service: the others must have come to terms with that.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from redis_lab.lab.node import Node
from redis_lab.lab.shapes import SERVICE

SLOTS = 16384
UNSOUND = {"s_down", "o_down", "disconnected", "failover_in_progress"}
Address = tuple[str, int]


def in_service(nodes: Iterable[Node]) -> list[Node]:
    """Those that were not killed, paused or cut off."""
    return [node for node in nodes if node.state == "up"]


def answering(nodes: Iterable[Node]) -> str:
    """Every node in service answers, its data loaded."""
    for node in in_service(nodes):
        try:
            node.ask("PING")
        except RedisError as error:
            return f"{node.name}: {error}"
    return ""


# replication


def replication(primary: Node, data: Sequence[Node]) -> str:
    """Every other node in service replicates this primary, and both ends say that the link is up."""
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
    """The primary of a replica set: the one that most replicas follow, dead or alive."""
    roles = {node: node.role for node in data}
    followed = Counter(node.primary_address for node in data if roles[node] == "replica")
    primaries = [node for node in data if roles[node] == "primary"]
    return max(
        primaries,
        key=lambda node: (followed[node.internal_address], node.state == "up"),
        default=None,
    )


# Sentinel


def named_primary(sentinels: Sequence[Node]) -> Address | None:
    """The address that the majority of the Sentinels that answer names; None without one."""
    votes: Counter[Address] = Counter()
    for sentinel in sentinels:
        try:
            host, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
            votes[host, int(port)] += 1
        except (RedisError, TypeError):
            continue
    address, count = (votes.most_common(1) or [(None, 0)])[0]
    return address if count * 2 > votes.total() else None


def sentinel_group(sentinels: Sequence[Node], data: Sequence[Node]) -> str:
    """All Sentinels in service see the same primary, its replicas, each other, and a quorum."""
    watching, replicas = in_service(sentinels), in_service(data)
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
            if missing := expected - _sound_replicas(sentinel):
                return f"{sentinel.name} does not see the replicas at {_ports(missing)} as sound"
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


# Cluster


@dataclass(frozen=True)
class Member:
    """A line of CLUSTER NODES; slots are (first, last) ranges."""

    id: str
    address: Address
    flags: frozenset[str]
    primary_id: str
    slots: tuple[tuple[int, int], ...]

    @property
    def gone(self) -> bool:
        return bool(self.flags & {"fail", "fail?", "handshake", "noaddr"})


@dataclass(frozen=True)
class View:
    """The cluster as one node sees it."""

    myself: str
    members: dict[str, Member]

    def layout(self) -> frozenset[tuple[str, str, tuple[tuple[int, int], ...]]]:
        """Who owns or replicates what, without those that failed."""
        present = [member for member in self.members.values() if not member.gone]
        return frozenset((member.id, member.primary_id, member.slots) for member in present)


def cluster_view(node: Node) -> View:
    """What CLUSTER NODES says on this node."""
    members, myself = {}, ""
    for line in node.ask("CLUSTER", "NODES").splitlines():
        node_id, address, flags, primary, *_, link = line.split(" ", 8)[:8]
        host, _, port = address.partition("@")[0].rpartition(":")
        ranges = [part for part in line.split(" ")[8:] if not part.startswith("[")]
        ends = [part.partition("-")[::2] for part in ranges]
        slots = tuple((int(first), int(last or first)) for first, last in ends)
        names = frozenset(flags.split(",")) | ({"fail?"} if link != "connected" else set())
        members[node_id] = Member(node_id, (host, int(port)), names, primary, slots)
        if "myself" in names:
            myself = node_id
    return View(myself, members)


def all_met(nodes: Sequence[Node], ids: Collection[str]) -> str:
    """Every node knows every other by its id, no handshake pending."""
    for node in nodes:
        known = {member.id for member in cluster_view(node).members.values() if not member.gone}
        if known != set(ids):
            return f"{node.name} knows {len(known & set(ids))} of {len(ids)} nodes"
    return ""


def cluster_writable(nodes: Iterable[Node]) -> str:
    """Every node in service says that the cluster is ok and that its own link to its primary is up."""
    for node in in_service(nodes):
        try:
            if "cluster_state:ok" not in node.ask("CLUSTER", "INFO"):
                return f"{node.name} says that the cluster is down"
            replication = node.info("replication")
            if replication["role"] == "slave" and replication["master_link_status"] != "up":
                return f"the link of {node.name} to its primary is down"
        except RedisError as error:
            return f"{node.name}: {error}"
    return ""


def cluster_agrees(nodes: Sequence[Node]) -> str:
    """All in service agree on slots, roles and replicas, cover every slot, and serve."""
    serving = in_service(nodes)
    try:
        if missing := cluster_writable(serving):
            return missing
        views = {node: cluster_view(node) for node in serving}
        first = views[serving[0]]
        present = {member.id for member in first.members.values() if not member.gone}
        if unnoticed := present - {view.myself for view in views.values()}:
            return f"{len(unnoticed)} nodes out of service still count as sound"
        for node, view in views.items():
            if view.layout() != first.layout():
                return f"{node.name} and {serving[0].name} do not agree on slots and roles"
            if view.myself not in present:
                return f"{serving[0].name} does not see {node.name} as sound"
        slots = [ends for member in first.members.values() if not member.gone for ends in member.slots]
        covered = sum(last - first + 1 for first, last in slots)
        if covered != SLOTS:
            return f"{SLOTS - covered} slots have no primary in service"
        replicas = {m.address for m in first.members.values() if m.primary_id != "-"}
        wanted = {node.internal_address for node in serving} & replicas
        for node in serving:
            listed = {
                (str(place[0]), int(place[1]))
                for shard in node.ask("CLUSTER", "SLOTS")
                for place in shard[3:]
            }
            if len(listed) < len(wanted):
                return f"{node.name} lists {len(listed)} of {len(wanted)} replicas in CLUSTER SLOTS"
    except (RedisError, IndexError) as error:
        return str(error)
    return ""


def slot_owners(nodes: Sequence[Node]) -> list[Address] | None:
    """Addresses of the slot owners, by first slot, as most of the reachable primaries name them."""
    votes: Counter[tuple[tuple[int, Address], ...]] = Counter()
    for node in nodes:
        try:
            view = cluster_view(node)
        except RedisError:
            continue
        if "master" in view.members[view.myself].flags:
            owners = [member for member in view.members.values() if member.slots]
            votes[tuple(sorted((owner.slots[0][0], owner.address) for owner in owners))] += 1
    named, count = (votes.most_common(1) or [((), 0)])[0]
    return [address for _, address in named] if count * 2 > votes.total() else None
