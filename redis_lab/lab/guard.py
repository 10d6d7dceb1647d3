"""Nothing is left behind: a note on disk of every lab, a guard process, and the sweep both use.

Run as a script, this file is the guard. It holds the other end of a pipe to the process that
started the labs; when that process ends, however it ends, the guard kills its servers and removes
its folders. Servers are recognised by a token in their environment, never by name.
"""

import contextlib
import json
import os
import select
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TOKEN = "REDIS_LAB_ID"
Owner = tuple[int, float]


def state_folder() -> Path:
    """Where the notes lie: REDIS_LAB_STATE, the user's state folder, or the temporary one."""
    import platformdirs

    wanted = os.environ.get("REDIS_LAB_STATE") or platformdirs.user_state_dir("redis-lab")
    for folder in (Path(wanted), Path(tempfile.gettempdir(), f"redis-lab-{os.getuid()}")):
        with contextlib.suppress(OSError):
            folder = folder / "labs"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise OSError(f"no folder for the list of running labs can be written: {wanted}")


def owner() -> Owner:
    """This process, told apart from a later one that gets the same number."""
    import psutil

    return os.getpid(), psutil.Process().create_time()


def is_running(who: Owner) -> bool:
    import psutil

    try:
        process = psutil.Process(who[0])
        return process.create_time() == who[1] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def write_note(lab_id: str, note: dict[str, Any]) -> None:
    """Note a lab, atomically and for this user's eyes only (the password is in its URL)."""
    path = state_folder() / f"{lab_id}.json"
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(note))
    draft.replace(path)


def forget(lab_id: str) -> None:
    """Remove a lab's note."""
    (state_folder() / f"{lab_id}.json").unlink(missing_ok=True)


def notes() -> dict[str, dict[str, Any]]:
    """All noted labs by id; a note that can't be read is removed."""
    found = {}
    for path in sorted(state_folder().glob("*.json")):
        try:
            found[path.stem] = json.loads(path.read_text())
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            path.unlink(missing_ok=True)
    return found


def processes_of(lab_ids: set[str]) -> list[Any]:
    """The living processes (psutil) that carry one of these labs' tokens."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(TOKEN) in lab_ids:
                found.append(process)
    return found


def remove(lab_ids: set[str]) -> None:
    """Kill what belongs to these labs and remove their folders and notes."""
    import psutil

    known = notes()
    deadline = time.monotonic() + 5
    while (alive := processes_of(lab_ids)) and time.monotonic() < deadline:
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=1)
    for lab_id in lab_ids:
        if folder := known.get(lab_id, {}).get("folder"):
            shutil.rmtree(folder, ignore_errors=True)
        forget(lab_id)


def leftovers() -> set[str]:
    """Labs whose owner is gone and which were not meant to outlive it."""
    return {
        lab_id
        for lab_id, note in notes().items()
        if not note.get("detached") and not is_running(tuple(note["owner"]))
    }


def sweep() -> set[str]:
    """Remove what dead owners left; returns the ids of the labs removed."""
    if gone := leftovers():
        remove(gone)
    return gone


def start() -> int:
    """Start the guard of this process; returns the pipe's end to keep open."""
    import subprocess

    ours, theirs = os.pipe()
    subprocess.Popen(
        [sys.executable, "-I", __file__, str(os.getpid())],
        stdin=ours,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "REDIS_LAB_STATE": str(state_folder().parent)},
    )
    os.close(ours)
    return theirs


def main(parent: int) -> None:
    """Wait for the parent's end, then sweep.

    The pipe tells at once; a forked child of the parent may hold it open, so the parent is looked
    for as well.
    """
    while os.getppid() == parent:
        if select.select([0], [], [], 0.5)[0] and not os.read(0, 1):
            time.sleep(0.02)
    sweep()


if __name__ == "__main__":
    main(int(sys.argv[1]))
