"""One server of a topology, and what can be asked of it."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import redis
from redis.exceptions import RedisError

from redis_lab.lab import clients
from redis_lab.lab.shapes import Login, NodeSpec

PATIENCE = 0.2
LONG_PATIENCE = 20.0
ROLES = {"master": "primary", "slave": "replica", "sentinel": "sentinel"}


class Node:
    """A Redis or Sentinel server. Its name never says a role, since roles change.

    host, port: as this machine dials it; internal_host, internal_port: as the other nodes do.
    pid: its process here, or None; container: its container, or None. folder: where its
    configuration and data lie on this machine, or None. promoted: when failover() made it the
    primary of a replica set without Sentinels, in seconds since 1970, or 0.0.
    """

    def __init__(
        self,
        spec: NodeSpec,
        host: str,
        port: int,
        login: Login,
        extra: dict[str, Any] | None = None,
        internal: tuple[str, int] | None = None,
    ):
        self.name = spec.name
        self.host = host
        self.port = port
        self.internal_host, self.internal_port = internal or (host, port)
        self.login = login
        self.bus_port: int | None = None
        self.pid: int | None = None
        self.container: str | None = None
        self.folder: Path | None = None
        self.paused = False
        self.cut_off = False
        self.promoted = 0.0
        self.last_role = spec.role
        self._extra = extra or {}
        self._is_alive: Callable[[], bool] | None = None
        self._read_log: Callable[[int], str] = lambda lines: ""
        self._connected: dict[float, redis.Redis] = {}

    @property
    def address(self) -> tuple[str, int]:
        """Host and port as this machine dials them."""
        return self.host, self.port

    @property
    def internal_address(self) -> tuple[str, int]:
        """Host and port as the other nodes dial them."""
        return self.internal_host, self.internal_port

    @property
    def role(self) -> str:
        """The role it has now: primary, replica or sentinel; without an answer, the last known."""
        with contextlib.suppress(RedisError, IndexError, TypeError):
            self.last_role = ROLES[self.ask("ROLE")[0]]
        return self.last_role

    @property
    def primary_address(self) -> tuple[str, int] | None:
        """Host and port of the primary that a replica follows, as the nodes see it; else None."""
        with contextlib.suppress(RedisError, IndexError, TypeError):
            answer = self.ask("ROLE")
            if answer[0] == "slave":
                return answer[1], int(answer[2])
        return None

    @property
    def alive(self) -> bool:
        """Whether the server exists; a paused one does, it answers nobody."""
        return self._is_alive() if self._is_alive else self._answers()

    @property
    def state(self) -> str:
        """ "up", "down", "paused" or "cut off"."""
        if not self.alive:
            return "down"
        return "paused" if self.paused else "cut off" if self.cut_off else "up"

    @property
    def _place(self) -> dict[str, Any]:
        return {"host": self.host, "port": self.port, **self.login.options(), **self._extra}

    @property
    def url(self) -> str:
        """With user and password, for redis.from_url and redis-cli -u."""
        return self.url_for(self.login)

    def url_for(self, login: Login) -> str:
        """The same for another user."""
        user, password = quote(login.user, safe=""), quote(login.password, safe="")
        authority = f"{user}:{password}@" if password else ""
        if path := self._extra.get("unix_socket_path"):
            return f"unix://{authority}{path}"
        if not self._extra.get("ssl"):
            return f"redis://{authority}{self.host}:{self.port}"
        files = {name: value for name, value in self._extra.items() if name != "ssl"}
        return f"rediss://{authority}{self.host}:{self.port}/0?{urlencode(files)}"

    def client(self, **kwargs: Any) -> redis.Redis:
        """A redis-py client of this server, with the defaults of redis_lab.lab.clients."""
        return redis.Redis(**clients.options(**(self._place | kwargs)))

    def async_client(self, **kwargs: Any) -> Any:
        """The same for redis.asyncio."""
        return redis.asyncio.Redis(**clients.async_options(**(self._place | kwargs)))

    def ask(self, *command: str | int) -> Any:
        """The reply to one command as the server sent it; an answer must come within 0.2 s."""
        return self._execute(PATIENCE, command)

    def tell(self, *command: str | int) -> Any:
        """The same for a command that changes something or may take long: up to 20 s."""
        return self._execute(LONG_PATIENCE, command)

    def _execute(self, patience: float, command: tuple[str | int, ...]) -> Any:
        if self.paused or (self._is_alive and not self._is_alive()):
            raise redis.ConnectionError(f"{self.name} is {self.state}")
        client = self._connected.get(patience)
        if client is None:
            client = self.client(
                socket_timeout=patience, socket_connect_timeout=patience, client_name="redis-lab"
            )
            client.response_callbacks.clear()
            self._connected[patience] = client
        return client.execute_command(*command)

    def info(self, section: str, patience: float = PATIENCE) -> dict[str, str]:
        """One section of INFO, values as text."""
        said = self._execute(patience, ("INFO", section))
        lines = (line.partition(":") for line in said.splitlines())
        return {name: value for name, colon, value in lines if colon}

    def log(self, lines: int = 20) -> str:
        """The last lines that the server logged."""
        return self._read_log(lines)

    def hang_up(self) -> None:
        """Close the connections that asking and telling use."""
        connected, self._connected = self._connected, {}
        for client in connected.values():
            # What another thread is asking just now goes on to its end.
            client.connection_pool.disconnect(inuse_connections=False)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except RedisError:
            return False

    def __repr__(self) -> str:
        return f"<Node {self.name} {self.last_role} {self.host}:{self.port} {self.state}>"
