"""What every pattern refuses before it asks a server: clients that are none, times without end."""

import os
import subprocess
import sys

import pytest
import redis
import redis.asyncio

from redis_lab.patterns import (
    GCRA,
    DelayedQueue,
    EventStore,
    FixedWindow,
    Leaderboard,
    RealTimeAnalytics,
    RedisCache,
    RedisLock,
    ReliableQueue,
    SessionStore,
    StreamWorker,
    Subscriber,
    publish,
)

PATTERNS = {
    "GCRA": lambda client: GCRA(client, "n", 1, 1),
    "FixedWindow": lambda client: FixedWindow(client, "n", 1, 1.0),
    "Leaderboard": lambda client: Leaderboard(client, "n"),
    "RealTimeAnalytics": lambda client: RealTimeAnalytics(client, "n"),
    "RedisLock": lambda client: RedisLock(client, "n"),
    "SessionStore": lambda client: SessionStore(client, "n"),
    "EventStore": lambda client: EventStore(client, "n"),
    "StreamWorker": lambda client: StreamWorker(client, "s", "g", "c", print),
    "ReliableQueue": lambda client: ReliableQueue(client, "n"),
    "DelayedQueue": lambda client: DelayedQueue(client, "n"),
    "Subscriber": lambda client: Subscriber(client, ["n"]),
    "publish": lambda client: publish(client, "n", "message"),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_client_that_is_none_is_refused(r, pattern):
    """A pipeline or a client of asyncio answers something else than a reply: nothing may pass."""
    for client in (None, "redis://", r.pipeline(), redis.asyncio.Redis()):
        with pytest.raises(TypeError, match=r"client must be a redis\.Redis or RedisCluster"):
            PATTERNS[pattern](client)


@pytest.mark.parametrize(
    ("argument", "make"),
    [
        ("ttl", lambda r, value: RedisLock(r, "n", ttl=value)),
        ("ttl", lambda r, value: SessionStore(r, ttl=value)),
        ("ttl", lambda r, value: RedisCache(r, "n", ttl=value)),
        ("retention", lambda r, value: RealTimeAnalytics(r, "n", retention=value)),
        ("window", lambda r, value: FixedWindow(r, "n", 1, value)),
        ("rate", lambda r, value: GCRA(r, "n", value, 1)),
        ("min_idle", lambda r, value: StreamWorker(r, "s", "g", "c", print, min_idle=value)),
        ("visibility", lambda r, value: ReliableQueue(r, "n", visibility=value)),
        ("delay", lambda r, value: DelayedQueue(r, "n").put(1, value)),
        ("silence", lambda r, value: Subscriber(r, ["n"], silence=value)),
    ],
)
def test_numbers_without_end_are_refused(r, argument, make):
    """What Redis or a float can't hold is a ValueError that names the argument."""
    for value in (10**400, float("inf"), float("nan"), 1e16):
        with pytest.raises(ValueError, match=rf"\b{argument}\b"):
            make(r, value)


def test_scripts_are_read_in_any_locale():
    """The Lua files hold letters beyond ASCII; a process whose locale has none reads them too."""
    names = "from redis_lab.patterns import script; [script(n) for n in ('gcra', 'fixed_window')]"
    ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", names], env=ascii_only, check=True)
