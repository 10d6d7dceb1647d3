"""The redis-py clients that a lab hands out.

They retry nothing. redis-py's default is ten retries of every command, INCR included: a call that
timed out may have been applied, and a second try then counts it twice. A client of the lab raises
instead, and the caller decides what is safe to repeat.
"""

import warnings
from functools import cache
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

TIMEOUT = 2.0
Address = tuple[str, int]


def options(**overrides: Any) -> dict[str, Any]:
    """Keyword arguments of every client: text replies, protocol 3, 2 s timeouts, no retries."""
    _silence_experimental()
    return {
        "decode_responses": True,
        "protocol": 3,
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        # A feature of Redis Enterprise: asking an open-source server for it costs an error reply.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        **overrides,
    }


def async_options(**overrides: Any) -> dict[str, Any]:
    """The same for redis.asyncio."""
    return options(**{"retry": AsyncRetry(NoBackoff(), 0), **overrides})


def following(
    sentinels: list[Address],
    service: str,
    sentinel_login: dict[str, Any],
    kwargs: dict[str, Any],
    asynchronous: bool = False,
    dialled: dict[Address, Address] | None = None,
) -> Any:
    """A client that asks the Sentinels for the primary whenever it opens a connection.

    dialled: how this machine dials the addresses that Sentinels name, where that is otherwise.
    """
    package: Any = redis.asyncio if asynchronous else redis
    make = async_options if asynchronous else options
    asking = make(socket_timeout=0.5, socket_connect_timeout=0.5, **sentinel_login)
    kind = package.sentinel.Sentinel
    if dialled:
        kind = (_translating_async if asynchronous else _translating)(kind, dialled)
    group = kind(sentinels, sentinel_kwargs=asking)
    return group.master_for(service, **make(**kwargs))


def _translating(kind: type[Any], dialled: dict[Address, Address]) -> type[Any]:
    class Translating(kind):
        """Containers name each other by addresses that only they can dial."""

        def discover_master(self, service_name: str) -> Address:
            found = super().discover_master(service_name)
            return dialled.get(tuple(found), found)

        def discover_slaves(self, service_name: str) -> list[Address]:
            return [
                dialled.get(tuple(each), each) for each in super().discover_slaves(service_name)
            ]

    return Translating


def _translating_async(kind: type[Any], dialled: dict[Address, Address]) -> type[Any]:
    class Translating(kind):
        """The same for redis.asyncio."""

        async def discover_master(self, service_name: str) -> Address:
            found = await super().discover_master(service_name)
            return dialled.get(tuple(found), found)

        async def discover_slaves(self, service_name: str) -> list[Address]:
            found = await super().discover_slaves(service_name)
            return [dialled.get(tuple(each), each) for each in found]

    return Translating


def routing(nodes: list[Address], kwargs: dict[str, Any], asynchronous: bool = False) -> Any:
    """A Redis Cluster client that knows these nodes from the start."""
    package: Any = redis.asyncio.cluster if asynchronous else redis.cluster
    make = async_options if asynchronous else options
    startup = [package.ClusterNode(host, port) for host, port in nodes]
    return package.RedisCluster(startup_nodes=startup, **make(**kwargs))


@cache
def _silence_experimental() -> None:
    for message in ("Call to experimental method", "Call to '.*' method with experimental"):
        warnings.filterwarnings("ignore", message=message, category=UserWarning)
