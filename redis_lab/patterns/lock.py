"""RedisLock: one holder at a time across processes, for as long as the TTL lasts.

A lock that can expire excludes by time alone: a holder that stalls past its TTL goes on working
while the next one starts, and a failover may lose a lock that was granted a moment ago. Where that
must do no harm, let what the lock protects refuse a fencing token lower than one it has seen.
"""

import math
import secrets
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from types import EllipsisType, TracebackType

from redis.exceptions import TimeoutError

from redis_lab.errors import LockLost, LockNotAcquired
from redis_lab.patterns.blocking import longest_block
from redis_lab.patterns.checks import seconds
from redis_lab.patterns.keys import tagged, text
from redis_lab.patterns.renewal import Hold
from redis_lab.patterns.scripting import Client, checked_client, script

_BUDGET = 5  # commands that one waiter may send within any second
_WAITED = "+"  # behind the owner in the lock: others may be waiting for a release
_SHORTEST = 0.01  # seconds; 0 would let BLPOP block for ever


class RedisLock:
    """A lock by name: `with RedisLock(client, "nightly-report"):`.

    ttl: seconds after which the lock of a dead holder is free, from 0.001. renew: a thread extends
    it every third of the TTL for as long as it is held. timeout: seconds that acquire() and `with`
    wait for it; 0.0 tries once, None waits for ever.

    One instance is one holder, and not re-entrant: acquiring it again waits as anyone would. A
    release wakes one waiter and keeps the lock for it for 0.1 s, so that no newcomer is quicker.
    A waiter also looks when the lock should run out, and at least once a second; it sends at most 5
    commands a second. That budget goes first: with a TTL or a socket timeout under half a second,
    a wake-up may be up to a second late.

    fencing_token: of the latest acquisition, None before the first. It is the larger of the last
    token plus one and the server's time in microseconds. The last token is kept until a day after
    the time it stands for, so that a clock set back does no harm; once that key has expired or
    been deleted or evicted, the time alone is above all earlier tokens, unless the clock was set
    back meanwhile (by over a day, where it expired). Across a failover tokens increase unless the
    new primary's clock is behind by more than the failover took.

    A server that evicts may evict the lock. Errors of a vanished server are redis-py's own; one in
    acquire() leaves it unknown whether the lock was taken, and then it runs out after its TTL. A
    client that repeats a release whose reply was lost, as redis-py's default does, hears that there
    is nothing to release: False, or LockLost at the end of `with`. A forked child holds nothing:
    what it inherits it neither extends nor releases.
    Sources: redis.io, "Distributed Locks with Redis"; Martin Kleppmann, "How to do distributed
    locking" (2016), for the token.
    """

    _hold: Hold | None = None

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        ttl: float = 10.0,
        renew: bool = False,
        timeout: float | None = None,
    ):
        self._entered = threading.local()  # `with` in several threads: each leaves its own hold
        tag = tagged(name)
        self._lock, token, self._wake = f"{tag}:lock", f"{tag}:lock:token", f"{tag}:lock:wake"
        self._taking, self._freeing = [self._lock, token], [self._lock, self._wake]
        self.client, self.name, self.renew = checked_client(client), name, renew
        self.ttl = seconds("ttl", ttl)
        self._ms = _ms(ttl)
        self.timeout = _checked_timeout(timeout)
        self.fencing_token: int | None = None
        self._patience = longest_block(client)

    def acquire(self, blocking: bool = True, timeout: float | EllipsisType | None = ...) -> bool:
        """Take the lock; False when it was not free in time.

        blocking: False tries once. timeout: seconds to wait, in place of the lock's own.
        """
        if timeout is ...:
            return self._acquire(self.timeout if blocking else 0.0) is not None
        if not blocking:
            raise ValueError("timeout: a call that does not block takes none")
        return self._acquire(_checked_timeout(timeout)) is not None

    def release(self) -> bool:
        """Free the lock; False when it was not held, or lost and perhaps someone else's."""
        hold = self._hold
        return hold is not None and not hold.inherited() and self._release(hold)

    def extend(self, ttl: float | None = None) -> bool:
        """Let it run out `ttl` seconds from now, by default its own TTL; False when it was lost."""
        ttl = self.ttl if ttl is None else seconds("ttl", ttl)
        hold, now = self._hold, time.monotonic()
        if hold is None or hold.lost or hold.inherited():
            return False
        if script("lock_extend")(self.client, [self._lock], [hold.owner, _ms(ttl)]):
            hold.until = now + ttl
        else:
            hold.lost = True
        return not hold.lost

    def owned(self) -> bool:
        """Whether this instance holds it now. Once False, it stays so until the next acquire()."""
        hold = self._hold
        if hold is None or hold.inherited() or hold.over():
            return False
        # GETEX, because a Cluster client may ask a replica for a GET, and that may be late.
        if text(self.client.getex(self._lock)).removesuffix(_WAITED) != hold.owner:
            hold.lost = True
        return not hold.lost

    def __enter__(self) -> "RedisLock":
        """Wait up to `timeout` seconds, then raise LockNotAcquired."""
        hold = self._acquire(self.timeout)
        if hold is None:
            raise LockNotAcquired(f"lock {self.name!r} was not free within {self.timeout:g} s")
        vars(self._entered).setdefault("holds", []).append(hold)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release; LockLost when the lock did not last. An exception of the body goes first."""
        try:
            self._leave(self._entered.holds.pop())
        except Exception as failure:
            if error is None:
                raise
            error.add_note(f"Leaving the lock failed as well: {failure!r}")

    def __repr__(self) -> str:
        return f"<RedisLock {self.name!r} ttl={self.ttl:g} token={self.fencing_token}>"

    def __del__(self) -> None:
        if self._hold is not None:
            self._hold.end()

    def _acquire(self, timeout: float | None) -> Hold | None:
        began = time.monotonic()
        owner, take = secrets.token_hex(16), script("lock_acquire")
        first = (owner, self._ms, "once") if timeout == 0 else (owner, self._ms)
        reply, sent = take(self.client, self._taking, first), began
        if reply <= 0:
            deadline = math.inf if timeout is None else began + timeout
            commands = deque([-math.inf] * (_BUDGET - 1) + [began], maxlen=_BUDGET)
            while reply <= 0:
                woken = self._wait(-reply / 1000, commands, deadline)
                if woken is None:
                    return None
                sent = commands[-1]
                reply = take(self.client, self._taking, (owner + _WAITED, self._ms, woken))
        hold = Hold(owner, reply, sent + self.ttl)
        self._hold, self.fencing_token = hold, reply
        if self.renew:
            again = [owner, self._ms, "GT"]
            extend = partial(script("lock_extend"), self.client, [self._lock], again)
            hold.renew(extend, self.ttl, self.name)
        return hold

    def _wait(self, left: float, sent: deque[float], deadline: float) -> str | None:
        """Wait for a release ("woken") or the time to look again (""); None at the deadline.

        left: seconds until the lock runs out. Only the first look follows that at once: from then
        on one look a second leaves room in the budget for answering a release.
        """
        woken, now = "", time.monotonic()
        if now >= deadline:
            return None
        look = min(max(now + left, sent[3] + 1.0), now + 1.0, deadline)
        while now < look and not woken:
            if not _paced(sent, deadline):
                return None
            patience = min(look - now, self._patience)
            with suppress(TimeoutError):  # if it was not merely late, the next look raises it
                if self.client.blpop([self._wake], timeout=max(patience, _SHORTEST)):
                    woken = "woken"
            now = time.monotonic()
        return woken if _paced(sent, deadline) else None

    def _release(self, hold: Hold) -> bool:
        hold.end()  # before the lock is freed: a renewal that finds it gone knows why
        hold.released = bool(script("lock_release")(self.client, self._freeing, (hold.owner,)))
        if self._hold is hold:
            self._hold = None
        return hold.released

    def _leave(self, hold: Hold) -> None:
        if hold.released or hold.inherited():
            return
        lost = LockLost(f"lock {self.name!r} did not last while its holder worked: {hold.token}")
        try:
            released = self._release(hold)
        except Exception as failure:
            if hold.over():
                raise lost from failure
            raise
        if hold.lost or not released:
            raise lost


def _paced(sent: deque[float], deadline: float) -> bool:
    """Sleep until the budget has room for one more command; False when that is too late."""
    room = sent[0] + 1.0
    time.sleep(max(0.0, min(room, deadline) - time.monotonic()))
    sent.append(time.monotonic())
    return room < deadline


def _checked_timeout(timeout: float | None) -> float | None:
    return None if timeout is None else seconds("timeout", timeout, least=0.0)


def _ms(ttl: float) -> int:
    return max(1, round(ttl * 1000))
