"""MultiLevelCache: a bounded tier in this process's memory, before a RedisCache.

Promises: what is dropped through the RedisCache, in any process and in whatever way, is dropped
here when the server's message arrives (usually within 1 ms), and before the call returns where it
was done through this object. Without messages nothing stays: 2 s of silence, a lost connection and
a failover empty the tier; and no value stays for longer than `local_ttl` or its own time to live.
Local values are shared: a hit gives the same object each time. Read it, don't change it.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import wraps
from time import monotonic
from typing import Any
from weakref import WeakSet

from redis_lab.patterns.cache import CacheStats, RedisCache
from redis_lab.patterns.cache_load import FAILURES, gap
from redis_lab.patterns.cache_value import Found, Plan
from redis_lab.patterns.cached import Tags, cached
from redis_lab.patterns.checks import seconds, whole
from redis_lab.patterns.keys import escaped, unescaped
from redis_lab.patterns.local_tier import ABSENT, LocalTier
from redis_lab.patterns.tracking import SILENCE, Tracking


@dataclass(frozen=True)
class TierStats(CacheStats):
    """As CacheStats, with local hits in `hits`. local_hits: calls that needed no Redis (threads may
    lose counts); local_items: values kept in this process now."""

    local_hits: int
    local_items: int


class MultiLevelCache:
    """Keeps here what it has read from a RedisCache, as long as Redis has not said that it changed.

    cache: its ttl, serializer, on_error, tags and version hold; what is written through it or
        through this object in any process reaches this tier.
    max_items: the least recently used value goes first. local_ttl: seconds that a value stays here
        at most, in case a message went astray.
    A value that this process has just written is read once from Redis, and is local from then on:
    the message about one's own write drops it too. A read under way while its key changes is not
    kept. One connection (one for each primary of a Cluster) and its threads live until close(); a
    forked child starts with an empty tier and its own connection. Needs Redis 6.0. While a slot of
    a Cluster moves to a node that had none, only local_ttl bounds the age of its values.
    """

    def __init__(self, cache: RedisCache, *, max_items: int = 10_000, local_ttl: float = 60.0):
        self.cache, self.client, self.namespace = cache, cache.client, cache.namespace
        self.max_bytes = cache.max_bytes
        self.max_items = whole("max_items", max_items)
        self.local_ttl = seconds("local_ttl", local_ttl)
        self._closed = False
        self._tier = LocalTier(self.max_items)
        self._tracking = self._new_tracking()
        self._tracking.start()
        self._tracking.live.wait(SILENCE)  # so that what is read first is kept; else we go without
        _open.add(self)

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or default where there is none. A local hit is no round trip."""
        value = self._tier.find(key, self._tracking.fresh_until)
        if value is not ABSENT:
            return value
        found = self._fill(key, lambda: self.cache.lookup(key))
        return default if found is None else found.value

    def set(self, key: str, value: Any, ttl: float | None = None, tags: Iterable[str] = ()) -> None:
        """As RedisCache.set; seen by this process at once, by others within a message's time."""
        try:
            self.cache.set(key, value, ttl, tags)
        finally:
            self._tier.forget(key)

    def get_or_set(
        self,
        key: str,
        loader: Callable[[], Any],
        ttl: float | None = None,
        tags: Iterable[str] = (),
    ) -> Any:
        """As RedisCache.get_or_set: one loader runs across all processes."""
        return self.fetch(key, loader, self._plan(ttl, tags)).value

    def cached(
        self,
        ttl: float | None = None,
        version: int = 1,
        cache_none: bool = True,
        tags: Tags = (),
        early: float = 0.0,
        key: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> Callable[[Callable[..., Any]], Any]:
        """As RedisCache.cached, with the same keys; a local hit is no round trip."""
        decorate = cached(self, ttl, version, cache_none, tags, early, key, name)  # type: ignore[arg-type]
        return lambda function: self._quick(decorate(function))

    def invalidate(self, *keys: str) -> None:
        """Drop these values everywhere. For tags, patterns and all of them, ask the RedisCache."""
        try:
            self.cache.invalidate(*keys)
        finally:
            self._tier.forget(*keys)

    def stats(self) -> TierStats:
        """Counts of this object and of its RedisCache, in this process."""
        counts, local = asdict(self.cache.stats()), self._tier.hits
        counts["hits"] += local
        return TierStats(**counts, local_hits=local, local_items=len(self._tier))

    def close(self) -> None:
        """Stop the threads and drop the tier; later calls go to Redis. Twice is fine."""
        self._closed = True
        self._tracking.stop()

    def fetch(self, key: str, loader: Callable[[], Any], plan: Plan) -> Found:
        """What get_or_set and cached do."""
        value = self._tier.find(key, self._tracking.fresh_until)
        if value is not ABSENT:
            return Found(value, 0, 0)
        found = self._fill(key, lambda: self.cache.fetch(key, loader, plan), plan.early)
        assert found is not None
        return found

    def refresh(self, key: str, loader: Callable[[], Any], plan: Plan) -> Found:
        """What refresh() of a cached function does."""
        try:
            return self.cache.refresh(key, loader, plan)
        finally:
            self._tier.forget(key)

    def __enter__(self) -> "MultiLevelCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MultiLevelCache {len(self._tier)} of {self.max_items} over {self.cache!r}>"

    def _plan(self, ttl: float | None, tags: Iterable[str]) -> Plan:
        return self.cache._plan(ttl, tags)

    def _fill(self, key: str, read: Callable[[], Found | None], early: float = 0.0) -> Found | None:
        """Read, and keep what was read unless the key has changed since we began.

        With early it is local until XFetch, drawn once, says to ask again.
        """
        escaped(key, "key")
        if not self._tracking.started and not self._closed:
            self._tracking.start()  # in a forked child
        began, token = monotonic(), self._tier.expect(key, self._tracking.fresh_until)
        until = 0.0
        try:
            found = read()
            if found is not None and self._tier.expected(key, token):
                with suppress(*FAILURES):  # the value is at hand, whatever becomes of the clock
                    life = self.cache.remaining(found) - gap(found, early) / 1e6
                    until = min(monotonic() + life, began + self.local_ttl)
        except BaseException:
            self._tier.forget(key)
            raise
        if not self._tracking.covers_all():
            until = 0.0
        self._tier.keep(key, token, found and found.value, until)
        return found

    def _changed(self, names: list[bytes] | None) -> None:
        """Redis says that these keys changed; None: all of them."""
        if names is None or self.cache.version_key.encode() in names:
            self.cache.version.forget()  # on a Cluster it would know the old one for up to 1 s
            self._tier.drop()
        else:
            start = len(self.cache.value_prefix.encode()) + 1
            keys = (unescaped(name[start:-1].decode("utf-8", "replace")) for name in names)
            self._tier.forget(*keys)

    def _new_tracking(self) -> Tracking:
        prefixes = (self.cache.value_prefix, self.cache.version_key)
        return Tracking(self.client, prefixes, self._changed, self._tier.drop)

    def _start_anew(self) -> None:
        """In a forked child: threads and connection stayed with the parent."""
        self._tier.start()
        self._tracking = self._new_tracking()

    def _quick(self, wrapper: Any) -> Any:
        """The wrapper, spared all but the key where the value is local."""
        find, key_of = self._tier.find, wrapper.key

        @wraps(wrapper)
        def quick(*args: Any, **kwargs: Any) -> Any:
            value = find(key_of(*args, **kwargs), self._tracking.fresh_until)
            return wrapper(*args, **kwargs) if value is ABSENT else value

        quick.__wrapped__ = wrapper.__wrapped__  # type: ignore[attr-defined]
        return quick


def _start_all_anew() -> None:
    for cache in list(_open):
        cache._start_anew()


_open: WeakSet[MultiLevelCache] = WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_all_anew)
