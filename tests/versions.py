"""The tests on each redis-server of REDIS_LAB_SERVERS (a:b:c), and a table of what passed where.

    REDIS_LAB_SERVERS=/usr/bin/redis-server:/opt/redis-8/bin/redis-server make versions

Arguments go to pytest; by default everything runs that `make test` runs.
"""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from redis_lab.lab.servers import find_server

Counts = dict[str, Counter[str]]


def run(path: str, arguments: list[str]) -> Counts:
    """Test on this server; how many tests of each file passed, failed or were skipped."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-n", "2", "-m", "not browser and not docker"]
        environment = {**os.environ, "REDIS_LAB_SERVER": path, "REDIS_LAB_BACKEND": "process"}
        subprocess.run([*command, f"--junitxml={report}", *arguments], env=environment)
        return counted(report)


def counted(report: Path) -> Counts:
    """The outcomes in a JUnit report by file."""
    counts: Counts = {}
    for case in ElementTree.parse(report).iter("testcase"):
        file = str(case.get("classname") or case.get("name")).removeprefix("tests.")
        tags = {child.tag for child in case}
        word = "failed" if tags & {"failure", "error"} else "skipped" if tags else "passed"
        counts.setdefault(file, Counter())[word] += 1
    return counts


def in_words(counts: Counter[str]) -> str:
    """Such as "12 passed, 1 failed"."""
    words = (f"{counts[word]} {word}" for word in ("passed", "failed", "skipped") if counts[word])
    return ", ".join(words) or "not run"


def main(arguments: list[str]) -> int:
    """Run all, draw the table; the number of servers with a failure."""
    paths = [path for path in os.environ.get("REDIS_LAB_SERVERS", "").split(os.pathsep) if path]
    if not paths:
        print("REDIS_LAB_SERVERS names no redis-server: a path, or some with : between them.")
        return 2
    found: dict[str, Counts] = {}
    for path in paths:
        os.environ["REDIS_LAB_SERVER"] = path
        found[str(find_server())] = run(path, arguments)
    table = Table("", *found)
    for file in sorted({file for counts in found.values() for file in counts}):
        table.add_row(file, *(in_words(counts.get(file, Counter())) for counts in found.values()))
    sums = {name: sum(counts.values(), Counter()) for name, counts in found.items()}
    table.add_section()
    table.add_row("all", *map(in_words, sums.values()))
    Console().print(table)
    return sum(bool(counts["failed"]) for counts in sums.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
