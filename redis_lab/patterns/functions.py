"""Libraries of Redis Functions, kept by version on every primary.

Unlike scripts, functions live as long as the data: replicas and AOF carry them, an empty server and
a new primary of a Cluster have none. A library is text that opens with `#!lua name=…` and has a
line `-- version: N`. Promised: of any number of FunctionLibrary, no older one replaces a newer. Not
promised: that against FUNCTION LOAD by other means in the same instant.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import WatchError

from redis_lab.errors import RedisLabError, VersionConflict
from redis_lab.patterns.keys import text

_NAME = re.compile(r"#!lua[ \t]+name=(\w+)\s", re.ASCII | re.IGNORECASE)
_VERSION = re.compile(r"^--\s*version:\s*(\d+)\s*$", re.MULTILINE)
_TURN_MS = 60_000


@dataclass(frozen=True)
class LibraryState:
    """What a primary has of a library.

    node: "host:port"; state: "missing", "current", "older", "newer" or "drifted", which is other
    code under the same version, or code without one; version: the server's, None where it has none.
    """

    node: str
    state: Literal["missing", "current", "older", "newer", "drifted"]
    version: int | None


class FunctionLibrary:
    """A library of Redis Functions: `FunctionLibrary(client, source).load()`, then client.fcall.

    client: Redis or RedisCluster; source: Lua text, such as
        #!lua name=board
        -- version: 2
        redis.register_function('gate', function(keys, args) … end)
    Raises ValueError for text without a name or a version.
    """

    def __init__(self, client: Redis | RedisCluster, source: str):
        if not isinstance(source, str):
            raise TypeError(f"source must be a str, not {type(source).__name__}")
        name, version = _NAME.match(source), _version(source)
        if not name:
            raise ValueError("source must open with a line such as #!lua name=mylib")
        if version is None:
            raise ValueError("source must have a line such as -- version: 1")
        self.client, self.source, self.name, self.version = client, source, name[1], version

    def status(self) -> list[LibraryState]:
        """What each primary has: one row a node, by its address."""
        return [self._state(name, node) for name, node, _ in self._primaries()]

    def load(self, replace: bool = False) -> list[LibraryState]:
        """Load it where it is missing, put it in the place of older ones; what was there before.

        Raises VersionConflict where there is a newer one, and RedisLabError where there is other
        code under this version: nothing is loaded anywhere then. replace=True replaces these too.
        A server that refuses the code raises redis-py's ResponseError.
        """
        for found in self.status():
            self._check(found, replace)
        return [self._load(*primary, replace) for primary in self._primaries()]

    def _load(self, name: str, node: Redis, turn: str, replace: bool) -> LibraryState:
        """Look and load in one transaction: who loads writes `turn`, which stops all others."""
        while True:
            with node.pipeline() as pipeline:
                pipeline.watch(turn)
                found = self._state(name, node)
                self._check(found, replace)
                if found.state == "current":
                    return found
                pipeline.multi()
                pipeline.function_load(self.source, replace=True)
                pipeline.set(turn, self.version, px=_TURN_MS)
                try:
                    pipeline.execute()
                except WatchError:
                    continue
                return found

    def _state(self, name: str, node: Redis) -> LibraryState:
        code = _code(node.function_list(library=self.name, withcode=True))
        if code is None:
            return LibraryState(name, "missing", None)
        if code == self.source:
            return LibraryState(name, "current", self.version)
        version = _version(code)
        if version is None or version == self.version:
            return LibraryState(name, "drifted", version)
        return LibraryState(name, "older" if version < self.version else "newer", version)

    def _check(self, found: LibraryState, replace: bool) -> None:
        if found.state == "newer" and found.version is not None and not replace:
            advice = f"library {self.name} on {found.node} is newer: load(replace=True)?"
            raise VersionConflict(self.version, found.version, advice)
        if found.state == "drifted" and not replace:
            raise RedisLabError(
                f"library {self.name} on {found.node} has other code, version {found.version}: "
                f"compare them, then give this one a higher version or load(replace=True)"
            )

    def _primaries(self) -> Iterator[tuple[str, Redis, str]]:
        """Each primary's address, a client of it, and a key that lives there."""
        client = self.client
        if not isinstance(client, RedisCluster):
            yield _address(client), client, f"{{{self.name}}}:turn"
            return
        for primary in client.get_primaries():
            turns = (f"{{{self.name}:{number}}}:turn" for number in itertools.count())
            turn = next(each for each in turns if client.get_node_from_key(each) == primary)
            yield primary.name, client.get_redis_connection(primary), turn

    def __repr__(self) -> str:
        return f"<FunctionLibrary {self.name} version {self.version}>"


def _address(client: Redis) -> str:
    pool = client.connection_pool
    options = pool.connection_kwargs
    if "port" in options:
        return f"{options.get('host', 'localhost')}:{options['port']}"
    return str(options.get("path") or getattr(pool, "service_name", "primary"))


def _version(source: str) -> int | None:
    found = _VERSION.search(source)
    return int(found[1]) if found else None


def _code(reply: Any) -> str | None:
    """The code in a reply to FUNCTION LIST, of either protocol, as text or bytes."""
    if not reply:
        return None
    fields = reply[0]
    if not isinstance(fields, dict):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    return next(text(value) for key, value in fields.items() if text(key) == "library_code")
