"""Proves exercises: the stub fails, the solution passes, each wrong answer gets its reason."""

import inspect
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from redis_lab.course.exercise import Exercise, find, ids, judge
from redis_lab.errors import LabUnavailable


@dataclass(frozen=True)
class Finding:
    """One exercise. faults: what is wrong with it; skipped: why it could not be judged here."""

    id: str
    faults: tuple[str, ...]
    seconds: float
    skipped: str = ""


def verify(exercise: Exercise) -> list[str]:
    """What is wrong with an exercise, in sentences; an empty list is a proof.

    Raises LabUnavailable where its servers can't be had.
    """
    faults = []
    if judge(exercise, exercise.stub).passed:
        faults.append("the stub passes")
    if not (verdict := judge(exercise, exercise.solution)).passed:
        faults.append(f"the solution does not pass: {'; '.join(verdict.reasons)}")
    for name, answer in exercise.wrong.items():
        reason = " ".join((inspect.getdoc(answer) or "(no docstring)").split())
        verdict = judge(exercise, answer)
        if verdict.passed:
            faults.append(f"{name} passes")
        elif not any(reason in said for said in verdict.reasons):
            faults.append(f"{name} is refused, but not for {reason!r}: {verdict.reasons}")
    return faults


def verify_all(chosen: Iterable[str] = ()) -> Iterator[Finding]:
    """Verify these exercises (default: all), one on each core, as they are done."""
    names = list(chosen) or list(ids())
    for name in names:
        find(name)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for future in as_completed(pool.submit(_finding, name) for name in names):
            yield future.result()


def _finding(name: str) -> Finding:
    started = time.perf_counter()
    try:
        faults = tuple(verify(find(name)))
    except LabUnavailable as error:
        return Finding(name, (), time.perf_counter() - started, str(error))
    return Finding(name, faults, time.perf_counter() - started)
