"""The patterns of the course, for use in earnest: each takes a redis-py client and a name.

Names are looked up when they are first used. Every module can be lifted out of here with keys.py,
checks.py, scripting.py and its Lua files; the only third party is redis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis_lab.errors import LockLost as LockLost
    from redis_lab.errors import LockNotAcquired as LockNotAcquired
    from redis_lab.errors import RateLimited as RateLimited
    from redis_lab.errors import RedisLabError as RedisLabError
    from redis_lab.errors import ValueTooLarge as ValueTooLarge
    from redis_lab.errors import VersionConflict as VersionConflict
    from redis_lab.patterns.analytics import RealTimeAnalytics as RealTimeAnalytics
    from redis_lab.patterns.analytics import Stats as Stats
    from redis_lab.patterns.cache import JSON as JSON
    from redis_lab.patterns.cache import CacheStats as CacheStats
    from redis_lab.patterns.cache import RedisCache as RedisCache
    from redis_lab.patterns.event_store import Event as Event
    from redis_lab.patterns.event_store import EventStore as EventStore
    from redis_lab.patterns.event_store import Snapshot as Snapshot
    from redis_lab.patterns.leaderboard import Entry as Entry
    from redis_lab.patterns.leaderboard import Leaderboard as Leaderboard
    from redis_lab.patterns.lock import RedisLock as RedisLock
    from redis_lab.patterns.multilevel import MultiLevelCache as MultiLevelCache
    from redis_lab.patterns.pubsub import Message as Message
    from redis_lab.patterns.pubsub import Subscriber as Subscriber
    from redis_lab.patterns.pubsub import publish as publish
    from redis_lab.patterns.queue import DelayedQueue as DelayedQueue
    from redis_lab.patterns.queue import Job as Job
    from redis_lab.patterns.queue import ReliableQueue as ReliableQueue
    from redis_lab.patterns.rate_limit import GCRA as GCRA
    from redis_lab.patterns.rate_limit import Decision as Decision
    from redis_lab.patterns.rate_limit import FixedWindow as FixedWindow
    from redis_lab.patterns.rate_limit import SlidingCounter as SlidingCounter
    from redis_lab.patterns.rate_limit import SlidingLog as SlidingLog
    from redis_lab.patterns.rate_limit import TokenBucket as TokenBucket
    from redis_lab.patterns.scripting import FunctionLibrary as FunctionLibrary
    from redis_lab.patterns.scripting import Script as Script
    from redis_lab.patterns.scripting import script as script
    from redis_lab.patterns.session import Session as Session
    from redis_lab.patterns.session import SessionStore as SessionStore
    from redis_lab.patterns.worker import StreamWorker as StreamWorker
    from redis_lab.patterns.writing import ReadThrough as ReadThrough
    from redis_lab.patterns.writing import SQLiteStore as SQLiteStore
    from redis_lab.patterns.writing import Store as Store
    from redis_lab.patterns.writing import WriteBehind as WriteBehind
    from redis_lab.patterns.writing import WriteThrough as WriteThrough

_NAMES = {
    "analytics": ("RealTimeAnalytics", "Stats"),
    "cache": ("CacheStats", "JSON", "RedisCache"),
    "event_store": ("Event", "EventStore", "Snapshot"),
    "leaderboard": ("Entry", "Leaderboard"),
    "lock": ("RedisLock",),
    "multilevel": ("MultiLevelCache",),
    "pubsub": ("Message", "Subscriber", "publish"),
    "queue": ("DelayedQueue", "Job", "ReliableQueue"),
    "rate_limit": (
        "Decision", "FixedWindow", "GCRA", "SlidingCounter", "SlidingLog", "TokenBucket",
    ),
    "scripting": ("FunctionLibrary", "Script", "script"),
    "session": ("Session", "SessionStore"),
    "worker": ("StreamWorker",),
    "writing": ("ReadThrough", "SQLiteStore", "Store", "WriteBehind", "WriteThrough"),
}  # fmt: skip
_ERRORS = (
    "LockLost", "LockNotAcquired", "RateLimited", "RedisLabError", "ValueTooLarge",
    "VersionConflict",
)  # fmt: skip
_HOMES = {name: f"redis_lab.patterns.{home}" for home, names in _NAMES.items() for name in names}
_HOMES |= dict.fromkeys(_ERRORS, "redis_lab.errors")

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'redis_lab.patterns' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
