"""RedisCache: values in Redis that expire, are computed once, and go when they are told to.

Promises: one computation of a value over all threads and processes; what a loader computed before
an invalidation is never stored after it; a hit is one round trip; None is a value. A failover may
lose the last invalidations, as it may lose any write, and a server that evicts keys may lose a tag:
what must not be stale even then needs a short ttl.

Keys, for namespace "ns" and key "a:b" (keys.py escapes both):
    ns:v:{a%3Ab}   the value: "<version> <expires> <cost> <payload>", times in µs, of the server
    ns:c:{a%3Ab}   the claim of the process that computes it
    ns:tag:t       sorted set of the keys above that carry the tag t, by when they are gone
    ns:version     the version; a value of another version is void; the one key that stays
"""

import logging
import random
from collections.abc import Iterable, Mapping
from typing import Any

from redis import Redis
from redis.cluster import RedisCluster

from redis_lab.errors import ValueTooLarge
from redis_lab.patterns import cache_bulk, cache_warm, checks
from redis_lab.patterns.cache_flight import Here
from redis_lab.patterns.cache_load import FAILURES, Load, gap, give_back
from redis_lab.patterns.cache_read import Reader
from redis_lab.patterns.cache_value import JSON, CacheStats, Found, Loader, Plan, Serializer, Token
from redis_lab.patterns.cached import cached
from redis_lab.patterns.keys import escaped
from redis_lab.patterns.scripting import Client, script
from redis_lab.patterns.server_clock import ServerClock

_log = logging.getLogger("redis_lab.patterns.cache")


