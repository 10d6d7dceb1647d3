"""Keeps the table and the figure of README.md fresh: `make docs`, and a test that compares."""

import base64
import sys
from pathlib import Path

import nbformat

from redis_lab.course.catalogue import notebooks

BEGIN, END = "<!-- catalogue: made by make docs -->", "<!-- end of catalogue -->"


def table() -> str:
    """The catalogue as a Markdown table."""
    lines = ["| | notebook | minutes | server |", "|---|---|---|---|"]
    for entry in notebooks():
        minutes = f"{entry.teaching} + {entry.exercises}"
        lines.append(f"| {entry.number} | {entry.title} | {minutes} | {entry.needs} |")
    return "\n".join(lines)


def refreshed(text: str) -> str:
    """The text with a fresh table between its markers. Raises ValueError where they are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the text has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def figure() -> bytes:
    """The first figure of notebook 62, as it is stored there: a PNG."""
    [path] = [entry.path for entry in notebooks() if entry.number == "62"]
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    pictures = [
        output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})
    ]
    return base64.b64decode(pictures[0])


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(refreshed(path.read_text()))
    (path.parent / ".github" / "failover.png").write_bytes(figure())
