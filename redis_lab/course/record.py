"""What a learner did: attempts, hints, solutions looked at, predictions. One small file.

It lies in the user's state folder and holds nothing but this. Two notebooks may write at once: each
change is read, made and put back under a lock, and a reader sees the old file or the new one.
"""

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis_lab.lab.guard import state_folder

_log = logging.getLogger("redis_lab.course")
FIELDS = {"attempts": 0, "hints": 0, "passed": None, "solution": None}


def path() -> Path:
    """Where the record is kept: progress.json, beside the list of running labs."""
    return state_folder().parent / "progress.json"


def read() -> dict[str, dict[str, Any]]:
    """The record: {"exercises": {id: fields}, "predictions": {question: right or not}}."""
    with _locked():
        return _read(path())


@contextlib.contextmanager
def exercise(exercise_id: str) -> Iterator[dict[str, Any]]:
    """The fields of one exercise, to be changed in the block; they are stored after it."""
    with _changing() as record:
        yield record["exercises"].setdefault(exercise_id, dict(FIELDS))


def of(exercise_id: str) -> dict[str, Any]:
    """The fields of one exercise as they are."""
    return {**FIELDS, **read()["exercises"].get(exercise_id, {})}


def prediction(question: str, right: bool) -> None:
    """Note a prediction; the first one counts."""
    try:
        with _changing() as record:
            record["predictions"].setdefault(question, right)
    except OSError as error:
        not_kept(error)


def not_kept(error: OSError) -> None:
    """Say that the record can't be written."""
    _log.warning("your progress can't be recorded: %s", error)


def now() -> str:
    """The time as it is stored: UTC, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@contextlib.contextmanager
def _changing() -> Iterator[dict[str, dict[str, Any]]]:
    with _locked():
        file = path()
        record = _read(file)
        yield record
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        draft.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
        draft.replace(file)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    with path().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        record = json.loads(file.read_bytes())
        exercises = {key: _checked(each) for key, each in record["exercises"].items()}
        predictions = {key: bool(each) for key, each in record["predictions"].items()}
        return {"exercises": exercises, "predictions": predictions}
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError, AttributeError):
        kept = file.with_name(f"progress.damaged-{time.strftime('%Y%m%d-%H%M%S')}.json")
        with contextlib.suppress(FileNotFoundError):
            file.replace(kept)
            _log.warning("the record of your progress can't be read; it is kept as %s", kept)
    return {"exercises": {}, "predictions": {}}


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an exercise. Raises TypeError where one is of another type than ours."""
    every = {**FIELDS, **fields}
    for name, kind in (("attempts", int), ("hints", int), ("passed", str), ("solution", str)):
        if not isinstance(every[name], kind) and every[name] is not FIELDS[name]:
            raise TypeError(f"{name}: {every[name]!r}")
    return every
