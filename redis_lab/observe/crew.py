"""A crew of worker processes that are killed in the middle of their work, and who held what."""

import ast
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import IO, Any

import pandas as pd
import redis
from redis.utils import str_if_bytes

PATIENCE = 30.0  # seconds for each thing that is waited for
_PAUSE = 0.004
_COLUMNS = ["who", "what", "start", "end", "outcome"]


def crew(
    source: str,
    workers: Mapping[str, Sequence[str]],
    *,
    kills: Sequence[str] = (),
    ready: Callable[[str], bool],
    done: Callable[[], bool],
    killed: Callable[[str], object] = lambda name: None,
) -> None:
    """Run Python source as a process for each worker until done() is true; kill some meanwhile.

    workers: by name, the arguments that each finds in sys.argv[1:]. kills: names, in order, each
    killed once and replaced at once, by a process that stood by with its imports done. ready(name)
    is asked while that process stands still (SIGSTOP): it goes on unless it is true, else it gets
    SIGKILL and killed(name) is called. At the end all are killed: done() has to mean that nothing
    is in anybody's hands.
    Raises TimeoutError if something takes more than half a minute, RuntimeError with the last line
    of its traceback if a worker fails; no process is left.
    """
    with tempfile.TemporaryFile() as errors:
        start = partial(_start, _standing_by(source), errors)
        running = {name: start(given) for name, given in workers.items()}
        spare = [start(workers[name]) for name in kills]
        fine = partial(_none_has_failed, running, errors)
        try:
            for process in running.values():
                _go(process)
            for name in kills:
                _until(partial(_stands_ready, running[name], name, ready), f"{name} is ready", fine)
                _end(running[name])
                killed(name)
                running[name] = spare.pop(0)
                _go(running[name])
            _until(done, "all is done", fine)
        finally:
            for process in (*running.values(), *spare):
                _end(process)


def held(client: redis.Redis, trail: str) -> pd.DataFrame:
    """Who held what from when to when, for show.swimlanes, from what the workers noted themselves.

    trail: a stream whose entries have the fields who, what and did: "reads" (has it from now on),
    "does" (its effect), "acks" (lets go of it) or "dies" (lets go of all, what is ignored). Seconds
    count from its first entry, by the server's clock. outcome: "dead worker's" where the holder
    died; where somebody had held it before, "done again" or "taken over"; else "acknowledged".
    """
    rows: list[tuple[Any, ...]] = []
    hands: dict[tuple[str, str], tuple[float, str]] = {}
    seen: set[str] = set()
    effects: set[str] = set()
    entries: Any = client.xrange(trail)
    times = [int(str_if_bytes(entry).partition("-")[0]) for entry, _ in entries]
    for ms, (_, fields) in zip(times, entries, strict=True):
        at = (ms - times[0]) / 1000
        row = {str_if_bytes(name): str_if_bytes(value) for name, value in fields.items()}
        who, what, did = row.get("who", ""), row.get("what", ""), row["did"]
        if did == "reads":
            again = "done again" if what in effects else "taken over"
            hands[who, what] = at, again if what in seen else "acknowledged"
            seen.add(what)
        elif did == "does":
            effects.add(what)
        for key in [key for key in hands if key[0] == who and (did == "dies" or key[1] == what)]:
            if did in ("acks", "dies"):
                start, word = hands.pop(key)
                rows.append((*key, start, at, "dead worker's" if did == "dies" else word))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _standing_by(source: str) -> str:
    """The source, with its imports first and then a wait for a line; without one it ends."""
    imports = (ast.Import, ast.ImportFrom)
    first = [ast.unparse(each) for each in ast.parse(source).body if isinstance(each, imports)]
    wait = "import sys\nif not sys.stdin.readline(): sys.exit()"
    return "\n".join([*first, wait, source])


def _start(source: str, errors: IO[bytes], arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors, start_new_session=True)


def _go(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):  # it has failed, and that is told elsewhere
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.flush()


def _stands_ready(
    process: subprocess.Popen[bytes], name: str, ready: Callable[[str], bool]
) -> bool:
    process.send_signal(signal.SIGSTOP)  # unlike os.kill, never to a stranger with its number
    found = False
    try:
        found = ready(name)
    finally:
        if not found:
            process.send_signal(signal.SIGCONT)
    return found


def _none_has_failed(running: Mapping[str, subprocess.Popen[bytes]], errors: IO[bytes]) -> None:
    for name, process in running.items():
        if process.poll():
            errors.seek(0)
            lines = errors.read().decode(errors="replace").splitlines()
            raise RuntimeError(
                f"{name} failed: {lines[-1] if lines else f'exit {process.returncode}'}"
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdin:
        process.stdin.close()


def _until(fact: Callable[[], bool], what: str, fine: Callable[[], None]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not fact():
        fine()
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {PATIENCE:g} s it is not so: {what}")
        time.sleep(_PAUSE)
