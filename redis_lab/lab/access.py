"""How a topology is reached: whom one logs in as, redis-py clients, the redis-cli line."""

import shlex
from typing import TYPE_CHECKING, Any

from redis_lab.errors import LabUnavailable
from redis_lab.lab import clients, health
from redis_lab.lab.node import Node
from redis_lab.lab.shapes import SERVICE, Login

if TYPE_CHECKING:
    from redis_lab.lab.topology import Topology


def login(lab: "Topology", user: str | None) -> Login:
    """The login of a user of the lab; without a name, the one that the learner gets."""
    if user in lab.users:
        return Login(user, lab.users[user])
    if user is None and lab.users:
        return Login(*next(iter(lab.users.items())))
    return lab._shape.login


def any_node(lab: "Topology") -> Node:
    """The primary, or the first data node while there is none."""
    try:
        return lab.primary
    except LabUnavailable:
        if lab.stopped:
            raise
        return lab.data_nodes[0]


def cli_line(lab: "Topology", node: Node) -> str:
    """What to paste into a terminal; the password stays out of the process list."""
    who = node.login if node in lab.sentinels else login(lab, None)
    words = ["redis-cli", "-h", node.host, "-p", str(node.port)]
    words += ["-c"] if lab._shape.clustered else []
    words += ["--user", who.user] if who.user != "default" else []
    words += lab.tls.cli_options() if lab.tls else []
    return f"REDISCLI_AUTH={shlex.quote(who.password)} {shlex.join(words)}"


def client(lab: "Topology", kwargs: dict[str, Any], asynchronous: bool = False) -> Any:
    """One that follows the primary, routes through the cluster, or talks to the one server."""
    options = login(lab, kwargs.get("username")).options() | kwargs
    tls = {name: how for name, how in lab.nodes[0]._extra.items() if name.startswith("ssl")}
    if lab.sentinels:
        # redis-py believes the first that answers: those that name the primary of most come first.
        named = health.named_primary(lab.sentinels)
        asked = sorted(lab.sentinels, key=lambda sentinel: health.vote(sentinel) != named)
        addresses = [sentinel.address for sentinel in asked]
        asking = asked[0].login.options() | tls
        named_otherwise = {
            node.internal_address: node.address
            for node in lab.data_nodes
            if node.internal_address != node.address
        }
        return clients.following(
            addresses, SERVICE, asking, tls | options, asynchronous, named_otherwise
        )
    if lab._shape.clustered:
        # redis-py takes the map of any of these: that of a node that is cut off is an old one.
        asked = health.in_service(lab.nodes) or list(lab.nodes)
        addresses = [node.address for node in asked]
        return clients.routing(addresses, tls | options, asynchronous)
    node = any_node(lab)
    return node.async_client(**options) if asynchronous else node.client(**options)
