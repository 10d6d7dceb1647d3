"""Caches in front of a store: read-through, write-through, write-behind.

A value that is written through them is never hidden by an older one in the cache: a write ends in
an invalidation, and the cache keeps nothing that was loaded before one. What writes to the store
past them is seen when the cache's TTL is over. A writer that dies between its write and the
invalidation leaves the old value in the cache, for that TTL at most.
"""

from typing import Any

from redis_lab.patterns.sqlite_store import SQLiteStore as SQLiteStore
from redis_lab.patterns.sqlite_store import Store as Store
from redis_lab.patterns.write_behind import WriteBehind as WriteBehind


class ReadThrough:
    """Reads a store through a cache: a RedisCache or a MultiLevelCache.

    A key without a row is cached too, as None, so that asking for it again spares the store.
    """

    def __init__(self, cache: Any, store: Store):
        self.cache, self.store = cache, store

    def get(self, key: str) -> Any:
        """The value, or None. On a miss one caller loads it for all; raises what `load` raises."""
        return self.cache.get_or_set(key, lambda: self.store.load(key))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.cache!r} over {self.store!r}>"


class WriteThrough(ReadThrough):
    """Writes to the store first, then renews the cache, from the store: two writers can't disagree.

    When set() returns, the store has the value, and the cache too. When it raises what the store
    raised, nothing was written; when it raises an error of Redis, the store has the new value and
    the cache may have the old one, until its TTL is over. A value beyond the cache's max_bytes is
    in the store only, and ValueTooLarge says so.
    """

    def set(self, key: str, value: Any) -> None:
        """Write; None removes the row. One transaction of the store and four round trips."""
        self.store.save({key: value})
        self.cache.invalidate(key)
        self.get(key)
