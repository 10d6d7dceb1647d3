"""Two ways to do one thing, side by side: what either takes in lines, commands, trips and bytes."""

import ast
import inspect
from collections.abc import Callable
from typing import Any

import pandas as pd

from redis_lab.observe.trace import trace

TOOK = ["lines", "commands", "trips", "bytes"]


class Pairs:
    """An account of older ways and the newer commands that replace them.

    client: what all ways use; it is traced, so nobody else may use it meanwhile. version: the
    server's, as (8, 4); of a pair whose command is newer the older way alone is run.
    taken: a table for each pair by name, with the rows before and, where it was run, now.
    """

    def __init__(self, client: Any, version: tuple[int, ...]):
        self._client = client
        self._version = version
        self.taken: dict[str, pd.DataFrame] = {}
        self._said: dict[str, tuple[str, str, str]] = {}

    def beside(
        self,
        name: str,
        since: str,
        replaces: str,
        lacks: str,
        before: Callable[[], Any],
        now: Callable[[], Any],
        *,
        ready: Callable[[], Any] = lambda: None,
        lua: Any = None,
    ) -> pd.DataFrame:
        """Run both ways, each from what ready() makes; what they took. Running it again replaces.

        since: "8.4". replaces, lacks: words for the account. lua: the registered script of the
        older way, which is loaded first, and whose lines count. Lines are those of a function's
        body, a lambda is one. Raises ValueError if the two don't answer the same, and before any
        of them runs for one whose source is not to be had.
        """
        ways = {"before": before} | ({"now": now} if self._version >= _numbers(since) else {})
        lines = {when: _lines(way) for when, way in ways.items()}
        answers, rows = {}, {}
        for when, way in ways.items():
            ready()
            script = lua.script if lua and when == "before" else ""
            if script:
                self._client.script_load(script)
            with trace(self._client) as seen:
                answers[when] = way()
            long = lines[when] + len(script.strip().splitlines())
            rows[when] = [long, seen.commands, seen.trips, seen.sent + seen.received]
        if len(answers) == 2 and answers["before"] != answers["now"]:
            raise ValueError(f"{name}: the two ways answer differently: {answers}")
        self.taken[name] = pd.DataFrame(rows, TOOK).T
        self._said[name] = since, replaces, lacks
        shown = self.taken[name].astype(object)
        if "now" not in rows:
            shown.loc[f"needs {since}"] = "-"
        return shown.rename_axis(columns=name)

    def shares(self) -> pd.DataFrame:
        """Of each pair that was run whole, what the newer way takes as a share of the older."""
        whole = {name: took for name, took in self.taken.items() if "now" in took.index}
        shares = {name: took.loc["now"] / took.loc["before"] for name, took in whole.items()}
        return pd.DataFrame(shares, TOOK).T

    def markdown(self) -> str:
        """The account as a Markdown table, a row for each pair in the order they were first run."""
        heads = ["command", "since", "replaces", *TOOK, "what it doesn't do"]
        rows = [heads, ["---"] * len(heads)]
        for name, took in self.taken.items():
            since, replaces, lacks = self._said[name]
            numbers = ["&nbsp;→&nbsp;".join(f"{each:,}" for each in took[what]) for what in TOOK]
            rows.append([f"`{name}`", since, replaces, *numbers, lacks])
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _lines(way: Callable[[], Any]) -> int:
    """Lines of a function's body from its first statement on, docstring and blank ones left out."""
    if getattr(way, "__name__", "") == "<lambda>":
        return 1
    try:
        source = inspect.getsource(inspect.unwrap(way).__code__)
    except (AttributeError, OSError) as error:
        raise ValueError(f"{way!r} has no source to count: take a function or a lambda") from error
    if source[0].isspace():  # no dedent: a text of several lines may begin at the margin
        source = f"if True:\n{source}"
    defined = (ast.FunctionDef, ast.AsyncFunctionDef)
    function = next(each for each in ast.walk(ast.parse(source)) if isinstance(each, defined))
    body = function.body[ast.get_docstring(function) is not None :]
    if not body:
        return 0
    first = min(each.lineno for each in ast.walk(body[0]) if hasattr(each, "lineno"))
    return sum(bool(line.strip()) for line in source.splitlines()[first - 1 : body[-1].end_lineno])
