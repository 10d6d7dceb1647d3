"""Lua scripts of this package, called by their hash and never lost.

A script is found by name in patterns/lua and runs by EVALSHA. Where the server does not know it (a
first call, SCRIPT FLUSH, a restart, a failover, another node of a Cluster), EVAL sends the source:
that runs and remembers it in the same trip.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.cluster import ClusterPipeline, RedisCluster
from redis.exceptions import NoScriptError

from redis_lab.patterns.functions import FunctionLibrary as FunctionLibrary

Client = Redis | RedisCluster


def checked_client(client: Any) -> Client:
    """The client. Raises TypeError for a pipeline, one of redis.asyncio, or no client at all."""
    if not isinstance(client, Redis | RedisCluster) or _is_pipeline(type(client)):
        kind = f"{type(client).__module__}.{type(client).__name__}"
        raise TypeError(f"client must be a redis.Redis or RedisCluster, not {kind}")
    return client


@cache
def _is_pipeline(kind: type) -> bool:
    """Asked once for each class: redis-py's are Protocols, and their isinstance takes 1 µs."""
    return issubclass(kind, Pipeline | ClusterPipeline)


class Script:
    """A Lua script as a callable: `script("gcra")(client, keys, args)`.

    name: of its file; source: Lua; sha: the SHA1 in hex by which EVALSHA knows it.
    """

    def __init__(self, name: str, source: str):
        self.name = name
        self.source = source
        self.sha = hashlib.sha1(source.encode()).hexdigest()

    def __call__(self, client: Client, keys: Sequence[Any] = (), args: Sequence[Any] = ()) -> Any:
        """Run it; the reply as Redis gives it, or the pipeline when client is one.

        In a pipeline it travels as EVAL: whether a hash is known there shows only when it is too
        late to put the source in its place. On a Cluster all keys must be in one slot.
        """
        if _is_pipeline(type(client)):
            return client.execute_command("EVAL", self.source, len(keys), *keys, *args)
        try:
            return client.execute_command("EVALSHA", self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return client.execute_command("EVAL", self.source, len(keys), *keys, *args)

    def __repr__(self) -> str:
        return f"<Script {self.name} {self.sha[:8]}>"


@cache
def script(name: str) -> Script:
    """The packaged script of this name, such as "gcra". Raises KeyError that lists the names."""
    folder = files("redis_lab.patterns") / "lua"
    path = folder / f"{name}.lua"
    if not path.is_file():
        names = sorted(each.name.removesuffix(".lua") for each in folder.iterdir())
        raise KeyError(f"no script {name!r}; there are {', '.join(names)}")
    return Script(name, path.read_text(encoding="utf-8"))
