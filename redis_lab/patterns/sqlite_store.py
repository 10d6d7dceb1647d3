"""SQLiteStore: rows of key and JSON value in one SQLite table, as the store behind a cache.

Promises: a save is one transaction, synced to disk when it returns; a save that carries a position
not above the last one changes nothing, so a writer that was paused can't overwrite what came later.
Not for several machines: an SQLite file belongs on a local disk.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from redis_lab.patterns.keys import text

BUSY = 5.0  # seconds to wait for another process's transaction
_encode = json.JSONEncoder(allow_nan=False).encode


@runtime_checkable
class Store(Protocol):
    """What stands behind a cache: a database, seen as rows by key. Any object with these two.

    None means "no row": `load` gives it for a key that is not there, `save` removes the row for it.
    `save` writes all rows or none. Its errors sort themselves: see WriteBehind.
    """

    def load(self, key: str) -> Any:
        """The value of this key, or None."""

    def save(self, values: dict[str, Any], position: str | None = None) -> Any:
        """Write these rows. position: the stream ID of the last write among them, if queued.

        With a position, a store should write nothing when it has seen this one or a later one, and
        keep it in the same transaction as the rows: that is what makes a queued write happen once.
        """


class SQLiteStore:
    """A Store in the SQLite file `path`, table `table` (key TEXT, value TEXT holding JSON).

    The table is made if it is missing, and beside it `<table>_position`, which holds the last
    stream ID: a table belongs to one write-behind namespace. For any number of threads and
    processes; a forked child opens the file anew. A load does not wait for other processes. But an
    object has one connection, so a load waits for a save of another thread, and that one for the
    transaction of another process, 5 s at most. ":memory:" lives and dies with this object.
    """

    def __init__(self, path: str | Path, table: str):
        if not isinstance(table, str):
            raise TypeError(f"table must be a str, not {type(table).__name__}")
        if not table or "\0" in table:
            raise ValueError("table must not be empty or hold a NUL")
        self.path, self.table = os.fspath(path), table
        self._rows, self._last = _quoted(table), _quoted(f"{table}_position")
        self._of_parents: list[Any] = []  # SQLite forbids to use these after a fork, or close them
        self._opened = self._open()

    def load(self, key: str) -> Any:
        """The value of this key, or None. Raises sqlite3.Error."""
        with self._database() as db:
            row = db.execute(f"SELECT value FROM {self._rows} WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def save(self, values: Mapping[str, Any], position: str | None = None) -> bool:
        """Write all of these in one transaction (None removes the row); whether it was done.

        position: a stream ID such as "1700000000000-0". False: this one or a later one was saved
        before, and nothing was changed. A row that has its value already is left alone.
        Raises TypeError or ValueError for what is no JSON, sqlite3.Error; then nothing is written.
        """
        rows = [(key, _encode(value)) for key, value in values.items() if value is not None]
        gone = [(key,) for key, value in values.items() if value is None]
        with self._database() as db:
            db.execute("BEGIN IMMEDIATE")
            if position is not None and not self._advance(db, position):
                return False
            db.executemany(f"DELETE FROM {self._rows} WHERE key = ?", gone)
            db.executemany(
                f"INSERT INTO {self._rows} (key, value) VALUES (?, ?) ON CONFLICT (key) "
                "DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value",
                rows,
            )
            db.execute("COMMIT")
        return True

    @property
    def position(self) -> str | None:
        """The stream ID of the last queued write that was saved; None before the first."""
        with self._database() as db:
            row = db.execute(f"SELECT ms, seq FROM {self._last}").fetchone()
        return None if row is None else f"{row[0]}-{row[1]}"

    def close(self) -> None:
        """Close the file. Twice is fine."""
        pid, lock, db = self._opened
        if pid == os.getpid():
            with lock:
                db.close()

    def __repr__(self) -> str:
        return f"<SQLiteStore {self.table!r} in {self.path}>"

    def _open(self) -> tuple[int, threading.Lock, sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")  # other processes read while one writes
        db.execute("PRAGMA synchronous = FULL")  # the queue drops a write once it is saved
        db.execute(f"CREATE TABLE IF NOT EXISTS {self._rows} (key TEXT PRIMARY KEY, value TEXT)")
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._last} "
            "(only_row INTEGER PRIMARY KEY CHECK (only_row = 1), ms INTEGER, seq INTEGER)"
        )
        return os.getpid(), threading.Lock(), db

    def _advance(self, db: sqlite3.Connection, position: str) -> bool:
        """Move the last position up to this one; False where it is there or beyond."""
        ms, _, seq = text(position).partition("-")
        moved = db.execute(
            f"INSERT INTO {self._last} VALUES (1, ?, ?) ON CONFLICT (only_row) DO UPDATE "
            "SET ms = excluded.ms, seq = excluded.seq "
            "WHERE (excluded.ms, excluded.seq) > (ms, seq)",
            (int(ms), int(seq or 0)),
        )
        return moved.rowcount > 0

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; a transaction left open is rolled back."""
        if self._opened[0] != os.getpid():
            self._of_parents.append(self._opened)
            self._opened = self._open()  # two threads may both: each goes on with one of its own
        _, lock, db = self._opened
        with lock:
            try:
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