class RedisCache:
    """A cache in a namespace of a Redis server or Cluster.

    ttl: seconds that a value lives. jitter: fraction of the ttl, 0 to 1, by which chance shortens
    it: what was stored together need not expire together. load_timeout: seconds after which a
    loader that has not returned counts as dead: another may run, and its value is not stored.
    max_bytes: of a serialized value; a longer one is ValueTooLarge.
    on_error: "raise" lets redis-py's errors through. With "bypass" a Redis that fails is an empty
    cache that keeps nothing, and is counted; warming and invalidating raise even so.

    On a Cluster the version is in another slot than the values. Each process keeps it for at most
    1 s: for so long it may see values after an invalidate_all() elsewhere.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        *,
        ttl: float = 3600.0,
        jitter: float = 0.0,
        serializer: Serializer = JSON,
        load_timeout: float = 30.0,
        max_bytes: int = 16 * 2**20,
        on_error: str = "raise",
    ):
        if not isinstance(client, Redis | RedisCluster):
            raise TypeError(f"client must be a Redis or RedisCluster, not {type(client).__name__}")
        for option in ("read_from_replicas", "load_balancing_strategy"):
            if getattr(client, option, None):
                raise ValueError(f"client has {option}: a replica may not know of an invalidation")
        if not hasattr(serializer, "dumps") or not hasattr(serializer, "loads"):
            raise TypeError("serializer must have dumps and loads")
        ns = escaped(namespace, "namespace")
        self.value_prefix = f"{ns}:v:"
        self.claim_prefix = f"{ns}:c:"
        self.tag_prefix = f"{ns}:tag:"
        self.version_key = f"{ns}:version"
        self.client = client
        self.clustered = isinstance(client, RedisCluster)
        self.namespace = namespace
        self.ttl = checks.seconds("ttl", ttl)
        self.jitter = checks.number("jitter", jitter)
        if not 0 <= jitter <= 1:
            raise ValueError(f"jitter must be from 0 to 1, not {jitter}")
        self.serializer = serializer
        self.load_timeout = checks.seconds("load_timeout", load_timeout)
        self.max_bytes = checks.whole("max_bytes", max_bytes)
        self.on_error = checks.one_of("on_error", on_error, ("raise", "bypass"))
        self.clock = ServerClock(client)
        self._here = Here()
        reader = Reader(client, self.value_prefix, self.version_key, serializer, self._here)
        self._read, self.version = reader.read, reader.version

    def value_key(self, key: str) -> str:
        """The Redis key of a value."""
        return self._keys(escaped(key, "key"))[0]

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or default where there is none; a stored None is a value."""
        found = self.lookup(key)
        return default if found is None else found.value

    def lookup(self, key: str) -> Found | None:
        """The value with its expiry, in the same trip; None where there is none."""
        try:
            found, _, _ = self._read(key)
            if self._here.orphans:
                give_back(self)
        except FAILURES as error:
            self._failed(error)
            found = None
        self._here.count("misses" if found is None else "hits")
        return found

    def remaining(self, found: Found) -> float:
        """Seconds that a found value still has to live; 0.0 if it was not stored."""
        return max(0.0, (found.expires - self.clock.now(self.version_key)) / 1e6)

    def set(self, key: str, value: Any, ttl: float | None = None, tags: Iterable[str] = ()) -> None:
        """Store a value. A computation under way for this key then stores nothing."""
        name, plan, payload = escaped(key, "key"), self._plan(ttl, tags), self._packed(value)
        try:
            if plan.tags:
                Load(self, key, lambda: value, plan).put(payload)
            else:
                version = self.version.ensured() if self.clustered else ""
                self._store(name, "", version, plan, b"0 " + payload)
        except FAILURES as error:
            self._failed(error)

    def get_or_set(
        self, key: str, loader: Loader, ttl: float | None = None, tags: Iterable[str] = ()
    ) -> Any:
        """The value; where there is none, what loader() gives, computed once for all who ask.

        An error of the loader reaches only the caller that ran it; the next one tries. So it is
        with a result that can't be stored: ValueTooLarge, or the serializer's error.
        """
        if not callable(loader):
            raise TypeError(f"loader must be callable, not {type(loader).__name__}")
        return self.fetch(key, loader, self._plan(ttl, tags)).value

    def fetch(self, key: str, loader: Loader, plan: Plan) -> Found:
        """What get_or_set and cached do: the value with its expiry, found or computed."""
        try:
            found, version, spoiled = self._read(key)
            if self._here.orphans:
                give_back(self)
        except FAILURES as error:
            return Load(self, key, loader, plan).without_redis(error)
        if found is None or version is None:
            self._here.count("misses")
            return Load(self, key, loader, plan).fetch(version, spoiled)
        self._here.count("hits")
        early = plan.early
        try:
            due = early and self.clock.now(self.version_key) + gap(found, early) >= found.expires
        except FAILURES:
            due = False  # the value is at hand, whatever becomes of the clock
        return Load(self, key, loader, plan).refresh_early(found, version) if due else found

    def refresh(self, key: str, loader: Loader, plan: Plan) -> Found:
        """Compute and store now; a computation under way for this key then stores nothing."""
        return Load(self, key, loader, plan).refresh()

    cached = cached

    def invalidate(self, *keys: str) -> None:
        """Drop these values; what is being computed for them is not stored."""
        cache_bulk.drop(self, [escaped(key, "keys") for key in keys])

    def invalidate_pattern(self, pattern: str) -> None:
        """Drop the values whose keys match a pattern of Redis, as the command KEYS has it.

        Scans the whole keyspace twice, on each primary of a Cluster: for claims, then for values.
        """
        cache_bulk.drop_pattern(self, pattern)

    def invalidate_tag(self, tag: str) -> None:
        """Drop the values that were stored with this tag; what is being computed is not stored.

        A key that was stored again without the tag goes too, until its first value would have.
        """
        cache_bulk.drop_tag(self, tag)

    def invalidate_all(self) -> None:
        """Drop every value of the namespace, in one command; their memory goes as they expire."""
        self.version.renew()

    def warm(
        self, items: Mapping[str, Any] | Iterable[tuple[str, Any]], ttl: float | None = None
    ) -> int:
        """Store many values, up to a thousand in a trip; returns how many. Raises midway.

        Items are taken that far ahead: one that is invalidated before its trip is stored after it.
        """
        return cache_warm.warm(self, items, self._plan(ttl).ttl)

    def stats(self) -> CacheStats:
        """Counts since this object was made, or its process forked."""
        return CacheStats(**self._here.counts)

    def __repr__(self) -> str:
        return f"<RedisCache {self.namespace!r} ttl={self.ttl:g} s>"

    def _keys(self, name: str) -> tuple[str, str]:
        """The Redis keys of a value and of the claim on it; name: the key, escaped."""
        return f"{self.value_prefix}{{{name}}}", f"{self.claim_prefix}{{{name}}}"

    def _tag_keys(self, plan: Plan) -> list[str]:
        return [self.tag_prefix + tag for tag in plan.tags]

    def _plan(self, ttl: float | None, tags: Iterable[str] = ()) -> Plan:
        if isinstance(tags, str):
            raise TypeError("tags must be several str, not one")
        life = self.ttl if ttl is None else checks.seconds("ttl", ttl)
        return Plan(life, tuple(escaped(tag, "tags") for tag in tags))

    def _packed(self, value: Any) -> bytes:
        payload = self.serializer.dumps(value)
        if isinstance(payload, str):
            payload = payload.encode()
        if len(payload) > self.max_bytes:
            raise ValueTooLarge(
                f"{len(payload)} bytes, and max_bytes={self.max_bytes}: store less, or raise it"
            )
        return payload

    def _store(
        self, name: str, claim: str, version: Token, plan: Plan, rest: bytes, mode: str = ""
    ) -> int:
        """Store, under this claim or, without one, in any case. µs when it expires; 0: refused."""
        if self.clustered and claim and self.version.fresh() != version:
            return 0
        keys = [*self._keys(name)]
        if not self.clustered:
            keys += [self.version_key, *self._tag_keys(plan)]
        args = [claim, version, self._life(plan.ttl), rest, mode]
        while (expires := script("cache_store")(self.client, keys, args)) < 0:
            self.version.ensured()
        return int(expires)

    def _life(self, ttl: float) -> int:
        """Milliseconds to live, shortened by the jitter."""
        return max(1, round(ttl * 1000 * (1 - self.jitter * random.random())))

    def _failed(self, error: Exception) -> None:
        """Count and go on where the caller chose to; else raise."""
        if self.on_error == "raise":
            raise error
        self._here.count("errors")
        _log.warning("cache %r is bypassed: %r", self.namespace, error)
