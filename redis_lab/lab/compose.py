"""The runner that starts containers from the compose files in docker/, and breaks them.

Like processes.py it knows no topology. A node's configuration and data lie in the lab's private
folder, which its container sees as /data; its port is the same inside and outside, on 127.0.0.1.
Nodes talk over the network `bus`; a node disconnected from it is still reached by clients.
"""

import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from redis_lab.errors import LabUnavailable
from redis_lab.lab import engine, guard
from redis_lab.lab.node import Node
from redis_lab.lab.project import compose, project, project_file
from redis_lab.lab.servers import Server
from redis_lab.lab.shapes import Login, NodeSpec
from redis_lab.lab.starting import (
    HOST,
    START_TIMEOUT,
    InvalidConfig,
    ask_to_end,
    complaint,
    free_port,
    make_folder,
)
from redis_lab.lab.tls import TLSFiles
from redis_lab.lab.waiting import wait_until

BUS_PORT = 16379
TRIES = 10
FRESH = 0.1  # seconds for which one listing of the containers serves all questions


class Containers:
    """redis-server containers of one Compose project, and the private folder they work in."""

    backend = "docker"
    foreign = False
    refuses_flush = False

    def __init__(self, lab_id: str, server: Server, shape: str):
        self.lab_id = lab_id
        self.server = server
        self.folder = Path(tempfile.gettempdir(), f"{guard.PREFIX}{lab_id}")
        self.tls: TLSFiles | None = None
        self._shape = shape
        self._project = f"{guard.PREFIX}{lab_id}"
        self._net = ""
        self._listed: dict[str, dict[str, Any]] = {}
        self._listed_at = 0.0

    def prepare(self, tls: bool, mutual: bool) -> None:
        """Make the lab's folder, and certificates where they are needed; remove what was left."""
        if gone := engine.abandoned():
            engine.remove(gone)
        self.tls = make_folder(self.folder, tls, mutual)

    def launch(self, specs: dict[NodeSpec, list[str]], login: Login) -> list[Node]:
        """Start a container for each, with its configuration; all answer when this returns."""
        file = project_file(self._shape)
        for attempt in range(1, TRIES + 1):
            nodes = self._nodes(specs, login, "bus" in file["networks"])
            for node, lines in zip(nodes, specs.values(), strict=True):
                self._write_config(node, lines)
            try:
                self._up(file, nodes)
                break
            except engine.Clash as error:
                engine.remove({self.lab_id})
                if attempt == TRIES:
                    raise LabUnavailable(
                        f"{TRIES} choices of ports and addresses in a row were taken: {error}"
                    ) from error
        for node in nodes:
            self._until_it_answers(node)
        if self.tls:  # an image may keep another server for it
            version = nodes[0].info("server")["redis_version"]
            self.server = replace(self.server, version=version)
        return nodes

    def kill(self, node: Node) -> None:
        """SIGKILL to the server, which is the container's first process; wait until it is gone."""
        self._order("kill", node, signal="SIGKILL")
        wait_until(
            lambda: "it runs" if self._runs(node, 0.0) else "",
            START_TIMEOUT,
            f"end of {node.name}",
            0.005,
        )

    def pause(self, node: Node) -> None:
        """Freeze every process of the container."""
        self._order("pause", node)

    def resume(self, node: Node) -> None:
        """Let it go on."""
        self._order("unpause", node)

    def restart(self, node: Node) -> None:
        """SIGTERM where it runs, then start it again on its port and data."""
        if node.paused:
            self._order("unpause", node)
        if self._runs(node, 0.0):
            term = partial(self._order, "kill", node, signal="SIGTERM")
            ask_to_end(term, partial(self._runs, node, 0.0), node)
        node.hang_up()
        self._order("start", node)
        if node.cut_off:
            self.separate({node}, [node])
        node.paused = False
        self._until_it_answers(node)

    def tool(self, node: Node, program: str, arguments: Sequence[str]) -> str:
        """The program of the image, in a container of its own that sees the node's folder."""
        return engine.run(
            self.server.path,
            ["sh", "-c", 'yes | "$0" "$@"', program, *arguments],
            self.lab_id,
            user=f"{os.getuid()}:{os.getgid()}",
            folder=node.folder,
        )

    def stop(self) -> None:
        """Remove containers, networks and the folder; there is nothing here to save."""
        engine.remove({self.lab_id})
        guard.remove_folder(self.folder)

    def can_partition(self, shape: str) -> str:
        """Nothing speaks against it."""
        return ""

    def cuts_by_network(self, nodes: Sequence[Node], clustered: bool) -> bool:
        """Whether these are cut off from the bus: one node, or as many as it may be of a cluster.

        Nodes of a cluster that are cut off together don't reach each other either.
        """
        return clustered or len(nodes) == 1

    def separate(self, cut: set[Node], nodes: Sequence[Node]) -> None:
        """Disconnect these nodes from the bus, and connect all others."""
        bus = f"{self._project}_bus"
        for node in nodes:
            seen = self._seen(node, 0.0)
            if not seen:
                continue  # somebody removed its container
            on_bus = bus in seen["NetworkSettings"]["Networks"]
            with engine.calls(f"partition of {node.name}") as api:
                if node in cut and on_bus:
                    api.disconnect_container_from_network(node.container, bus, force=True)
                elif node not in cut and not on_bus:
                    address = node.internal_host
                    api.connect_container_to_network(node.container, bus, ipv4_address=address)

    def _order(self, verb: str, node: Node, **options: Any) -> None:
        """Tell the engine to do this to a container."""
        with engine.calls(f"{verb} {node.name}") as api:
            getattr(api, verb)(node.container, **options)
        self._listed_at = 0.0

    def _seen(self, node: Node, fresh: float = FRESH) -> dict[str, Any]:
        """A container as the engine lists it, so many seconds ago at most; empty if it is gone."""
        if time.monotonic() - self._listed_at > fresh:
            now, listed = time.monotonic(), engine.containers({self.lab_id})
            self._listed = {each["Names"][0].lstrip("/"): each for each in listed}
            self._listed_at = now
        return self._listed.get(str(node.container), {})

    def _nodes(self, specs: dict[NodeSpec, list[str]], login: Login, bus: bool) -> list[Node]:
        self._net = f"10.{random.randint(200, 249)}.{random.randint(0, 255)}"
        ports: set[int] = set()
        while len(ports) < len(specs):
            ports.add(free_port())
        nodes = []
        for number, (spec, port) in enumerate(zip(specs, ports, strict=True), start=11):
            inside = (f"{self._net}.{number}", port) if bus else None
            tls = self.tls.client_options() if self.tls else None
            node = Node(spec, HOST, port, login, tls, inside)
            node.container = f"{self._project}-{spec.name}-1"
            node.bus_port = BUS_PORT if self._shape == "cluster" else None
            node._is_alive = partial(self._runs, node)
            node._read_log = partial(self._log, node)
            nodes.append(node)
        return nodes

    def _write_config(self, node: Node, lines: list[str]) -> None:
        here = ["bind * -::*", "protected-mode no", "daemonize no"]
        here += ["port 0", f"tls-port {node.port}"] if self.tls else [f"port {node.port}"]
        if self._shape == "cluster":
            here += [f"cluster-port {BUS_PORT}", f"cluster-announce-ip {node.internal_host}"]
            here += ["cluster-announce-hostname 127.0.0.1"]
            here += ["cluster-preferred-endpoint-type hostname"]
        elif node.last_role == "sentinel":
            here += [f"sentinel announce-ip {node.internal_host}"]
        elif node.internal_host != HOST:
            # A cut link is silent: both ends give it up after this time, by default a minute.
            here += [f"replica-announce-ip {node.internal_host}", "repl-timeout 10"]
            here += ["repl-ping-replica-period 1"]
        folder = node.folder = self.folder / node.name
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / "redis.conf"
        path.touch(mode=0o600)
        path.write_text("\n".join([*here, *lines, ""]))

    def _up(self, file: dict[str, Any], nodes: Sequence[Node]) -> None:
        subnet = f"{self._net}.0/24"
        document = project(file, nodes, self._project, subnet, self.folder, self.server.path)
        orders = ("-f", "-", "up", "-d", "--pull", "never")
        compose(*orders, document=json.dumps(document), folder=self.folder)

    def _runs(self, node: Node, fresh: float = FRESH) -> bool:
        try:
            return self._seen(node, fresh).get("State") in engine.ALIVE
        except LabUnavailable:
            return False

    def _until_it_answers(self, node: Node) -> None:
        wait_until(partial(self._not_ready, node), START_TIMEOUT, f"start of {node.name}", 0.005)

    def _not_ready(self, node: Node) -> str:
        try:
            node.ask("PING")  # refused while data are loaded
        except RedisError as error:
            node.hang_up()
            if not self._runs(node):
                raise self._obituary(node) from None
            return str(error)
        return ""

    def _obituary(self, node: Node) -> Exception:
        words, fatal = complaint(self._log(node, 50))
        text = f"{node.name} did not start; {self.server} says: {words or 'nothing'}"
        return (InvalidConfig if fatal else LabUnavailable)(text)

    def _log(self, node: Node, count: int) -> str:
        try:
            with engine.calls("log") as api:
                return api.logs(node.container, tail=count).decode(errors="replace").rstrip()
        except LabUnavailable:
            return ""
