"""What the commands show in a terminal: tables, and that something takes a moment."""

from collections.abc import Iterable
from typing import Any

GET = 'Get it: python -m pip install "redis-lab[course]"'


def busy(what: str) -> Any:
    """A context that says what is going on, on stderr, while it lasts."""
    from rich.console import Console

    return Console(stderr=True).status(f"{what} …")


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A table on stdout, never cut; wrapped only in a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 500
    shown = Table(
        *(Column(name, overflow="fold") for name in head), box=SIMPLE_HEAD, pad_edge=False
    )
    for row in rows:
        shown.add_row(*map(str, row))
    console.print(shown)
