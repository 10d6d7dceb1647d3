"""What a learner did: attempts, hints, solutions looked at, predictions. One small file.

It lies in the user's state folder and holds nothing but this. Two notebooks may write at once: each
change is read, made and put back under a lock, and a reader sees the old file or the new one.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis_lab.lab.guard import state_folder

FIELDS = {"attempts": 0, "hints": 0, "passed": None, "solution": None}


def path() -> Path:
    """Where the record is kept: progress.json, beside the list of running labs."""
    return state_folder().parent / "progress.json"


def read() -> dict[str, dict[str, Any]]:
    """The record: {"exercises": {id: fields}, "predictions": {question: right or not}}."""
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
    with _changing() as record:
        record["predictions"].setdefault(question, right)


def now() -> str:
    """The time as it is stored: UTC, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@contextlib.contextmanager
def _changing() -> Iterator[dict[str, dict[str, Any]]]:
    file = path()
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        record = _read(file)
        yield record
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        draft.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
        draft.replace(file)


def _read(file: Path) -> dict[str, dict[str, Any]]:
    empty: dict[str, dict[str, Any]] = {"exercises": {}, "predictions": {}}
    try:
        record = json.loads(file.read_bytes())
        exercises = {key: {**FIELDS, **each} for key, each in record["exercises"].items()}
        return {"exercises": exercises, "predictions": dict(record["predictions"])}
    except FileNotFoundError:
        return empty
    except (ValueError, KeyError, TypeError, AttributeError):
        with contextlib.suppress(FileNotFoundError):
            file.replace(file.with_name(f"progress.damaged-{time.strftime('%Y%m%d-%H%M%S')}.json"))
        return empty
