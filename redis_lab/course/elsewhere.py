"""What the course types, sent to another server: who refuses what, and who answers otherwise.

typed() reads the %%redis cells of the notebooks that need one server and no module but those that
Redis brings along. replay() sends them as they stand; what Python did between them is missing on
every server alike. recorded() is what notebook 82 saw on Valkey 8.0.1, for those who have none.
"""

import json
import os
import re
import shlex
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from redis_lab.course.catalogue import notebooks
from redis_lab.lab import Topology

CHAPTERS = {
    "0": "structures, 00-14", "1": "structures, 00-14", "2": "talking, 20-25",
    "3": "caching, 30-36", "4": "patterns, 40-44", "5": "messages, 50-54",
    "6": "running, 60-67", "7": "watching, 70-72",
}  # fmt: skip
EXTRA = {"json", "search", "bloom", "timeseries"}
# Chance, a clock, or the server's account of itself: no two servers answer alike, nor one twice.
_ITS_OWN = re.compile(
    r"CLIENT|INFO|LATENCY|MEMORY|OBJECT (FREQ|IDLE)|SLOWLOG|\S*RAND\S*|SPOP|TIME$|ROLE|CONFIG GET"
    r"|P?TTL|PEXPIRETIME|XPENDING|XINFO|ACL (LOG|GETUSER|LIST|DRYRUN)"
)
_UNORDERED = re.compile(r"SMEMBERS|SINTER |SUNION |SDIFF |KEYS|HGETALL|HKEYS|HVALS|FUNCTION")
_SCANS = re.compile(r"[HSZ]?SCAN ")
_BLOCKS = re.compile(r"B[LRZ]\w+ |XREAD.* BLOCK |WAIT|SUBSCRIBE|MONITOR|[PS]SUBSCRIBE|SHUTDOWN")
_REASONS = {
    "denied": r"NOPERM|no permissions|ACL failure",
    "unknown": r"unknown (sub)?command",
    "cluster": r"CROSSSLOT|same slot|in cluster mode",
}


def typed() -> pd.DataFrame:
    """The commands of the course, in its order.

    Columns: notebook, chapter, command, errors (in a cell that goes on after an error reply).
    """
    rows = []
    for entry in notebooks():
        if (
            entry.shape != "standalone"
            or EXTRA & set(entry.modules)
            or entry.number[0] not in CHAPTERS
        ):
            continue
        for cell in json.loads(entry.path.read_text())["cells"]:
            lines = "".join(cell["source"]).split("\n")
            if cell["cell_type"] == "code" and lines[0].startswith("%%redis"):
                commands = [line.strip() for line in lines[1:] if line.strip()]
                expected = "--errors" in lines[0]
                rows += [(entry.number, line, expected) for line in commands if line[0] != "#"]
    frame = pd.DataFrame(rows, columns=["notebook", "command", "errors"])
    frame.insert(1, "chapter", frame.notebook.str[0].map(CHAPTERS))
    return frame[~frame.command.str.upper().str.match(_BLOCKS)].reset_index(drop=True)


def replay(lab: Topology, commands: pd.DataFrame, rules: str = "") -> pd.DataFrame:
    """Send them to this lab, which is flushed: each notebook to an empty server, by a connection.

    rules: of an ACL user as whom they are sent, such as "+@all -config"; else as everybody.
    Two columns, a row for each command: `refused` is "denied", "unknown", "cluster" or "", `said`
    the answer, without what no server says twice (then None). What Redis does not know how to do
    without Python (a wrong key, a value that is missing) is no refusal. Raises ConnectionError or
    TimeoutError where the server is lost, and at what follows one that hangs up, such as QUIT.
    """
    node, rows = lab.primary, []
    login: dict[str, Any] = {}
    if rules:
        node.tell("ACL", "SETUSER", "tenant", "on", ">tenant", "~*", "&*", *rules.split())
        login = {"username": "tenant", "password": "tenant"}
    for _, lines in commands.groupby("notebook", sort=False):
        lab.flush()
        with node.client(decode_responses=False, **login) as client:
            connection = client.connection_pool.get_connection()
            rows += [_ask(connection, line) for line in lines.command]
            connection.disconnect()
    return pd.DataFrame(rows, columns=["refused", "said"], index=commands.index)


def differ(one: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """Of two replays, where the answers are not the same: True or False for each command.

    Two errors of one kind are the same, however they are worded.
    """
    comparable = one.said.notna() & other.said.notna()
    return comparable & (one.said != other.said)


@cache
def recorded() -> dict[str, Any]:
    """What notebook 82 saw where Valkey was at hand: `server`, and its column of each table."""
    return json.loads((files("redis_lab.course") / "elsewhere.json").read_text())


def complete(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """A table with a column for each server, and one for Valkey if it has none: the recorded one.

    Its head says so. name: under which it was recorded. With REDIS_LAB_RECORD, a file's path, the
    column of a Valkey that is there is written down instead. Raises ValueError, and writes nothing,
    if the file is another server's.
    """
    live = [column for column in table if column.startswith("valkey")]
    if not live:
        column = pd.Series(recorded()[name], dtype=object, name=f"{recorded()['server']}, recorded")
        return pd.concat([table, column], axis=1)
    if path := os.environ.get("REDIS_LAB_RECORD"):
        kept = Path(path)
        before = json.loads(kept.read_text()) if kept.exists() else {}
        server = before.get("server", live[0])
        if server not in live:
            raise ValueError(f"{kept} is the record of {server}, and here is {', '.join(live)}")
        values = {row: _simple(value) for row, value in table[server].dropna().items()}
        kept.write_text(json.dumps(before | {"server": server, name: values}, indent=1) + "\n")
    return table


def _simple(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _words(line: str) -> list[str | bytes]:
    """As redis-cli reads them: in a word with a backslash it is an escape, such as \\n or \\xff."""
    words = shlex.split(line)
    return [word.encode().decode("unicode_escape").encode("latin-1") if "\\" in word else word
            for word in words]  # fmt: skip


def _ask(connection: Any, line: str) -> tuple[str, str | None]:
    try:
        connection.send_command(*_words(line))
        reply = connection.read_response()
    except (ResponseError, AuthenticationError) as error:  # the latter is a ConnectionError, too
        reply = error
    except (ConnectionError, TimeoutError):
        raise
    except RedisError as error:
        connection.disconnect()
        reply = error
    refused = ""
    if isinstance(reply, RedisError):
        named = (name for name, words in _REASONS.items() if re.search(words, str(reply), re.I))
        refused = next(named, "")
    return refused, None if _ITS_OWN.match(line.upper()) else _plain(reply, line.upper())


def _plain(reply: Any, line: str) -> str | None:
    if isinstance(reply, RedisError):
        return f"error: {type(reply).__name__}"
    if _SCANS.match(line) and isinstance(reply, list):
        cursor, page = reply
        if cursor != b"0":  # what the first pages hold is chance
            return None
        reply = [sorted(page, key=str), cursor]
    elif isinstance(reply, dict):
        reply = sorted(reply.items(), key=str)
    elif isinstance(reply, set) or (isinstance(reply, list) and _UNORDERED.match(line)):
        reply = sorted(reply, key=str)
    return re.sub(r"\d{10,}(-\d+)?", "(time)", str(reply))
