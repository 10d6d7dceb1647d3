"""The catalogue: what each notebook is called, how long it takes and what it needs.

It is read from the notebooks themselves (metadata.redis_lab), so that `redis-lab list`, the table
in the README and the decision to skip a notebook can't say different things. Reading costs no
import of Jupyter.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis_lab
from redis_lab.errors import LabUnavailable, RedisLabError

FILE_NAME = re.compile(r"(\d\d)_\w+\.ipynb")


class BadNotebook(RedisLabError, ValueError):
    """A notebook that can't be described; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Entry:
    """One notebook.

    number: two digits, as text. teaching, exercises: planned minutes. requires: the numbers of
    earlier notebooks. shape: the topology it starts, "standalone" to "secure". modules: of json,
    search, bloom, timeseries, vectorset. stamp: of the run whose outputs are stored, or None.
    """

    number: str
    name: str
    path: Path
    title: str
    teaching: int
    exercises: int
    requires: tuple[str, ...]
    shape: str
    min_version: str
    modules: tuple[str, ...]
    stamp: dict[str, Any] | None

    @property
    def needs(self) -> str:
        """What the server must be, in words."""
        return f"{self.shape}, ≥ {self.min_version}" + "".join(f", {each}" for each in self.modules)


def shipped_folder() -> Path:
    """The notebooks that came with this package: inside it (wheel), else beside it (checkout).

    Raises LabUnavailable where there are none.
    """
    package = Path(redis_lab.__file__).parent
    places = [package / "_notebooks"]
    if (package.parent / "pyproject.toml").is_file():
        places.append(package.parent / "notebooks")
    for place in places:
        if any(notebook_files(place)):
            return place
    raise LabUnavailable(
        "this installation of redis-lab carries no notebooks. Install it again: "
        'python -m pip install --force-reinstall "redis-lab[course]"'
    )


def notebook_files(folder: Path) -> Iterator[Path]:
    """The files called NN_name.ipynb in this folder, in order."""
    return (path for path in sorted(folder.glob("*.ipynb")) if FILE_NAME.fullmatch(path.name))


def notebooks(folder: Path | None = None) -> tuple[Entry, ...]:
    """Every notebook of a folder (default: those shipped), in the order of reading.

    Raises BadNotebook for one whose metadata is missing or wrong, or whose number is taken.
    """
    entries: dict[str, Entry] = {}
    for path in notebook_files(folder or shipped_folder()):
        entry = read_entry(path)
        if other := entries.get(entry.number):
            raise BadNotebook(f"{path}: {other.path.name} has the number {entry.number} as well")
        entries[entry.number] = entry
    return tuple(entries.values())


def read_entry(path: Path) -> Entry:
    """The entry of one file. Raises BadNotebook that names the file and the field."""
    from redis_lab.lab.servers import (
        MODULES,
    )  # loads redis-py, which copying notebooks can do without

    said = _metadata(path)
    number = path.name[:2]
    checks = {
        "title": lambda it: isinstance(it, str) and it.strip() != "",
        "minutes": lambda it: _list_of(int, it) and len(it) == 2 and min(it) >= 0,
        "requires": lambda it: (
            _list_of(str, it) and all(re.fullmatch(r"\d\d", each) for each in it)
        ),
        "shape": lambda it: isinstance(it, str) and it.strip() != "",
        "min_version": lambda it: isinstance(it, str) and re.fullmatch(r"\d+(\.\d+)*", it),
        "modules": lambda it: _list_of(str, it) and set(it) <= set(MODULES),
        "stamp": lambda it: it is None or isinstance(it, dict),
    }
    for field, fits in checks.items():
        if field not in said and field != "stamp":
            raise BadNotebook(f"{path}: metadata.redis_lab has no {field}")
        if not fits(said.get(field)):
            raise BadNotebook(f"{path}: metadata.redis_lab.{field} can't be {said[field]!r}")
    if later := [each for each in said["requires"] if each >= number]:
        raise BadNotebook(f"{path}: it requires {', '.join(later)}, which comes later")
    teaching, exercises = said["minutes"]
    return Entry(
        number, path.stem, path, said["title"], teaching, exercises, tuple(said["requires"]),
        said["shape"], said["min_version"], tuple(said["modules"]), said.get("stamp"),
    )  # fmt: skip


def can_run(entry: Entry, server: Any) -> str:
    """Why a notebook can't run on this server (redis_lab.lab.servers.Server, None for no server).

    An empty string when it can.
    """
    if server is None:
        return "there is no redis-server"
    lack = server.lacks(entry.min_version, entry.modules, tls=entry.shape == "secure")
    return f"{server.name} {server.version} {lack}" if lack else ""


def verdicts() -> list[tuple[Entry, str]]:
    """Every shipped notebook, with why it can't run on any server here; "" where it can."""
    from redis_lab.lab import backends

    here: list[Any] = []
    with contextlib.suppress(LabUnavailable):
        here = backends.servers_here()
    return [(entry, _reason(entry, here or [None])) for entry in notebooks()]


def _reason(entry: Entry, here: Sequence[Any]) -> str:
    """The newest server's, unless an older one has what the notebook needs."""
    reasons = [can_run(entry, server) for server in here]
    return "" if "" in reasons else reasons[0]


def _metadata(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_bytes())["metadata"]["redis_lab"]
    except (KeyError, TypeError):
        raise BadNotebook(f"{path}: the notebook has no metadata.redis_lab") from None
    except ValueError as error:
        raise BadNotebook(f"{path}: no notebook can be read from it ({error})") from None
    if not isinstance(said, dict):
        raise BadNotebook(f"{path}: metadata.redis_lab is no object")
    return said


def _list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is kind for each in value)
