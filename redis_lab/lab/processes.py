"""The runner that starts redis-server children of this process, and breaks them with signals.

It knows no topology: it is given names, roles and lines of configuration. Every server has a free
port that is never 6379, and works in a folder of its own, by which the guard finds it.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil
from redis.exceptions import RedisError

from redis_lab.errors import LabUnavailable
from redis_lab.lab import guard
from redis_lab.lab.node import Node
from redis_lab.lab.servers import Server
from redis_lab.lab.shapes import Login, NodeSpec
from redis_lab.lab.starting import (
    HOST,
    START_TIMEOUT,
    TOOL_TIMEOUT,
    InvalidConfig,
    ask_to_end,
    complaint,
    free_port,
    make_folder,
)
from redis_lab.lab.tls import TLSFiles
from redis_lab.lab.waiting import wait_until


class Processes:
    """redis-server processes on 127.0.0.1, in one private temporary folder."""

    backend = "process"
    foreign = False
    refuses_flush = False

    def __init__(self, lab_id: str, server: Server, modules: Sequence[str] = ()):
        self.lab_id = lab_id
        self.server = server
        self.folder = Path(tempfile.gettempdir(), f"{guard.PREFIX}{lab_id}")
        self.tls: TLSFiles | None = None
        self._load = [path for module, path in server.module_files if module in modules]
        self._servers: dict[str, Server] = {}  # of nodes that were restarted with another one
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._log_starts: dict[str, int] = {}
        self._pid = os.getpid()

    def prepare(self, tls: bool, mutual: bool) -> None:
        """Make the lab's folder, and certificates where they are needed."""
        self.tls = make_folder(self.folder, tls, mutual)

    def launch(self, specs: dict[NodeSpec, list[str]], login: Login) -> list[Node]:
        """Start a server for each, with its configuration; all answer when this returns."""
        nodes = [self._node(spec, lines, login) for spec, lines in specs.items()]
        for node, (spec, lines) in zip(nodes, specs.items(), strict=True):
            self._until_it_answers(node, spec, lines)
        return nodes

    def kill(self, node: Node) -> None:
        """SIGKILL, and wait until the process is gone."""
        _kill(self._children[node.name])
        self._wait_gone(node, START_TIMEOUT)

    def pause(self, node: Node) -> None:
        """SIGSTOP, and wait until the process is stopped."""
        self._signal(node, signal.SIGSTOP)
        process = psutil.Process(node.pid)
        wait_until(
            lambda: "" if (status := process.status()) == psutil.STATUS_STOPPED else status,
            START_TIMEOUT,
            f"{node.name} paused",
            every=0.001,
        )

    def resume(self, node: Node) -> None:
        """SIGCONT."""
        self._signal(node, signal.SIGCONT)

    def restart(self, node: Node, server: Server | None = None) -> None:
        """SIGTERM where it runs, then start it (or that server) again on its port and data."""
        if server:
            self._servers[node.name] = server
        if node.alive:
            self._signal(node, signal.SIGCONT)
            ask_to_end(lambda: self._signal(node, signal.SIGTERM), lambda: self._runs(node), node)
        node.hang_up()
        self._spawn(node)
        self._check(node)

    def tool(self, node: Node, program: str, arguments: Sequence[str]) -> str:
        """The program beside the server, or the server under the name that makes it the program."""
        server = self._servers.get(node.name, self.server)
        beside = Path(shutil.which(server.path) or server.path).with_name(program)
        done = subprocess.run(
            [program, *arguments],
            executable=beside if beside.is_file() else server.path,
            cwd=node.folder,
            input="y\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TOOL_TIMEOUT,
        )
        return done.stdout

    def stop(self) -> None:
        """Kill all servers at once and remove the folder; there is nothing here to save."""
        for child in self._children.values():
            _kill(child)
        for child in self._children.values():
            child.wait()
        guard.remove_folder(self.folder)

    def can_partition(self, shape: str) -> str:
        """Why partition can't be done here, or an empty string."""
        return "the cluster bus has no users to switch off" if shape == "cluster" else ""

    def _node(self, spec: NodeSpec, lines: list[str], login: Login) -> Node:
        node = Node(spec, HOST, 0, login, self.tls.client_options() if self.tls else None)
        node._is_alive = lambda: self._runs(node)
        node._read_log = lambda count: self._log(node, count)
        self._write_config(node, lines)
        self._spawn(node)
        return node

    def _write_config(self, node: Node, lines: list[str]) -> None:
        node.port = node.internal_port = free_port()
        node.bus_port = free_port() if "cluster-enabled yes" in lines else None
        here = [f"bind {HOST}", "protected-mode yes", "daemonize no"]
        here += ["port 0", f"tls-port {node.port}"] if self.tls else [f"port {node.port}"]
        if node.bus_port:
            here.append(f"cluster-port {node.bus_port}")
        if node.last_role != "sentinel":
            here += [f'loadmodule "{path}"' for path in self._load]
        folder = node.folder = self.folder / node.name
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / "redis.conf"
        path.touch(mode=0o600)
        path.write_text("\n".join([*here, *lines, ""]))

    def _spawn(self, node: Node) -> None:
        folder = self.folder / node.name
        server = self._servers.get(node.name, self.server)
        command = [server.path, "./redis.conf"]
        command += ["--sentinel"] if node.last_role == "sentinel" else []
        try:
            with (folder / "redis.log").open("ab") as log:
                self._log_starts[node.name] = log.tell()
                # Its own session: a notebook's Stop button interrupts the kernel's group.
                child = subprocess.Popen(
                    command,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    umask=0o077,
                )
        except OSError as error:
            raise LabUnavailable(f"{server.path} can't be started: {error}") from error
        self._children[node.name] = child
        node.pid, node.paused = child.pid, False

    def _until_it_answers(self, node: Node, spec: NodeSpec, lines: list[str]) -> None:
        for _ in range(20):
            try:
                return self._check(node)
            except PortTaken:
                node.hang_up()
                self._write_config(node, lines)
                self._spawn(node)
        raise LabUnavailable(f"{spec.name}: 20 ports in a row were taken by other programs")

    def _check(self, node: Node) -> None:
        wait_until(lambda: self._not_ready(node), START_TIMEOUT, f"start of {node.name}", 0.002)

    def _not_ready(self, node: Node) -> str:
        child = self._children[node.name]
        if child.poll() is not None:
            raise self._obituary(node)
        try:
            said = node.info("server")
            node.ask("PING")  # refused while data are loaded
        except RedisError as error:
            node.hang_up()
            return str(error)
        if int(said["process_id"]) != child.pid:
            return f"port {node.port} belongs to another server"
        return ""

    def _obituary(self, node: Node) -> Exception:
        """Why a server ended as soon as it was started, in its own words."""
        log = (self.folder / node.name / "redis.log").read_bytes()
        said = log[self._log_starts[node.name] :].decode(errors="replace")
        if re.search("Address already in use|Failed listening|Could not create server", said):
            return PortTaken(
                f"{node.name}: port {node.port} was taken by another program meanwhile"
            )
        words, fatal = complaint(said)
        last = words or said.strip() or "nothing. Is there room in TMPDIR?"
        server = self._servers.get(node.name, self.server)
        text = f"{node.name} did not start; {server} says: {last}"
        return (InvalidConfig if fatal else LabUnavailable)(text)

    def _signal(self, node: Node, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._children[node.name].send_signal(number)

    def _wait_gone(self, node: Node, timeout: float) -> None:
        try:
            self._children[node.name].wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabUnavailable(f"{node.name} does not end; its log: {node.log(3)}") from None

    def _runs(self, node: Node) -> bool:
        child = self._children.get(node.name)
        if os.getpid() != self._pid:  # a forked child can't wait for the children of its parent
            return child is not None and psutil.pid_exists(child.pid)
        return child is not None and child.poll() is None

    def _log(self, node: Node, count: int) -> str:
        with contextlib.suppress(FileNotFoundError):  # as after stop()
            log = (self.folder / node.name / "redis.log").read_text(errors="replace")
            return "\n".join(log.splitlines()[-count:])
        return ""


def _kill(child: subprocess.Popen[bytes]) -> None:
    """The server and what it forked; not once it was waited for: its number is free then."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)


class PortTaken(LabUnavailable):
    """Another program took the port between our choice and the server's start."""
