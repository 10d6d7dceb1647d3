"""What each topology consists of: its nodes, their first roles, their directives. Plain data.

Nothing here knows how a server is started, or how nodes are joined.
"""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

SERVICE = "mymaster"
PEER = "peer-"
LAB_USER = "lab"


@dataclass(frozen=True)
class NodeSpec:
    """A node before it runs: role is its first one."""

    name: str
    role: str


@dataclass(frozen=True)
class Login:
    """Whom a client logs in as; the password is random for each lab."""

    user: str = "default"
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    def options(self) -> dict[str, str]:
        """Keyword arguments for redis-py."""
        return {"username": self.user, "password": self.password} if self.password else {}


@dataclass(frozen=True)
class Shape:
    """A topology as data.

    settings: seconds and counts that formation needs (down_after, node_timeout, spares).
    config: the caller's redis.conf directives for the data nodes.
    users: (password, rules) by name; where there are any, the default user is off.
    login: whom the lab itself logs in as.
    """

    name: str
    nodes: tuple[NodeSpec, ...]
    config: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, float] = field(default_factory=dict)
    users: dict[str, tuple[str, str]] = field(default_factory=dict)
    clustered: bool = False
    tls: bool = False
    mutual: bool = False
    login: Login = field(default_factory=Login)
    peer_password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


SECURE_USERS = {
    "admin": "~* &* +@all",
    "app": "~app:* &app:* +@all -@admin -@dangerous",
    "reader": "~* &* +@read +@connection -@dangerous",
}

# Ours to choose: a caller who set them would get a lab that can't be reached or is not private.
RESERVED = {
    "aclfile", "bind", "cluster-config-file", "cluster-enabled", "cluster-node-timeout",
    "cluster-port", "daemonize", "dir", "include", "loadmodule", "logfile", "masterauth",
    "masteruser", "pidfile", "port", "primaryauth", "primaryuser", "protected-mode", "replicaof",
    "requirepass", "slaveof", "syslog-enabled", "tls-port", "unixsocket", "user",
}  # fmt: skip


def named(kind: str, count: int, role: str) -> tuple[NodeSpec, ...]:
    """count nodes called kind-1, kind-2, …"""
    return tuple(NodeSpec(f"{kind}-{number}", role) for number in range(1, count + 1))


def data_nodes(primaries: int, replicas: int, spares: int = 0) -> tuple[NodeSpec, ...]:
    """The primaries first, then the replicas, then what a cluster may take in; numbered through."""
    roles = ["primary"] * primaries + ["replica"] * replicas + ["primary"] * spares
    return tuple(NodeSpec(f"redis-{number}", role) for number, role in enumerate(roles, start=1))


def directives(shape: Shape, spec: NodeSpec, tls: dict[str, str]) -> list[str]:
    """A node's configuration but for port, address and modules: those are the runner's.

    Nodes log in to each other as users of their own, one for each node: switching such a user off
    on one side and killing its connections cuts exactly that pair apart, while clients notice
    nothing.
    """
    me, others = f"{PEER}{spec.name}", [node for node in shape.nodes if node != spec]
    lines = [f"user {shape.login.user} on >{shape.login.password} ~* &* +@all"]
    if shape.users:
        lines.append("user default off")
    lines += [f"user {name} on >{word} {rules}" for name, (word, rules) in shape.users.items()]
    lines += [f"user {PEER}{node.name} on >{shape.peer_password} ~* &* +@all" for node in others]
    if spec.role == "sentinel":
        lines += [f"sentinel sentinel-user {me}", f"sentinel sentinel-pass {shape.peer_password}"]
        return lines
    if others:
        lines += [f"masteruser {me}", f"masterauth {shape.peer_password}"]
    ours: dict[str, Any] = {"save": '""', "appendonly": "no", **tls}
    # After a diskless copy, 7.0 sends a replica nothing for up to a second, and calls it online.
    ours |= {"repl-diskless-sync": "no", "repl-diskless-sync-delay": 0}
    if shape.clustered:
        ours["cluster-enabled"] = "yes"
        # CLUSTER SLOTS leaves out a replica that has not replicated a byte; a ping is some.
        ours["repl-ping-replica-period"] = 1
        ours["cluster-node-timeout"] = round(shape.settings["node_timeout"] * 1000)
    return lines + as_lines(ours | shape.config)


def checked_users(users: Any) -> dict[str, tuple[str, str]]:
    """(password, rules) by user name; a rule >secret is the password, else one is made up."""
    if users is not None and not isinstance(users, dict):
        raise TypeError(f"users: a dict of ACL rules by user name, not {type(users).__name__}")
    checked = {}
    for name, rules in (users or SECURE_USERS).items():
        if not re.fullmatch(r"[^\s\"'\\]+", str(name)) or name in ("default", LAB_USER):
            raise ValueError(f"users: {name!r} can't be the name of a user here")
        words = str(rules).split()
        given = [word[1:] for word in words if word.startswith(">")]
        rest = [word for word in words if not word.startswith(">") and word not in ("on", "off")]
        checked[name] = (given[-1] if given else secrets.token_hex(16), " ".join(rest))
    return checked


def as_lines(config: dict[str, Any]) -> list[str]:
    """redis.conf lines; a list gives a line for each value, True and False are yes and no."""
    lines = []
    for name, value in config.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            text = ("no", "yes")[one] if isinstance(one, bool) else str(one)
            lines.append(f"{name} {text}" if text else f'{name} ""')
    return lines


def checked_config(config: Any) -> dict[str, Any]:
    """The caller's directives, refused by name where they would break the lab."""
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise TypeError(f"config: a dict of redis.conf directives, not {type(config).__name__}")
    for name, value in config.items():
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            raise ValueError(f"config: {name!r} is no name of a directive")
        if name.lower() in RESERVED:
            raise ValueError(f"config: {name!r} is the lab's own to choose")
        if any(c in line for line in as_lines({name: value}) for c in "\n\r\0"):
            raise ValueError(f"config: the value of {name!r} has a line break")
    return {name.lower(): value for name, value in config.items()}
