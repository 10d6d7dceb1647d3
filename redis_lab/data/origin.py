"""Origin: the year of flights in an SQLite file, as slow as the work it does.

What a cache stands in front of. The file has no index, so each question reads all 336,776 flights:
tens of milliseconds of honest work, no pause built in.
"""

import fcntl
import os
import shutil
import sqlite3
import struct
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pandas as pd

PREFIX = f"redis-lab-origin-{os.getuid()}-"
COLUMNS = (
    "id", "scheduled", "month", "day", "carrier", "origin", "dest", "tailnum", "dep_delay",
    "arr_delay", "distance",
)  # fmt: skip
_CALL = struct.Struct("ddi")  # start, seconds, process


class Origin:
    """An SQLite file with one table, `flights`, and a count of calls: `with Origin() as origin:`

    path: the file of another Origin, to ask it from another process; without one a new file is
    made (about a second) that goes when close() is called or the process ends. Threads and forked
    children may share an Origin. Raises FileNotFoundError for a path that isn't there.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None):
        self._close = lambda: None
        if path is None:
            path = self._build()
        elif not Path(path).is_file():
            raise FileNotFoundError(f"no origin at {path}")
        self.path = Path(path)
        self._log = self.path.with_suffix(".calls")
        self._local = threading.local()

    def __enter__(self) -> "Origin":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Run one SQL statement, reading or writing; its rows. Counted, also when it fails.

        Raises sqlite3.Error.
        """
        started, clock = time.time(), time.perf_counter()
        try:
            return [dict(row) for row in self._connection().execute(sql, values)]
        finally:
            self._note(_CALL.pack(started, time.perf_counter() - clock, os.getpid()))

    def plane(self, tailnum: str) -> dict[str, Any]:
        """One plane's year: flights, how many left over 15 minutes late, mean minutes of delay.

        A tail number that never flew has 0 flights.
        """
        [row] = self.ask(
            "SELECT count(*) AS flights, total(dep_delay > 15) AS late, avg(dep_delay) AS mean"
            " FROM flights WHERE tailnum = ?",
            tailnum,
        )
        mean = row["mean"] and round(row["mean"], 1)
        return {
            "tailnum": tailnum,
            "flights": row["flights"],
            "late": int(row["late"]),
            "mean": mean,
        }

    @property
    def calls(self) -> int:
        """How often ask() was called since the last forget(), by all processes together."""
        return self._log.stat().st_size // _CALL.size if self._log.exists() else 0

    def log(self) -> pd.DataFrame:
        """A row for each call, in the order they ended: at (unix seconds), seconds, process."""
        noted = self._log.read_bytes() if self._log.exists() else b""
        whole = len(noted) // _CALL.size * _CALL.size
        return pd.DataFrame(_CALL.iter_unpack(noted[:whole]), columns=["at", "seconds", "process"])

    def forget(self) -> None:
        """Count from zero again."""
        self._log.write_bytes(b"")

    def close(self) -> None:
        """Remove the file, if this Origin made it. Twice: nothing."""
        self._close()

    def _connection(self) -> sqlite3.Connection:
        mine: dict[int, sqlite3.Connection] = self._local.__dict__.setdefault("by_process", {})
        if os.getpid() not in mine:  # a parent's stays in the dict: a child must not close it
            if not self.path.is_file():
                raise sqlite3.ProgrammingError("this origin is closed")
            mine[os.getpid()] = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            mine[os.getpid()].row_factory = sqlite3.Row
        return mine[os.getpid()]

    def _note(self, call: bytes) -> None:
        with suppress(FileNotFoundError), self._log.open("ab", buffering=0) as file:
            file.write(call)

    def _build(self) -> Path:
        _sweep()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = (folder / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)  # held while this process, or a child of it, lives
        self._close = weakref.finalize(self, _remove, folder, lock, os.getpid())
        with closing(sqlite3.connect(folder / "flights.sqlite")) as file:
            file.execute(f"CREATE TABLE flights ({', '.join(COLUMNS)})")
            marks = ", ".join("?" * len(COLUMNS))
            file.executemany(f"INSERT INTO flights VALUES ({marks})", _rows())
            file.commit()
            file.execute("PRAGMA journal_mode = WAL")
        return folder / "flights.sqlite"


def _rows() -> Iterator[tuple[Any, ...]]:
    from redis_lab.data import flights

    frame = flights()
    frame["scheduled"] = frame["scheduled"].astype(str)
    frame = frame[list(COLUMNS)].astype(object).where(frame[list(COLUMNS)].notna(), None)
    return zip(*(frame[column].tolist() for column in COLUMNS), strict=True)


def _remove(folder: Path, lock: Any, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
    lock.close()


def _sweep() -> None:
    """Remove what a killed process left a minute ago or more: a folder whose lock nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / "lock").open() as lock:
            if time.time() - folder.stat().st_mtime < 60:
                continue  # perhaps between its first line and its lock
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
