"""Notebooks again and again, two at a time: whether each passes every time, as a table.

    make soak N=20 NOTEBOOKS="20 33"

Without NOTEBOOKS all that can run on the server here. A failure is printed when it happens.
"""

import os
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from rich.console import Console
from rich.table import Table

from redis_lab.course.catalogue import Entry, can_run, notebooks
from redis_lab.course.execute import execute
from redis_lab.lab.backends import servers_here

AT_A_TIME = 2
Outcome = tuple[float | None, str]


def once(entry: Entry) -> Outcome:
    """Run a notebook: the seconds it took, or None and what went wrong."""
    notebook = nbformat.read(entry.path, as_version=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            return execute(notebook, Path(folder)), ""
        except Exception as error:
            print(f"{entry.path.name}: {error}", file=sys.stderr)
            return None, type(error).__name__


def row(entry: Entry, outcomes: list[Outcome]) -> list[str]:
    """The line of one notebook."""
    seconds = [took for took, _ in outcomes if took is not None]
    words = sorted({word for _, word in outcomes if word})
    times = [f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}"] if seconds else ["", ""]
    return [entry.path.stem, f"{len(seconds)} of {len(outcomes)}", *times, ", ".join(words)]


def main(arguments: list[str]) -> int:
    """Run `arguments[0]` times the notebooks of the other numbers; 1 if one failed."""
    if not arguments or not arguments[0].isdigit():
        print(__doc__, file=sys.stderr)
        return 2
    times, numbers = int(arguments[0]), arguments[1:]
    chosen = [entry for entry in notebooks() if not numbers or entry.number in numbers]
    if unknown := set(numbers) - {entry.number for entry in chosen}:
        print(f"no notebook {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    server = servers_here()[0]
    runs = [entry for entry in chosen if not can_run(entry, server)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = list(pool.map(once, [entry for entry in runs for _ in range(times)]))
    title = f"{server}, {AT_A_TIME} at a time, {os.cpu_count()} cores"
    table = Table("notebook", "passed", "median s", "worst s", "failed with", title=title)
    for number, entry in enumerate(runs):
        table.add_row(*row(entry, outcomes[number * times : (number + 1) * times]))
    for entry in (entry for entry in chosen if entry not in runs):
        table.add_row(entry.path.stem, "not run", "", "", can_run(entry, server))
    Console().print(table)
    return int(any(word for _, word in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
