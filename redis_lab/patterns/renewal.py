"""One acquisition of a lock, and the thread that renews it while its holder works.

The thread never dies silently: whatever goes wrong, the hold is over once this machine's monotonic
clock has passed the last TTL that the server confirmed. It knows the lock by its key alone, so that
a RedisLock nobody refers to any more is no longer renewed.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

log = logging.getLogger("redis_lab.patterns.lock")


class Hold:
    """Who holds (a random owner), with which fencing token, until when at least (monotonic)."""

    def __init__(self, owner: str, token: int, until: float):
        self.owner, self.token, self.until = owner, token, until
        self.lost = False  # what was once lost stays lost: its holder may have been told
        self.ended = self.released = False
        self._process = os.getpid()
        self._wake: threading.Event | None = None

    def inherited(self) -> bool:
        """Whether a parent process holds it, and this one is its fork."""
        return self._process != os.getpid()

    def over(self) -> bool:
        """Whether it was lost, or may have run out; the server need not be asked."""
        self.lost = self.lost or time.monotonic() >= self.until
        return self.lost

    def end(self) -> None:
        """Renew it no more."""
        self.ended = True
        if self._wake:
            self._wake.set()

    def renew(self, extend: Callable[[], int], ttl: float, name: str) -> None:
        """From now on extend it every third of its TTL (seconds), until it has ended or is lost."""
        self._wake = threading.Event()
        work, title = (extend, ttl, name), f"redis-lab-renewal {name}"
        threading.Thread(target=self._renew, args=work, name=title, daemon=True).start()

    def _renew(self, extend: Callable[[], int], ttl: float, name: str) -> None:
        assert self._wake
        pause = ttl / 3
        while not self._wake.wait(pause) and not self.over():
            sent = time.monotonic()
            try:
                mine = extend()
            except Exception as error:  # of any kind: the holder still hears of it, by `until`
                if not self.ended:
                    log.warning("lock %r: renewal failed, will be tried again: %r", name, error)
                pause = ttl / 10
                continue
            pause = ttl / 3
            if mine:
                self.until = max(self.until, sent + ttl)
            elif not self.ended:
                self.lost = True
        if self.lost and not self.ended:
            log.warning("lock %r was lost while its holder worked (token %d)", name, self.token)
