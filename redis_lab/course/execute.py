"""Runs the course's notebooks from top to bottom and stores what they showed, with a stamp.

    python -m redis_lab.course.execute 01 62

The stamp in metadata.redis_lab says which versions made the outputs, and from which source: a test
fails when the source was changed since.
"""

import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat

import redis_lab
from redis_lab.lab.backends import servers_here
from redis_lab.lab.servers import OLDEST

CELL_TIMEOUT = 60
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Seconds, bytes and ports of one run; what stays is what the cell shows.
MEMORY_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def source_hash(notebook: Any) -> str:
    """A hash of all that a person wrote: the cells' kinds and sources, in order."""
    written = [(cell.cell_type, cell.source) for cell in notebook.cells]
    return hashlib.sha256(repr(written).encode()).hexdigest()[:16]


def execute(notebook: Any, folder: Path, environment: Mapping[str, str] | None = None) -> float:
    """Run all cells in a kernel of its own, outputs into the notebook; seconds it took.

    folder: the kernel's working directory. environment: what its own adds to ours. Raises
    nbclient's CellExecutionError at the first cell that fails, CellTimeoutError after 60 s in one.
    """
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],  # else it warns of TCP, where a learner sees it
        resources={"metadata": {"path": str(folder)}},
    )
    started = time.perf_counter()
    # Its attempts and labs are no learner's: the record of whoever runs this stays as it is.
    state = {"REDIS_LAB_STATE": str(folder / "state")}
    client.execute(env={**os.environ, **state, **(environment or {})})
    return time.perf_counter() - started


def store(path: Path) -> float:
    """Execute a notebook and write it back, outputs tidied and stamped."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        seconds = execute(notebook, Path(folder))
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            _tidy(output)
    notebook.metadata.kernelspec = KERNEL
    notebook.metadata.language_info = {"name": "python"}
    facts = notebook.metadata.redis_lab
    needs = facts.get("min_version", OLDEST), facts.get("modules", ())
    server = next(each for each in servers_here() if not each.lacks(*needs))
    facts["stamp"] = {
        "server": f"{server.name} {server.version}",
        "redis-py": version("redis"),
        "redis_lab": redis_lab.__version__,
        "source": source_hash(notebook),
        "seconds": round(seconds),
    }
    nbformat.write(notebook, path)
    return seconds


def _tidy(output: Any) -> None:
    """Leave out the run's own addresses, and widgets, which need the kernel that made them."""
    output.get("data", {}).pop(WIDGET, None)
    for kind, content in output.get("data", {}).items():
        if isinstance(content, str) and kind.startswith("text/"):
            output.data[kind] = MEMORY_ADDRESS.sub("", content)


def main(numbers: list[str]) -> int:
    """Store the notebooks of these numbers, or all; the count of those that failed."""
    from redis_lab.course.catalogue import notebooks

    chosen = [entry for entry in notebooks() if not numbers or entry.number in numbers]
    if unknown := set(numbers) - {entry.number for entry in chosen}:
        print(f"no notebook {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    failed = 0
    for entry in chosen:
        try:
            print(f"{entry.path.name}: {store(entry.path):.1f} s")
        except Exception as error:
            failed += 1
            print(f"{entry.path.name}: {error}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
