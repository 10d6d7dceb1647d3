"""Record what notebook 82 shows where no Valkey is at hand: redis_lab/course/elsewhere.json.

    python tests/record_valkey.py /path/to/valkey-server [NN …]        about ten minutes

With another Valkey than the recorded one it takes all of them: a record is of one server.

Two parts. The columns that notebook 82 measures, from a run of it with this Valkey. And which of
the other notebooks (or those named) run from top to bottom with it, their hidden assertions
included. Why one does not, a person has to find out: the words in WHY are such findings.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError

import redis_lab
from redis_lab.course.catalogue import notebooks
from redis_lab.course.execute import execute
from redis_lab.lab.servers import chosen

KEPT = Path(redis_lab.__file__).parent / "course" / "elsewhere.json"
EXTRA = {"json", "search", "bloom", "timeseries", "vectorset"}
WHOLE = "all of it"
WHY = {
    "02": "DEL stalls nobody: it is an UNLINK",
    "04": "used_memory around a DEL: bytes below zero",
    "05": "a set of texts takes a third fewer bytes",
    "07": "a set of texts takes a third fewer bytes",
    "14": "used_memory around a DEL: bytes below zero",
    "21": "MULTI in a MULTI spoils the transaction",
    "34": "DEL costs no more than UNLINK",
    "50": "CLUSTER INFO counts no PUBLISH on the bus",
    "63": "CLUSTER INFO counts no PUBLISH on the bus",
}


def whole(path: Path, server: str) -> bool:
    """Whether this notebook runs through on this server."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            execute(notebook, Path(folder), {"REDIS_LAB_SERVER": server, "REDIS_LAB_SERVERS": ""})
        except CellExecutionError as error:
            print(f"{path.name}: {str(error).strip().splitlines()[-1]}")
            return False
    return True


def main(server: str, numbers: list[str]) -> None:
    """Both parts; what is already in the file, of this server, and not asked for stays."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    which = chosen(server, "0")
    name = f"{which.name} {which.version}"
    if kept.get("server", name) != name:
        if numbers:
            sys.exit(f"{KEPT} is the record of {kept['server']}, not of {name}: name no notebooks")
        kept = {}
    kept = {"server": name} | kept
    entries = [each for each in notebooks() if each.number[0] not in "89"]
    asked = [each for each in entries if not EXTRA & set(each.modules)]
    ran = kept.get("notebooks", {})
    for entry in (each for each in asked if not numbers or each.number in numbers):
        runs = whole(entry.path, server)
        ran[entry.number] = WHOLE if runs else WHY.get(entry.number, "not looked into yet")
    kept["notebooks"] = dict(sorted(ran.items()))
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    (measuring,) = (each for each in notebooks() if each.number == "82")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        more = {"REDIS_LAB_RECORD": str(KEPT), "REDIS_LAB_SERVERS": f"{server}{os.pathsep}" +
                os.environ.get("REDIS_LAB_SERVERS", "")}  # fmt: skip
        execute(nbformat.read(measuring.path, as_version=4), Path(folder), more)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
