"""An airport's office: programs that keep a server busy from a process of their own.

Most of them are as they should be, some do harm, and one can be mended while it runs. For notebook
70 and its exercises. The process ends with the block, with the Python that started it, or after an
hour. What the programs do is in programs.py: who wants to find the culprits does not read it yet.
"""

import json
import subprocess
import sys
from typing import Any

from redis_lab.course import programs as office_programs
from redis_lab.course.programs import PROGRAMS

PATIENCE = 2.0  # seconds for the programs to end by themselves


class Office:
    """Runs some programs against a client's server: `with Office(r, "board", "desk") as office:`

    client: a redis.Redis on TCP; its address and password are used. programs: names from PROGRAMS,
    ValueError for another one; "board:UA" calls itself UA. The block begins when each has had its
    first turn.
    """

    def __init__(self, client: Any, *programs: str):
        if strangers := {each.partition(":")[0] for each in programs} - set(PROGRAMS):
            raise ValueError(f"programs: {', '.join(sorted(strangers))} not in this office")
        known = client.connection_pool.connection_kwargs
        login = [known.get("username") or "default", known.get("password") or ""]
        self._orders = [known["host"], known["port"], login, programs]
        self._process: Any = None

    def open(self) -> "Office":
        """Start. RuntimeError if a program fails at once."""
        command, pipe = [sys.executable, "-I", "-S", office_programs.__file__], subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, start_new_session=True
        )
        self._say(json.dumps(self._orders))
        return self

    def mend(self, program: str) -> None:
        """Deploy a version without the fault; the old one's last turn is over on return.

        ValueError for a program that doesn't run here.
        """
        if program not in self._orders[3]:
            raise ValueError(f"program: {program!r} doesn't run; {', '.join(self._orders[3])} do")
        self._say(f"mend {program}")

    def close(self) -> None:
        """End them all; twice is fine."""
        if self._process:
            try:
                self._process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:  # as when the server stands still
                self._process.kill()
                self._process.communicate()
            self._process = None

    def __enter__(self) -> "Office":
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, text: str) -> None:
        try:
            self._process.stdin.write(f"{text}\n")
            self._process.stdin.flush()
            said = self._process.stdout.readline()
        except (AttributeError, OSError):
            said = ""
        if said != "done\n":
            raise RuntimeError("the office is closed: open another")
