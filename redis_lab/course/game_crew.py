"""The projectors of a game day, each in a process of its own, and their deaths.

This file is also what such a process runs. It ends when its parent does.
"""

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import redis_lab as rl
from redis_lab.board import Board, projector
from redis_lab.patterns import StreamWorker

PATIENCE = 20.0
_PR_SET_PDEATHSIG = 1


class Crew:
    """Projectors by name, each for all airports; a context manager.

    url: of a Sentinel, or of a node of a Cluster.
    """

    def __init__(self, url: str, airports: Sequence[str], names: Sequence[str]):
        self._orders = [url, list(airports)]
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._names = names

    def __enter__(self) -> "Crew":
        try:
            for name in self._names:
                self.start(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            _end(process)

    def start(self, name: str) -> None:
        """A process for this projector; it follows the bookings when this returns."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__], stdin=subprocess.PIPE, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._processes[name] = process
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps([*self._orders, name]) + "\n")
        process.stdin.flush()
        if not process.stdout.readline():
            raise ChildProcessError(f"projector {name} ended before it began")

    def kill_at_work(self, name: str, boards: Sequence[Board]) -> None:
        """kill -9 at a moment when it has bookings in its hands."""
        process = self._processes[name]
        deadline = time.monotonic() + PATIENCE
        while True:
            process.send_signal(signal.SIGSTOP)
            if any(held(board, name) for board in boards):
                _end(process)
                return
            process.send_signal(signal.SIGCONT)
            if time.monotonic() > deadline:
                raise TimeoutError(f"projector {name} had nothing in its hands in {PATIENCE:g} s")
            time.sleep(0.005)

    def ended(self) -> str:
        """The projectors that run no more: ", without A" or "", for a message."""
        names = [name for name, process in self._processes.items() if process.poll() is not None]
        return f", without {' and '.join(names)}" if names else ""

    def worker(self, board: Board) -> StreamWorker:
        """One that only looks on: for pending() and lag()."""
        return projector(board, "nobody")


def held(board: Board, name: str) -> int:
    """How many bookings that projector has taken and not done."""
    stream, client = board.bookings.stream, board.client
    return len(client.xpending_range(stream, "projectors", "-", "+", 100, consumername=name))


def _end(process: subprocess.Popen[Any]) -> None:
    process.kill()
    process.wait()
    assert process.stdin and process.stdout
    process.stdin.close()
    process.stdout.close()


def _work(url: str, airports: Sequence[str], name: str) -> None:
    stop = threading.Event()
    client = rl.attach(url).client()
    boards = [Board(client, airport, lambda airport, day: []) for airport in airports]
    for worker in [projector(board, name) for board in boards]:
        threading.Thread(target=_follow, args=(worker, stop), daemon=True).start()
    sys.stdout.write("follows\n")
    sys.stdout.flush()
    sys.stdin.read()
    stop.set()


def _follow(worker: StreamWorker, stop: threading.Event) -> None:
    """A projector that can't go on is one that has ended: the process, not a thread of it."""
    try:
        worker.run(stop)
    except BaseException:
        os._exit(1)


def _end_with_parent() -> None:
    """Also while we are stopped, and can't see that stdin has ended. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _end_with_parent()
    logging.disable()
    _work(*json.loads(sys.stdin.readline()))
