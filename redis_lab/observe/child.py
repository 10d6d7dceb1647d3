"""A function of one of our files in a process of its own, which lives no longer than we do.

Its file is run as a script, without this package: a start costs what that file imports.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

# Orders come by stdin, not as arguments: they have passwords. Its end is the end of the parent;
# a thread in sys.stdin.read() would hold a lock that the interpreter wants when it ends.
_PRELUDE = """
import json, os, runpy, sys, threading
orders = json.loads(sys.stdin.readline())
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
runpy.run_path(sys.argv[1])[sys.argv[2]](*orders)
"""


class Child:
    """Runs `function` of the Python file `file` with these orders (JSON); what it prints is kept.

    name: what errors call it.
    """

    def __init__(self, file: str, function: str, orders: Sequence[Any], name: str):
        self.name = name
        self._command = [sys.executable, "-P", "-c", _PRELUDE, file, function]
        self._orders = list(orders)
        self._notes = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - as long as this object is
        self._process: subprocess.Popen[str] | None = None

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def ended(self) -> bool:
        """It was started, and runs no more."""
        return self._process is not None and not self.runs

    def start(self) -> None:
        """Begin, once; RuntimeError the second time."""
        if self._process:
            raise RuntimeError(f"a {self.name} runs once: make another")
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=self._notes, text=True,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin
        self._process.stdin.write(json.dumps(self._orders) + "\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """SIGTERM, and wait; twice is fine."""
        if self._process:
            self._process.terminate()
            self._process.wait()
            assert self._process.stdin
            self._process.stdin.close()

    def said(self) -> bytes:
        """All that it has printed so far."""
        notes = self._notes.fileno()
        return os.pread(notes, os.fstat(notes).st_size, 0)  # it writes at the file's place

    def lines(self) -> list[str]:
        """The lines of it that are whole."""
        return self.said().decode().split("\n")[:-1]

    def wait(self, count: Callable[[], int], more: int, what: str, timeout: float) -> None:
        """Until count() is larger by `more`; RuntimeError if it has ended, TimeoutError."""
        before, deadline = count(), time.monotonic() + timeout
        while (done := count() - before) < more:
            if not self.runs:
                raise RuntimeError(f"the {self.name} runs no more: has the server gone?")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{done} of {more} {what} in {timeout:g} s")
            time.sleep(0.005)
