"""LocalTier: a bounded dict of values that are right until a given time, for MultiLevelCache.

A hit takes no lock: each step of it is atomic by itself. What is read from elsewhere to be kept is
announced first, and kept only if nobody has dropped the key or the tier since then.
"""

import threading
from collections import OrderedDict
from time import monotonic
from typing import Any

ABSENT = object()


class LocalTier:
    """Values by key, the least recently used one leaving first. hits: threads may lose counts."""

    def __init__(self, max_items: int):
        self.max_items = max_items
        self._entries: OrderedDict[str, tuple[Any, float]] = OrderedDict()  # value, until when
        self.start()

    def start(self) -> None:
        """Empty; with a new lock, since that of a forked process may be held by nobody."""
        self.hits = 0
        self._lock = threading.Lock()
        self._expected: dict[str, object] = {}  # by key: the token of the read that may be kept
        self._entries.clear()

    def find(self, key: str, fresh_until: float) -> Any:
        """The value kept here, or ABSENT. fresh_until: `monotonic()` until which values count."""
        try:
            value, until = self._entries[key]
            now = monotonic()
            if now < until and now < fresh_until:
                self._entries.move_to_end(key)
                self.hits += 1
                return value
        except (KeyError, TypeError):  # not there, gone between two steps, or no key at all
            pass
        return ABSENT

    def expect(self, key: str, fresh_until: float) -> object:
        """Announce a read; the token with which to keep it. A later read takes its place."""
        token = object()
        with self._lock:
            if monotonic() < fresh_until:
                self._expected[key] = token
        return token

    def expected(self, key: str, token: object) -> bool:
        """Whether that read may still be kept."""
        return self._expected.get(key) is token

    def keep(self, key: str, token: object, value: Any, until: float) -> None:
        """Keep what was read, if it may still be kept; until: `monotonic()`."""
        with self._lock:
            if not self.expected(key, token):
                return
            del self._expected[key]
            if until <= monotonic():
                return
            self._entries[key] = (value, until)
            self._entries.move_to_end(key)
            if len(self._entries) > self.max_items:
                self._entries.popitem(last=False)

    def forget(self, *keys: str) -> None:
        """Drop these keys, and keep no read of them that is under way."""
        with self._lock:
            for key in keys:
                self._expected.pop(key, None)
                self._entries.pop(key, None)

    def drop(self) -> None:
        """Drop all, and keep no read that is under way."""
        with self._lock:
            self._expected.clear()
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
