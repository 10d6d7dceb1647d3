"""A cluster as its nodes see it, and what is missing until they all see the same.

Like health, each question is answered in words, and with an empty string when nothing is missing.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from redis_lab.lab.health import Address, in_service
from redis_lab.lab.node import Node

SLOTS = 16384


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

    @property
    def alone(self) -> bool:
        """It knows no other node and owns nothing: it belongs to no cluster."""
        return len(self.members) == 1 and not self.members[self.myself].slots

    @property
    def handshakes(self) -> bool:
        """A CLUSTER MEET is not through yet."""
        return any("handshake" in member.flags for member in self.members.values())

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
        host = host or node.internal_host  # a node that met no other does not know its own
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
        try:
            members = cluster_view(node).members.values()
        except RedisError as error:
            return f"{node.name}: {error}"
        known = {member.id for member in members if not member.gone}
        if known != set(ids):
            return f"{node.name} knows {len(known & set(ids))} of {len(ids)} nodes"
    return ""


def cluster_writable(nodes: Iterable[Node]) -> str:
    """Every node in service says that the cluster is ok and that its link is up."""
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
    """All in service agree on slots, roles and replicas, cover every slot, and serve.

    Those that belong to no cluster are not asked.
    """
    try:
        known = {node: cluster_view(node) for node in in_service(nodes)}
        if meeting := [node for node, view in known.items() if view.handshakes]:
            return f"{meeting[0].name} has met a node that it does not know yet"
        views = {node: view for node, view in known.items() if not view.alone}
        serving = list(views)
        if missing := cluster_writable(serving):
            return missing
        first = views[serving[0]]
        present = {member.id for member in first.members.values() if not member.gone}
        if unnoticed := present - {view.myself for view in views.values()}:
            return f"{len(unnoticed)} nodes out of service still count as sound"
        for node, view in views.items():
            if view.layout() != first.layout():
                return f"{node.name} and {serving[0].name} do not agree on slots and roles"
            if view.myself not in present:
                return f"{serving[0].name} does not see {node.name} as sound"
        slots = [
            ends for member in first.members.values() if not member.gone for ends in member.slots
        ]
        covered = sum(last - first + 1 for first, last in slots)
        if covered != SLOTS:
            return f"{SLOTS - covered} slots have no primary in service"
        if chained := copy_of_a_copy(first, serving):
            return chained
        replicas = {m.address for m in first.members.values() if m.primary_id != "-"}
        wanted = {node.internal_address for node in serving} & replicas
        for node in serving:
            shards = node.ask("CLUSTER", "SLOTS")
            if any(place[0] == "?" for shard in shards for place in shard[2:]):
                return f"{node.name} has not yet heard every node's host name"
            listed = {(str(place[0]), int(place[1])) for shard in shards for place in shard[3:]}
            if len(listed) < len(wanted):
                return f"{node.name} lists {len(listed)} of {len(wanted)} replicas in CLUSTER SLOTS"
    except (RedisError, IndexError) as error:
        return str(error)
    return ""


def copy_of_a_copy(view: View, nodes: Iterable[Node]) -> str:
    """Which replica copies a replica, and what mends it; empty if none does.

    For a moment after a failover that is the rule. Up to Redis 8.10 it may last: a sibling of the
    replica that took over stays with the old primary, can't be elected, and is in no CLUSTER SLOTS
    (redis/redis#15472).
    """
    names = {node.internal_address: node.name for node in nodes}
    for member in view.members.values():
        its = view.members.get(member.primary_id)
        if its and its.primary_id != "-" and not member.gone:
            name = names.get(member.address, member.id)
            return (
                f"{name} copies {names.get(its.address, its.id)}, a replica itself; where that "
                f"lasts (redis/redis#15472), CLUSTER REPLICATE {its.primary_id} on {name} ends it"
            )
    return ""


def slot_owners(nodes: Sequence[Node]) -> list[Address] | None:
    """Addresses of the slot owners, by first slot, as most of the reachable primaries name them."""
    votes: Counter[tuple[tuple[int, Address], ...]] = Counter()
    for node in nodes:
        try:
            view = cluster_view(node)
        except RedisError:
            continue
        if "master" in view.members[view.myself].flags and not view.alone:
            owners = [member for member in view.members.values() if member.slots]
            votes[tuple(sorted((owner.slots[0][0], owner.address) for owner in owners))] += 1
    named, count = (votes.most_common(1) or [((), 0)])[0]
    return [address for _, address in named] if count * 2 > votes.total() else None
