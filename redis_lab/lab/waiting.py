"""Waiting for a state by asking for it, with a deadline and the last answer in the error."""

import time
from collections.abc import Callable

from redis_lab.errors import LabUnavailable


def wait_until(missing: Callable[[], str], timeout: float, what: str, every: float = 0.01) -> float:
    """Ask until nothing is missing any more.

    missing: says in words what is not there yet; an empty string ends the wait.
    timeout, every: seconds. Returns the seconds waited.
    Raises LabUnavailable with the last answer when the time is over.
    """
    started = time.monotonic()
    while last := missing():
        if time.monotonic() - started > timeout:
            raise LabUnavailable(f"{what}: not so after {timeout:g} s. Last seen: {last}")
        time.sleep(every)
    return time.monotonic() - started
