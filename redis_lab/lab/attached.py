"""A server, a Sentinel group or a cluster that runs elsewhere, seen as a topology.

The lab reads it, hands out clients for it, and breaks nothing on it.
"""

from collections.abc import Iterable
from typing import Any

from redis.connection import parse_url
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from redis_lab.errors import LabUnavailable
from redis_lab.lab import health, slots
from redis_lab.lab.node import Node
from redis_lab.lab.servers import Server
from redis_lab.lab.shapes import SERVICE, Login, NodeSpec, Shape, named

Address = tuple[str, int]
PATIENCE = 5.0


class Foreign:
    """Stands where a runner would: it starts nothing and stops nothing."""

    backend = "attached"
    foreign = True
    lab_id = ""
    tls = None

    def __init__(self, refuses_flush: bool):
        self.refuses_flush = refuses_flush

    def stop(self) -> None:
        """Leave the servers as they are."""


def find(url: str) -> tuple[Shape, tuple[Node, ...], Server]:
    """What runs at this URL: its nodes as they are now, and what the server says of itself.

    Raises ValueError for what is no Redis URL, LabUnavailable where nothing answers or the login
    fails.
    """
    first = _node_at(url)
    try:
        said = first.info("server", PATIENCE)
        if said["redis_mode"] == "cluster":
            view = slots.cluster_view(first)
            _is_known_as(first, view.members[view.myself].address)
            nodes = [first, *_others(first, [each.address for each in view.members.values()])]
        elif said["redis_mode"] == "sentinel":
            nodes = _sentinel_group(first)
        else:
            nodes = [first, *_others(first, _replicas_of(first))]
            for replica in nodes[1:]:
                _is_known_as(first, replica.primary_address)
    except AuthenticationError as error:
        what = "refuses the login in" if first.login.password else "wants user:password@ in"
        raise LabUnavailable(f"{_place(first)} {what} the URL: {error}") from error
    except ResponseError as error:
        raise LabUnavailable(f"{_place(first)} says: {error}") from error
    except RedisError as error:
        raise LabUnavailable(
            f"no Redis server answers at {_place(first)} ({error}). Is it running? "
            "rl.standalone() starts one here."
        ) from error
    shape = Shape(
        "attached",
        tuple(NodeSpec(node.name, node.role) for node in nodes),
        clustered=said["redis_mode"] == "cluster",
        login=first.login,
    )
    return shape, tuple(nodes), _described(said)


def _node_at(url: str) -> Node:
    try:
        options: dict[str, Any] = dict(parse_url(url))
        options.pop("connection_class", None)
        login = Login(options.pop("username", "default"), options.pop("password", ""))
        host, port = options.pop("host", "localhost"), options.pop("port", 6379)
        if path := options.pop("path", None):
            options["unix_socket_path"] = path
        if url.startswith("rediss://"):
            options["ssl"] = True
        node = Node(NodeSpec("redis-1", "primary"), host, port, login, options)
        node.client().close()
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"url: {url!r} is no redis://, rediss:// or unix:// address") from error
    return node


def _is_known_as(node: Node, address: Address | None) -> None:
    """Note under which address the others dial a node, which the URL may call localhost."""
    if address and address[0]:
        node.internal_host, node.internal_port = address


def _others(first: Node, places: Iterable[Address], start: int = 2) -> list[Node]:
    extra = {name: value for name, value in first._extra.items() if name != "unix_socket_path"}
    rest = [place for place in dict.fromkeys(places) if place != first.internal_address]
    specs = named("redis", len(rest) + start - 1, "replica")[start - 1 :]
    return [Node(spec, *place, first.login, extra) for spec, place in zip(specs, rest, strict=True)]


def _replicas_of(node: Node) -> list[Address]:
    role = node.tell("ROLE")
    return [(host, int(port)) for host, port, _ in role[2]] if role[0] == "master" else []


def _sentinel_group(first: Node) -> list[Node]:
    """The nodes of the one service that the Sentinel watches, data nodes first."""
    services = [health.as_dict(each) for each in first.tell("SENTINEL", "MASTERS")]
    if len(services) != 1 or services[0]["name"] != SERVICE:
        names = ", ".join(each["name"] for each in services) or "nothing"
        raise LabUnavailable(f"this Sentinel watches {names}; the lab expects one, {SERVICE}")
    primary = (services[0]["ip"], int(services[0]["port"]))
    replicas = _places(first.tell("SENTINEL", "REPLICAS", SERVICE))
    sentinels = [first.address, *_places(first.tell("SENTINEL", "SENTINELS", SERVICE))]
    data = _others(first, [primary, *replicas], start=1)
    specs = named("sentinel", len(sentinels), "sentinel")
    watchers = [
        Node(spec, *place, first.login, first._extra)
        for spec, place in zip(specs, sentinels, strict=True)
    ]
    return [*data, *watchers]


def _places(reply: list[Any]) -> list[Address]:
    return [(each["ip"], int(each["port"])) for each in map(health.as_dict, reply)]


def _described(said: dict[str, str]) -> Server:
    name = "valkey" if "valkey_version" in said else "redis"
    version = said.get("valkey_version", said["redis_version"])
    return Server(said.get("executable", ""), name, version, said.get("mem_allocator", ""))


def _place(node: Node) -> str:
    return node._extra.get("unix_socket_path") or f"{node.host}:{node.port}"
