"""Which commands of Redis the notebooks teach: run in one, or explained in one's table.

What was run is counted by the servers themselves (INFO commandstats), after each cell, on the labs
that are open then: what a check runs on servers of its own does not count.
"""

import json
import re
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import redis

from redis_lab.course.catalogue import Entry
from redis_lab.lab import Node, running, standalone

GROUPS = (
    "generic", "string", "bitmap", "hyperloglog", "list", "hash", "set", "sorted-set", "geo",
    "stream",
)  # fmt: skip
VARIABLE = "REDIS_LAB_COMMANDS_RUN"  # where `%load_ext redis_lab` finds the file for watch()
HEADING = "## The whole group"
_CALLED = re.compile(r"cmdstat_([^:]+):calls=[1-9]")
_NAME = re.compile(r"(●?)\s*`([A-Z_. -]+)`")
_ROW = re.compile(r"^\|(?P<names>[^|]*`[^|]*)\|", re.MULTILINE)


@dataclass(frozen=True)
class Taught:
    """One command of the server: its group, the numbers of notebooks that run it, or explain it."""

    command: str
    group: str
    run_in: tuple[str, ...]
    explained_in: tuple[str, ...]


def commands(node: Node) -> dict[str, str]:
    """Every command of GROUPS that an application may call, with its group, as COMMAND DOCS says.

    In capitals, subcommands with a space ("OBJECT ENCODING"). Left out: HELP and what the server
    marks as its own ("syscmd").
    """
    docs = node.tell("COMMAND", "DOCS")
    found: dict[str, str] = {}
    for name, about in _pairs(docs):
        about = dict(_pairs(about))
        subs = dict(_pairs(about.get("subcommands", {}))) or {name: about}
        if about["group"] in GROUPS and "syscmd" not in about.get("doc_flags", ()):
            found |= {_spoken(sub): about["group"] for sub in subs if not sub.endswith("|help")}
    return found


def of_this_server() -> dict[str, str]:
    """commands() of the server that a lab gets here."""
    with standalone() as lab:
        return commands(lab.primary)


def listed(path: Path) -> dict[str, bool]:
    """The commands of the tables under "The whole group"; True for a ● before it: it ran."""
    cells = nbformat.read(path, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = text.partition(HEADING)[2].partition("\n## ")[0]
    rows = "\n".join(match["names"] for match in _ROW.finditer(text))
    return {name: bool(dot) for dot, name in _NAME.findall(rows)}


def watch(shell: Any, path: str) -> None:
    """Write to this file, after each cell, the names of all commands that the open labs ran."""
    seen: set[str] = set()

    def look(*_: Any) -> None:
        for node in (node for lab in running() for node in lab.nodes):
            with suppress(redis.RedisError, OSError):
                seen.update(_CALLED.findall(str(node.ask("INFO", "commandstats"))))
        Path(path).write_text(json.dumps(sorted(seen)))

    shell.events.register("post_run_cell", look)


def run_by(path: Path) -> set[str]:
    """The commands that a kernel wrote down here with watch()."""
    stats = json.loads(path.read_text()) if path.exists() else []
    return {_spoken(name) for name in stats}


def run(entry: Entry) -> set[str]:
    """Execute a notebook and tell the commands that its labs ran. Raises what execute() does."""
    from redis_lab.course.execute import execute

    notebook = nbformat.read(entry.path, as_version=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        noted = Path(folder) / "commands.json"
        execute(notebook, Path(folder), {VARIABLE: str(noted)})
        return run_by(noted)


def taught(
    known: dict[str, str], entries: Iterable[Entry], ran: dict[str, set[str]]
) -> list[Taught]:
    """Each known command, in order, with the notebooks that run it and those that explain it.

    ran: the commands that were run, by the number of the notebook.
    """
    tables = {entry.number: set(listed(entry.path)) for entry in entries}
    return [
        Taught(
            command, group,
            tuple(number for number, those in ran.items() if command in those),
            tuple(number for number, those in tables.items() if command in those),
        )
        for command, group in sorted(known.items(), key=lambda each: (each[1], each[0]))
    ]  # fmt: skip


def _spoken(name: str) -> str:
    return name.upper().replace("|", " ")


def _pairs(reply: Any) -> Iterable[tuple[str, Any]]:
    """A map of the reply, which is a flat list under protocol 2."""
    return reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
