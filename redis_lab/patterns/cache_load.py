"""How a cache computes a value: once, for all threads and processes that want it.

In a process the first thread leads and the others wait for it. Between processes the leader takes a
claim in Redis, and only who holds it stores: an invalidation ends the claim, so a value computed
before it is never stored after it. A claim ends by itself after `load_timeout`; one that a failing
Redis may have left behind is given back when this process next reads from the cache.
"""

import logging
import math
import random
import secrets
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis import RedisError
from redis.exceptions import RedisClusterException

from redis_lab.patterns import cache_bulk
from redis_lab.patterns.cache_flight import Flight, Outcome
from redis_lab.patterns.cache_value import Found, Loader, Plan, Token
from redis_lab.patterns.keys import escaped, text
from redis_lab.patterns.scripting import script

if TYPE_CHECKING:
    from redis_lab.patterns.cache import RedisCache

FAILURES = (RedisError, RedisClusterException)
_BUSY, _CLAIMED, _AGAIN, _LEFT = range(4)  # what cache_claim replies
_NONE = "none"  # in place of a claim: who held it computed None, which is not kept
_POLL = (0.002, 0.02)  # seconds between two looks at another process's claim: first, longest
_log = logging.getLogger("redis_lab.patterns.cache")


class Load:
    """One call that found no value, or has one to compute before its time."""

    def __init__(self, cache: "RedisCache", key: str, loader: Loader, plan: Plan):
        self.cache, self.key, self.loader, self.plan = cache, key, loader, plan
        self.name = escaped(key, "key")
        self.version: Token = b""
        self.mode = self.waited = ""

    def fetch(self, version: Token | None, spoiled: bool) -> Found:
        """The value, from whoever computes it first; waits while another does.

        version, spoiled: what a reading that found nothing gave.
        """
        here, found, pause = self.cache._here, None, 0.0
        while found is None:
            try:
                self._settle(version)
            except FAILURES as error:
                return self.without_redis(error)
            what = (self.name, self.version)
            flight, leads = here.join(what)
            if leads:
                try:
                    found = self._lead(flight, spoiled)
                finally:
                    here.leave(what, flight)
            else:
                found = self._follow(flight)
            if found is None:
                try:
                    if flight.error is not None:
                        raise flight.error
                    time.sleep(pause)
                    pause = _POLL[0]
                    found, version, spoiled = self.cache._read(self.key)
                except FAILURES as error:
                    return self.without_redis(error)
        return found

    def refresh(self) -> Found:
        """Compute and store now, whatever is stored and whoever computes."""
        try:
            claim = self._seize()
        except FAILURES as error:
            return self.without_redis(error)
        return self._compute(claim)[0]  # no flight: who waits for one looks again

    def refresh_early(self, found: Found, version: Token) -> Found:
        """The value, computed anew before its time where chance says so; by one caller at a time.

        XFetch: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede
        Prevention", VLDB 2015.
        """
        self.version, what = version, (self.name, version)
        flight, leads = self.cache._here.join(what)
        if not leads:
            return found
        try:
            if claim := self._claim("over", str(found.expires)):
                found, flight.outcome = self._compute(claim, flight)
        except Exception as error:
            self.cache._here.count("errors")
            _log.warning("early refresh of %r failed, the old value stays: %r", self.name, error)
        finally:
            self.cache._here.leave(what, flight)
        return found

    def put(self, payload: bytes) -> None:
        """Store what is computed already, with its tags."""
        claim = self._seize()
        try:
            self.cache._store(self.name, claim, self.version, self.plan, b"0 " + payload)
        except FAILURES:
            self._release(claim)
            raise

    def without_redis(self, error: Exception) -> Found:
        """The loader's value, where the caller chose to go on without Redis; else the error."""
        self.cache._failed(error)
        self.cache._here.count("loads")
        return Found(self._unpacked(self._payload()), 0, 0)

    def _lead(self, flight: Flight, spoiled: bool) -> Found | None:
        """Compute, or wait for the process that does. None: look again."""
        pause, longest = _POLL
        try:
            while not (claim := self._claim("over" if spoiled else "missing")):
                if claim is None:
                    return None
                time.sleep(pause)
                if spoiled:
                    return None
                pause = min(pause * 1.5, longest)
        except FAILURES as error:
            flight.error = error
            return None
        if claim == _NONE:
            return Found(None, 0, 0)
        found, flight.outcome = self._compute(claim, flight)
        return found

    def _follow(self, flight: Flight) -> Found | None:
        """Wait for the thread that leads. None: it has nothing for us, look again."""
        if flight.owner == threading.get_ident():
            raise RuntimeError(f"the loader of {self.name!r} asks the cache for {self.name!r}")
        self.waited = "waited"
        if not flight.done.wait(self.cache.load_timeout):
            self.cache._here.leave((self.name, self.version), flight)
        if flight.outcome is None:
            return None
        payload, expires, cost = flight.outcome
        return Found(self._unpacked(payload), expires, cost)

    def _settle(self, version: Token | None) -> None:
        """Know the version that a new value gets: the one read, made where there is none."""
        self.version = self.cache.version.ensured() if version is None else version

    def _seize(self) -> str:
        claim = None
        while not claim:  # for another version while we ask
            self._settle(None)
            claim = self._claim("seize")
        return claim

    def _claim(self, mode: str, found: str = "") -> str | None:
        """The claim; empty while another process holds it, None where it is time to look again.

        found: expires of the value that is to be replaced, if it must be that one.
        """
        cache, self.mode = self.cache, mode
        keys = [*cache._keys(self.name)]
        if not cache.clustered:
            keys.append(cache.version_key)
        elif mode != "seize" and cache.version.fresh() != self.version:
            return None
        claim = f"{text(self.version)} {secrets.token_hex(8)}"
        args = [self.version, claim, round(cache.load_timeout * 1000), mode, self.waited, found]
        try:
            answer = script("cache_claim")(cache.client, keys, args)
        except BaseException:
            cache._here.orphan(keys[1], claim)  # it may have been granted
            raise
        if answer == _BUSY:
            self.waited = "waited"
            return ""
        if answer != _CLAIMED:
            return _NONE if answer == _LEFT else None
        try:
            cache_bulk.tag(cache, self.name, self.plan)
        except BaseException:
            self._release(claim)
            raise
        return claim

    def _release(self, claim: str, *left: str) -> bool:
        """Give the claim back; False where it was not ours any more, or Redis is gone."""
        _, key = self.cache._keys(self.name)
        try:
            return bool(script("cache_release")(self.cache.client, [key], [claim, *left]))
        except FAILURES:
            self.cache._here.orphan(key, claim)
            return False

    def _compute(self, claim: str, flight: Flight | None = None) -> tuple[Found, Outcome | None]:
        """Run the loader and store what it gives; the second is None if that was refused."""
        cache, started = self.cache, time.perf_counter()
        cache._here.count("loads")
        try:
            payload = self._payload()
        except BaseException:
            self._release(claim)
            raise
        if flight:
            cache._here.close((self.name, self.version), flight)
        cost, expires = round((time.perf_counter() - started) * 1e6), 0
        if payload is None:
            valid = self._release(claim, f"{text(self.version)} {_NONE}")
        else:
            try:
                rest = b"%d %b" % (cost, payload)
                expires = cache._store(self.name, claim, self.version, self.plan, rest, self.mode)
            except FAILURES as error:
                cache._failed(error)
            finally:
                if not expires:
                    self._release(claim)
            valid = expires > 0
        if not valid and cost > cache.load_timeout * 1e6:
            _log.warning("%r took longer than load_timeout: it is not stored", self.name)
        outcome = Outcome(payload, expires, cost)
        return Found(self._unpacked(payload), expires, cost), outcome if valid else None

    def _payload(self) -> bytes | None:
        value = self.loader()
        return None if value is None and not self.plan.keep_none else self.cache._packed(value)

    def _unpacked(self, payload: bytes | None) -> Any:
        return None if payload is None else self.cache.serializer.loads(payload)


def give_back(cache: "RedisCache") -> None:
    """Try, once, to give back the claims that this process may have left in Redis."""
    for key, claim in cache._here.take_orphans():
        with suppress(*FAILURES):
            script("cache_release")(cache.client, [key], [claim])


def gap(found: Found, early: float) -> float:
    """µs before its end at which chance says to compute a value anew: more for what costs much."""
    return -found.cost * early * math.log(1.0 - random.random())
