"""Nothing is left behind: a note on disk of every lab, a guard process, and the sweep both use.

Run as a script, this file is the guard. It holds the other end of a pipe to the process that
started the labs; when that process ends, however it ends, the guard kills its servers and removes
its folders. Servers are recognised by the folder they work in, whose name holds the lab's random
id, never by their own name: Redis overwrites its arguments and its environment (setproctitle).
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

PREFIX = "redis-lab-"
LINUX = sys.platform == "linux"
ENGINE_DELAY = 2.0  # an engine may still finish what a client asked of it that was killed
Owner = tuple[int, float]


def state_folder() -> Path:
    """Where the notes lie: REDIS_LAB_STATE, the user's state folder, or the temporary one."""
    import platformdirs

    wanted = os.environ.get("REDIS_LAB_STATE") or platformdirs.user_state_dir("redis-lab")
    for folder in (Path(wanted), Path(tempfile.gettempdir(), f"redis-lab-{os.getuid()}")):
        with contextlib.suppress(OSError):
            folder = folder / "labs"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
                return folder
    raise OSError(f"no folder for the list of running labs can be written: {wanted}")


def owner() -> Owner:
    """This process, told apart from a later one that gets the same number."""
    return os.getpid(), _born(os.getpid())


def is_running(who: Owner) -> bool:
    """Whether that very process still runs; a zombie does not."""
    import psutil

    try:
        alive = psutil.Process(who[0]).status() != psutil.STATUS_ZOMBIE
        return alive and _born(who[0]) == who[1]
    except (psutil.Error, OSError):
        return False


def _born(pid: int) -> float:
    """When a process began: on Linux in ticks since boot, which no change of the clock moves."""
    import psutil

    return float(_stat(pid)[19]) if LINUX else psutil.Process(pid).create_time()


def _has_terminal(process: Any) -> bool:
    # psutil knows only the terminals that were there when it was first asked.
    return _stat(process.pid)[4] != "0" if LINUX else process.terminal() is not None


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat from its third field on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def write_note(lab_id: str, note: dict[str, Any]) -> None:
    """Note a lab, atomically and for this user's eyes only (the password is in its URL)."""
    folder = state_folder()
    number, draft = tempfile.mkstemp(f".{os.getpid()}", f"{lab_id}.", folder)
    os.close(number)
    Path(draft).write_text(json.dumps(note))
    Path(draft).replace(folder / f"{lab_id}.json")


def forget(lab_id: str) -> None:
    """Remove a lab's note, and what is left of an attempt to write it."""
    for path in state_folder().iterdir():
        if path.name.partition(".")[0] == lab_id:
            path.unlink(missing_ok=True)


def notes() -> dict[str, dict[str, Any]]:
    """All noted labs by id; a note that makes no sense is removed."""
    found = {}
    for path in sorted(state_folder().glob("*.json")):
        with contextlib.suppress(OSError):
            try:
                note = json.loads(path.read_bytes())
                pid, born = note["owner"]
                found[path.stem] = {**note, "owner": (int(pid), float(born))}
            except (ValueError, TypeError, KeyError):
                path.unlink()
    return found


def processes_of(lab_ids: set[str]) -> list[Any]:
    """The living processes (psutil) that work in one of these labs' folders.

    A terminal in which someone went there to read a log is none of them.
    """
    import psutil

    folders = {f"{PREFIX}{lab_id}" for lab_id in lab_ids}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if folders & set(Path(process.cwd()).parts) and not _has_terminal(process):
                found.append(process)
    return found


def remove(lab_ids: set[str]) -> str:
    """Kill what belongs to these labs and remove their folders and notes.

    The note of a lab stays while something of it does: it is what the next attempt goes by.
    Returns why something stays, empty when nothing does.
    """
    import psutil

    known = notes()
    owners = {note["owner"][0] for note in known.values() if is_running(note["owner"])}
    deadline = time.monotonic() + 5
    while alive := [each for each in processes_of(lab_ids) if each.pid not in owners]:
        if time.monotonic() > deadline:
            break
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.01)
    stuck = {lab_id for lab_id in lab_ids if alive and processes_of({lab_id})}
    why = f"these processes do not end: {', '.join(str(each.pid) for each in alive)}" * bool(stuck)
    if inside := contained(lab_ids):
        from redis_lab.errors import LabUnavailable
        from redis_lab.lab import engine

        try:
            engine.remove(inside)
        except LabUnavailable as error:
            stuck, why = stuck | inside, str(error)
    for lab_id in lab_ids - stuck:
        folder = Path(str(known.get(lab_id, {}).get("folder")))
        if folder.name == f"{PREFIX}{lab_id}":
            remove_folder(folder)
        forget(lab_id)
    return why


def contained(lab_ids: set[str]) -> set[str]:
    """Those of these labs that are noted as containers."""
    return {each for each, note in notes().items() if note.get("backend") == "docker"} & lab_ids


def remove_folder(folder: Path) -> None:
    """Remove a lab's folder; one that is not there is no error."""
    shutil.rmtree(folder, ignore_errors=True)


def leftovers() -> set[str]:
    """Labs whose owner is gone and which were not meant to outlive it."""
    return {
        lab_id
        for lab_id, note in notes().items()
        if not note.get("detached") and not is_running(note["owner"])
    }


def sweep() -> set[str]:
    """Remove what dead owners left; returns the ids of their labs."""
    import psutil

    if gone := leftovers():
        remove(gone)
    for draft in state_folder().glob("*.*.*"):
        if draft.suffix[1:].isdigit() and not psutil.pid_exists(int(draft.suffix[1:])):
            draft.unlink(missing_ok=True)
    return gone


def start() -> int:
    """Start the guard of this process; returns the pipe's end to keep open."""
    import subprocess

    ours, theirs = os.pipe()
    guard = subprocess.Popen(
        # -P keeps a learner's json.py out; -I would also lose what was installed with pip --user.
        [sys.executable, "-P", __file__, str(os.getpid())],
        stdin=ours,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
        env={**os.environ, "REDIS_LAB_STATE": str(state_folder().parent.absolute())},
    )
    os.close(ours)
    guard.returncode = 0  # it outlives us: nobody waits for it, and Python need not warn of that
    return theirs


def main(parent: int) -> None:
    """Wait for the parent's end, then sweep.

    The pipe tells at once; a forked child of the parent may hold it open, so the parent is looked
    for as well.
    """
    while os.getppid() == parent:
        if select.select([0], [], [], 0.5)[0] and not os.read(0, 1):
            time.sleep(0.02)
    # A child that was just being started holds the pipe until it has become a server.
    select.select([0], [], [], 0.5)
    left = contained(leftovers())
    sweep()
    if left:
        time.sleep(ENGINE_DELAY)
        from redis_lab.lab import engine

        engine.remove(left)


if __name__ == "__main__":
    main(int(sys.argv[1]))
