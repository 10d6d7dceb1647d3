"""The learner's copy of the notebooks, a folder that is theirs: nothing they wrote is ever lost.

`.redis-lab.json` in that folder remembers what was shipped. When the course is upgraded, a notebook
is replaced if its cells are still those that were shipped; one that the learner edited stays, and
the new version is laid beside it. Running is not editing, but outputs can be dear: a notebook that
was run goes to `backups` when it is replaced, and stays where only the shipped outputs are new.
The copy comes without outputs, so that questions can be answered before their cells.
"""

import hashlib
import itertools
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from redis_lab.course.catalogue import notebook_files, shipped_folder

MEMORY = ".redis-lab.json"
OLDEST = "7.0"
BACKUPS = "backups"
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
}
SAYINGS = {
    "copied": "{name}: copied",
    "returned": "{name}: was gone, copied again",
    "replaced": "{name}: replaced by the new version",
    "replaced, run": "{name}: replaced by the new version; yours, with its outputs, is {kept}",
    "edited": "{name}: you changed it, so it stays; the new version is {kept}",
    "forgotten": "{name}: can't be read, set aside as {kept}; no notebook is overwritten",
}


@dataclass(frozen=True)
class Step:
    """One thing that update() did. kind: a key of SAYINGS; kept: the other file it is about."""

    kind: str
    name: str
    kept: Path | None = None

    def __str__(self) -> str:
        return SAYINGS[self.kind].format(name=self.name, kept=self.kept)


@dataclass(frozen=True)
class Shipped:
    """What was shipped of one notebook: hashes of the file, and of its cells' kinds and sources."""

    file: str
    cells: str


def update(work: Path) -> list[Step]:
    """Bring the notebooks of this course version into work, made if need be; says what it did.

    Raises LabUnavailable without shipped notebooks, OSError where work can't be written.
    """
    sources = list(notebook_files(shipped_folder()))
    work.mkdir(parents=True, exist_ok=True)
    known, steps = _remembered(work)
    before = dict(known)
    for source in sources:
        content, last = _unrun(source.read_bytes()), known.get(source.name)
        steps += _bring(work / source.name, content, last)
        if last is None or last.file != _hash(content):
            known[source.name] = Shipped(_hash(content), cells_hash(content))
    if known != before or not (work / MEMORY).exists():
        _remember(work, known)
    return steps


def reset(work: Path, number: str | int) -> Path | None:
    """Restore one notebook; the learner's version goes to backups, and its path is returned.

    None when there was nothing to keep. Raises ValueError for a number that no notebook has.
    """
    sources = {int(path.name[:2]): path for path in notebook_files(shipped_folder())}
    source = sources.get(int(number)) if str(number).isdigit() else None
    if source is None:
        there = ", ".join(path.name[:2] for path in sources.values())
        raise ValueError(f"number: there is no notebook {number!r}; there are {there}")
    work.mkdir(parents=True, exist_ok=True)
    mine, content = work / source.name, _unrun(source.read_bytes())
    known, _ = _remembered(work)
    kept = _set_aside(mine) if mine.exists() and mine.read_bytes() != content else None
    _write(mine, content)
    _remember(work, known | {source.name: Shipped(_hash(content), cells_hash(content))})
    return kept


def _unrun(content: bytes) -> bytes:
    """A notebook without its outputs: they would answer each question before it is asked.

    One that needs modules or a newer server than 7.0 keeps them, to be read where it can't run.
    """
    try:
        notebook = json.loads(content)
        needs = notebook["metadata"]["redis_lab"]
        if needs.get("modules") or needs.get("min_version", OLDEST) != OLDEST:
            return content
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
    except (ValueError, KeyError, TypeError):
        return content
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def cells_hash(content: bytes) -> str:
    """A hash of what a person wrote: kind and source of each cell. Without JSON, of the bytes."""
    try:
        cells = json.loads(content)["cells"]
        written = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, KeyError, TypeError):
        return _hash(content)
    return _hash(repr(written).encode())


def jupyterlab(work: Path, port: int | None, browser: bool) -> tuple[list[str], dict[str, str]]:
    """The command that opens JupyterLab on the first notebook of work, and its environment.

    It listens on 127.0.0.1, with the token that Jupyter makes up. The user's own Jupyter settings
    stay as they are and stay in force; only the question about news is answered beforehand.
    """
    first = min((path.name for path in notebook_files(work)), default="")
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={work.resolve()}",
        f"--LabApp.default_url=/lab/tree/{quote(first)}",
    ]
    command += [f"--ServerApp.port={port}"] if port else []
    command += [] if browser else ["--no-browser"]
    command += ["--allow-root"] if os.geteuid() == 0 else []
    settings = work.resolve() / ".jupyter"
    (settings / "labconfig").mkdir(parents=True, exist_ok=True)
    draft = json.dumps(SETTINGS, indent=2).encode()
    _write(settings / "labconfig" / "default_setting_overrides.json", draft)
    paths = [str(settings), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    ours = {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(path for path in paths if path),
        # Which tabs are open is remembered here, beside the notebooks, for this copy alone.
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
        # The kernel called python3 is then this Python, not one that the user registered elsewhere.
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    return command, {**os.environ, **ours}


def _bring(mine: Path, content: bytes, last: Shipped | None) -> list[Step]:
    """One notebook. last: what was shipped before, None if that isn't known."""
    if not mine.exists():
        _write(mine, content)
        return [Step("returned" if last else "copied", mine.name)]
    if last and last.file == _hash(content):
        return []
    have = mine.read_bytes()
    if last and last.file == _hash(have):
        _write(mine, content)
        return [Step("replaced", mine.name)]
    if cells_hash(have) == cells_hash(content):
        return []
    if last and last.cells == cells_hash(have):
        kept = _set_aside(mine)
        _write(mine, content)
        return [Step("replaced, run", mine.name, kept)]
    beside = _lay_beside(mine, content, last)
    return [Step("edited", mine.name, beside)] if beside else []


def _lay_beside(mine: Path, content: bytes, last: Shipped | None) -> Path | None:
    """The new version, beside the learner's; an untouched earlier one there is replaced."""
    for number in itertools.count(1):
        path = mine.with_name(f"{mine.stem}.new{_nth(number)}{mine.suffix}")
        have = path.read_bytes() if path.exists() else None
        if have == content:
            return None
        if have is None or (last and _hash(have) == last.file):
            _write(path, content)
            return path
    raise AssertionError


def _set_aside(path: Path) -> Path:
    """Move a file into backups, under a name with the time that no other backup has."""
    folder = path.parent / BACKUPS
    folder.mkdir(exist_ok=True)
    now = time.strftime("%Y%m%d-%H%M%S")
    for number in itertools.count(1):
        kept = folder / f"{path.stem}.{now}{_nth(number)}{path.suffix}"
        try:
            kept.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path.replace(kept)
    raise AssertionError


def _remembered(work: Path) -> tuple[dict[str, Shipped], list[Step]]:
    path = work / MEMORY
    try:
        noted = json.loads(path.read_bytes())
        return {name: Shipped(**hashes) for name, hashes in noted["notebooks"].items()}, []
    except FileNotFoundError:
        return {}, []
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, [Step("forgotten", MEMORY, _set_aside(path))]


def _remember(work: Path, known: dict[str, Shipped]) -> None:
    noted = {"notebooks": {name: vars(shipped) for name, shipped in sorted(known.items())}}
    _write(work / MEMORY, (json.dumps(noted, indent=1) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: whoever reads sees the old content or the new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _nth(number: int) -> str:
    return "" if number == 1 else f"-{number}"
