"""Asking programs that may not be there, or may never answer: all at once, within a time."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence


def ask(commands: Mapping[str, Sequence[str]], patience: float) -> dict[str, str | None]:
    """The first line of each one's answer; None for a failure, or for silence in these seconds."""
    deadline = time.monotonic() + patience
    pipe, none, asked = subprocess.PIPE, subprocess.DEVNULL, {}
    for name, command in commands.items():
        with contextlib.suppress(OSError):
            asked[name] = subprocess.Popen(
                command, stdin=none, stdout=pipe, stderr=none, text=True, start_new_session=True
            )
    said: dict[str, str | None] = dict.fromkeys(commands)
    for name, child in asked.items():
        try:
            lines, _ = child.communicate(timeout=max(0.0, deadline - time.monotonic()))
            said[name] = lines.partition("\n")[0].strip() if child.returncode == 0 else None
        except subprocess.TimeoutExpired:
            # The whole session, and not a wait for it: sudo's processes are root's to kill.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    return said
