"""A topology: servers that run, what can be asked of them, and every way to break them."""

import contextlib
import os
import time
from typing import Any

from redis.exceptions import RedisError

from redis_lab.errors import LabUnavailable
from redis_lab.lab import access, drawing, faults, guard, handover, partition, state
from redis_lab.lab.events import LabEvent, all_events
from redis_lab.lab.node import Node
from redis_lab.lab.servers import Server
from redis_lab.lab.shapes import Shape


class Topology:
    """Redis servers that this process started (or, attached, found), as one object.

    A context manager; it also stops when the kernel ends, however that ends. Seconds are floats.
    nodes: all of them, in start order; server: the program they run (see redis_lab.lab.servers).
    """

    def __init__(self, shape: Shape, runner: Any, server: Server, detached: bool = False):
        self._shape = shape
        self._runner = runner
        self.nodes: tuple[Node, ...] = ()
        self._faults: list[LabEvent] = []
        self._groups: list[frozenset[Node]] = []
        self.detached = detached
        self._pid = os.getpid()
        self.stopped = False
        self.server = server

    # what it is

    @property
    def id(self) -> str:
        """The name under which `redis-lab status` and `redis-lab down` know it."""
        return self._runner.lab_id

    @property
    def shape(self) -> str:
        """ "standalone", "replicated", "sentinel", "cluster", "secure" or "attached"."""
        return self._shape.name

    @property
    def server_version(self) -> str:
        """The version that the servers report, such as "8.10.2"."""
        return self.server.version

    @property
    def tls(self) -> Any:
        """Paths of the certificates (redis_lab.lab.tls.TLSFiles), or None without TLS."""
        return self._runner.tls

    @property
    def users(self) -> dict[str, str]:
        """Passwords by name of ACL user; of a secure lab only."""
        return {name: password for name, (password, _) in self._shape.users.items()}

    @property
    def sentinels(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.last_role == "sentinel")

    @property
    def data_nodes(self) -> tuple[Node, ...]:
        """All nodes but the Sentinels."""
        return tuple(node for node in self.nodes if node.last_role != "sentinel")

    @property
    def replicas(self) -> tuple[Node, ...]:
        """Data nodes whose role is "replica" now."""
        return tuple(node for node in self.data_nodes if node.role == "replica")

    @property
    def primaries(self) -> tuple[Node, ...]:
        """The primary; on a cluster all slot owners, ordered by their first slot.

        Raises LabUnavailable while the servers name none.
        """
        self._require_running()
        return state.primaries(self)

    @property
    def primary(self) -> Node:
        """The node that takes the writes; on a cluster the owner of the lowest slots.

        With Sentinels, the one that most of them name; LabUnavailable while there is none.
        """
        return self.primaries[0]

    def node(self, name: str) -> Node:
        """The node of that name. Raises KeyError that lists the names."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(f"no node {name!r}; there are {', '.join(n.name for n in self.nodes)}")

    @property
    def url(self) -> str:
        """With user and password, of the primary as it is now."""
        return access.any_node(self).url_for(access.login(self, None))

    def cli(self, node: Node | str | None = None) -> str:
        """A redis-cli line for a terminal, to that node or the primary; it shows the password."""
        return access.cli_line(self, self._resolve(node) if node else access.any_node(self))

    @property
    def events(self) -> list[LabEvent]:
        """Faults done, role changes seen and what the Sentinels logged, in order of time."""
        return all_events(self._faults, () if self.stopped else self.nodes)

    # clients

    def client(self, **kwargs: Any) -> Any:
        """A redis-py client that follows the primary (Sentinel), or routes (cluster).

        kwargs go to redis-py. By default: decode_responses, protocol 3, timeouts of 2 s, and no
        retries, since redis-py can't know whether a command that failed was applied. With username=
        the password of a user of this lab is filled in.
        """
        self._require_running()
        return access.client(self, kwargs)

    def async_client(self, **kwargs: Any) -> Any:
        """The same for redis.asyncio."""
        self._require_running()
        return access.client(self, kwargs, asynchronous=True)

    # faults

    def kill(self, node: Node | str) -> None:
        """SIGKILL. Killing a dead node does nothing."""
        faults.kill(self, self._resolve(node))

    def pause(self, node: Node | str) -> None:
        """SIGSTOP: the server keeps its connections and answers nobody."""
        faults.pause(self, self._resolve(node))

    def resume(self, node: Node | str) -> None:
        """End a pause. A node that isn't paused goes on as it was."""
        faults.resume(self, self._resolve(node))

    def restart(self, node: Node | str, server: Server | str | None = None) -> None:
        """Start a dead node again, or stop a living one first (SIGTERM); same port and data.

        server: another one for it from now on, of lab.servers.at_hand() or by its path (processes
        only). Where that can't start, LabUnavailable says why, and the node is down.
        """
        faults.restart(self, self._resolve(node), server)

    def failover(self, node: Node | str | None = None) -> None:
        """Hand over in good order: to that replica, or from that primary (the default); waits."""
        handover.failover(self, self._resolve(node) if node else self.primary)

    def partition(self, *nodes: Node | str) -> None:
        """Cut these nodes off from the others, not from each other; clients reach both sides."""
        faults.require_own(self)
        partition.partition(self, [self._resolve(node) for node in nodes])

    def heal(self) -> None:
        """End every partition."""
        faults.require_own(self)
        faults.reunite(self, partition.heal(self))

    def tool(self, node: Node | str, program: str, *arguments: str) -> str:
        """Run redis-check-aof or redis-check-rdb of the same server in the folder of a node.

        Returns what it printed; asked whether it may go on, it is told yes. It is meant for the
        files of a dead node: lab.kill(node) first, lab.restart(node) after.
        """
        faults.require_own(self)
        if program not in ("redis-check-aof", "redis-check-rdb"):
            raise ValueError(f"program: redis-check-aof or redis-check-rdb, not {program!r}")
        return self._runner.tool(self._resolve(node), program, arguments)

    def flush(self) -> None:
        """Delete all keys, on the servers that this lab started."""
        faults.flush(self)

    def wait_healthy(self, timeout: float = 15.0) -> float:
        """Ask until the servers in service are in order: a primary all agree on, links up.

        Nodes that were killed, paused or cut off are left out. Where only the routine of Sentinel
        is waited for (it looks at known replicas every 10 s), it is asked to look more often
        meanwhile. Returns the seconds waited; raises LabUnavailable that says what is missing.
        """
        self._require_running()
        return state.wait_healthy(self, timeout)

    def stop(self) -> None:
        """Kill every server and remove the lab's folder. A second time does nothing."""
        if self.stopped or self._pid != os.getpid():
            return
        self.stopped = True
        try:
            self._faults = all_events(self._faults, self.nodes)
            self._record("stop")
            for node in self.nodes:
                node.hang_up()
        finally:
            self._runner.stop()
            if not self._runner.foreign:
                guard.forget(self.id)

    def __enter__(self) -> "Topology":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # inside

    def _note(self, **addresses: str) -> None:
        """Keep the list of running labs up to date; nothing outlives us before it has started."""
        note = {
            "shape": self.shape,
            "server": str(self.server),
            "owner": guard.owner(),
            "detached": self.detached and bool(addresses["url"]),
            "backend": self._runner.backend,
            "folder": str(self._runner.folder),
            "nodes": [[node.name, node.port, node.pid] for node in self.nodes],
        }
        guard.write_note(self.id, {**note, **addresses})

    def _record(self, kind: str, node: Node | None = None, detail: str = "") -> None:
        self._faults.append(LabEvent(time.time(), node.name if node else "", kind, detail))

    def _resolve(self, node: Node | str) -> Node:
        if isinstance(node, str):
            return self.node(node)
        if node not in self.nodes:
            raise ValueError(f"{node!r} is not a node of this lab")
        return node

    def _require_running(self) -> None:
        if self.stopped:
            raise LabUnavailable(f"this {self.shape} lab was stopped; start another one")

    def __repr__(self) -> str:
        nodes = "stopped" if self.stopped else state.summary(self)
        return f"<{self.shape} lab, {self.server.name} {self.server_version}: {nodes}>"

    def _repr_html_(self) -> str:
        with contextlib.suppress(RedisError):
            return drawing.as_html(self)
        return repr(self)
