"""%redis, %%redis and %redis_use: raw Redis commands in a notebook, answered as redis-cli does.

Each node keeps one connection for the life of its lab: MULTI, SELECT and HELLO 3 last from cell to
cell. No command is sent twice, and no cell hangs: what blocks ends at its own timeout.
"""

import contextlib
import html
import re
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from IPython.core import completer
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display
from redis.exceptions import ConnectionError, RedisError, TimeoutError

from redis_lab.errors import RedisLabError
from redis_lab.lab import running
from redis_lab.replies import ErrorReply, ReplyParser, Status, format_reply, split

PATIENCE = 2.0  # seconds to wait for a reply, and what a blocking command may take beyond its own
# Commands that block, with their timeout as a group, and its unit in seconds.
BLOCKING = {
    r"(?:B[LR]POP|BLMOVE|BRPOPLPUSH|BZPOPM(?:IN|AX)) .* (\d*\.?\d+)$": 1.0,
    r"B(?:[LZ]MPOP|LMOVEM .* (?:LEFT|RIGHT)) (\d*\.?\d+)": 1.0,
    r"WAIT(?:AOF)? .* (\d+)$": 0.001,
    r"XREAD(?:GROUP)? .*?\bBLOCK (\d+) ": 0.001,
}
REFUSED = {
    "[PS]?(UN)?SUBSCRIBE": "is for client.pubsub() or redis_lab.patterns.Subscriber, in Python",
    "MONITOR": "streams for ever; use redis_lab.observe.trace(client)",
    "P?SYNC": "streams for ever; rl.replicated() starts real replicas",
    "CLIENT REPLY": "leaves commands without replies; use client.pipeline()",
}
FAINT, RED = "opacity:.65", "color:#D55E00;font-weight:bold"
CODE = "margin:0 5px;white-space:pre-wrap;font-family:var(--jp-code-font-family,monospace)"
STYLES = {"command": FAINT, "note": f"{FAINT};font-style:italic", "reply": "", "error": RED}
Parts = list[tuple[str, str]]  # what a cell shows: a key of STYLES, and the text
MATCHER = "redis_lab.commands"
_OPTIONS = re.compile(r"\s*((?:--(?:raw|errors|on\s+\S+)(?:\s+|$))*)(.*)", re.DOTALL)


class CommandFailed(RedisLabError):
    """A command got an error reply, or none; IPython shows it in one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"CommandFailed: {self}"]


@dataclass
class Session:
    """What is kept for one topology: connections by node, where MOVED led to, command names."""

    connections: dict[str, Any] = field(default_factory=dict)
    at: str | None = None
    names: list[str] = field(default_factory=list)


@magics_class
class RedisMagics(Magics):
    """The magics, the topology they talk to and the connections they keep."""

    def __init__(self, shell: Any):
        super().__init__(shell)
        self._chosen: Any = None
        self._sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()

    @no_var_expand
    @line_cell_magic("redis")  # type: ignore[arg-type]
    def run(self, line: str, cell: str | None = None) -> None:
        """Send Redis commands, quoted as in redis-cli, and show the replies as redis-cli does.

            %redis [--on NODE] [--raw] [--errors] COMMAND
            %%redis [--on NODE] [--raw] [--errors]
            SET user:{7}:name "Ada Lovelace"
            # a comment

        They go to the primary of the newest topology (see %redis_use), in a cluster with MOVED and
        ASK followed as by redis-cli -c; with --on to that node, and nothing is followed.
        --errors: error replies are expected, and the next command runs; without it, the first one
        ends the cell with CommandFailed. {name} and $name are not expanded: braces are hash tags.
        """
        head, rest = _OPTIONS.fullmatch(line.rstrip()).groups()  # type: ignore[union-attr]
        options = head.split()
        if rest.startswith("--") or bool(rest) == (cell is not None):
            raise UsageError("%redis [--on NODE] [--raw] [--errors] COMMAND; %%redis: one a line")
        numbered = enumerate(map(str.strip, (cell or rest).split("\n")), 2)
        kept = [(n, text) for n, text in numbered if text and not text.startswith("#")]
        lines = [(f"line {n}: {text}" if cell else text, text) for n, text in kept]
        commands = [(place, text, _words(place, text)) for place, text in lines]
        session, topology = self._session()
        on = options[options.index("--on") + 1] if "--on" in options else None
        if on is not None and on not in (names := [node.name for node in topology.nodes]):
            raise UsageError(f"no node {on!r}; there are {', '.join(names)}")
        raw, parts = "--raw" in options, Parts()
        try:
            for done, (place, text, words) in enumerate(commands, 1):
                start, failed = len(parts), ""
                try:
                    shown = format_reply(_answer(topology, session, on, words, parts), raw, words)
                except (ErrorReply, RedisLabError) as error:
                    failed, shown = str(error), format_reply(error, raw, words)
                if failed or len(commands) > 1:
                    parts.insert(start, ("command", f"{on or ''}> {text}"))
                parts.append(("error" if failed else "reply", shown))
                if failed and "--errors" not in options:
                    left = len(commands) - done
                    rest = f" (not run: {left} more; --errors runs on)" if left else ""
                    raise CommandFailed(f"{place}: {failed}{rest}")
        finally:
            _show(parts)

    @no_var_expand
    @line_magic
    def redis_use(self, line: str) -> None:
        """%redis_use NAME: talk to the topology in that variable; no NAME: to the newest."""
        name, ours, labs = line.strip(), self.shell.user_ns, running()  # type: ignore[union-attr]
        names = [n for n in ours if n[0] != "_" and any(ours[n] is each for each in labs)]
        if name and name not in names:
            raise UsageError(f"no running lab {name!r}; there are: {', '.join(names) or 'none'}")
        self._chosen = ours[name] if name else None
        note = f"%redis talks to {name or 'the newest lab'} ({self._session()[1].shape})"
        _show([("note", note)])

    def _session(self) -> tuple[Session, Any]:
        if not (labs := running()):
            raise UsageError("no topology is running; start one, as in: lab = rl.standalone()")
        topology = self._chosen if self._chosen in labs else labs[-1]
        return self._sessions.setdefault(topology, Session()), topology

    @completer.context_matcher(identifier=MATCHER)
    def complete(self, context: completer.CompletionContext) -> completer.SimpleMatcherResult:
        """Commands and subcommands, whose names the server is asked for once."""
        before, magic, rest = context.text_until_cursor.rpartition("%redis ")
        in_cell = context.cursor_line and re.match(r"\s*%%redis\s", context.full_text)
        if not running() or not (in_cell or (magic and not before.endswith("%"))):
            return {"completions": []}
        session, topology = self._session()
        if not session.names:
            with contextlib.suppress(RedisError, RedisLabError):
                session.names = sorted(map(str.lower, topology.primary.ask("COMMAND", "LIST")))
        words = _OPTIONS.sub(r"\2", context.text_until_cursor if in_cell else rest).split(" ")
        names = [n for n in session.names if n.startswith("|".join(words).lower())]
        ends = [n.rpartition("|")[2] for n in names if n.count("|") == len(words) - 1]
        cased = [n if words[0].islower() else n.upper() for n in ends]
        found = [completer.SimpleCompletion(n, type="command") for n in cased]
        return {"completions": found, "matched_fragment": words[-1], "suppress": True}


def _words(place: str, text: str) -> list[bytes]:
    try:
        words = split(text)
    except ValueError as error:
        raise UsageError(f"{place}: {error}; nothing was sent") from None
    name = b" ".join(words[:2]).decode("latin-1").upper()
    for names, reason in REFUSED.items():
        if refused := re.match(rf"({names})(?= |$)", name):
            raise UsageError(f"{place}: {refused[0]} {reason}; nothing was sent")
    return words


def _answer(lab: Any, session: Session, on: str | None, words: list[bytes], parts: Parts) -> Any:
    """The reply, redirections followed. Raises ErrorReply; CommandFailed if there is no reply."""
    to_send = [words]
    if session.at and lab.node(session.at).state != "up":
        session.at = None
    for _ in range(16):
        node = lab.node(on or session.at) if on or session.at else lab.primary
        try:
            connection = _connect(session, node, parts)
            return [_exchange(connection, node, each, parts) for each in to_send][-1]
        except ErrorReply as error:
            moved = re.fullmatch(r"(MOVED|ASK) (\d+) (.*):(\d+)", str(error))
            to = (moved[3] or node.internal_host, int(moved[4])) if moved and not on else ("", 0)
            known = [n.name for n in lab.nodes if to in (n.address, n.internal_address)]
            if not moved or not known:
                raise
            session.at = known[0]
            session.connections.pop(node.name).disconnect()  # as redis-cli does; ends a MULTI there
            to_send = [[b"ASKING"], words] if moved[1] == "ASK" else [words]
            parts.append(("note", f"-> Redirected to slot [{moved[2]}] located at {to[0]}:{to[1]}"))
    raise CommandFailed("redirected 16 times: the nodes disagree about the slot")


def _connect(session: Session, node: Any, parts: Parts) -> Any:
    known = session.connections.get(node.name)
    with contextlib.suppress(RedisError):
        if known is not None and known.is_connected:
            known.can_read()
            return known
    pool = node.client(protocol=2, socket_timeout=PATIENCE).connection_pool
    fresh = pool.connection_class(**{**pool.connection_kwargs, "parser_class": ReplyParser})
    try:
        fresh.connect()
    except RedisError as error:
        reason = getattr(error.__context__, "strerror", None) or error
        raise CommandFailed(f"Could not connect to {node.name}: {reason}") from None
    if known is not None:
        parts.append(("note", f"-> Reconnected to {node.name}; SELECT, MULTI and HELLO are undone"))
    session.connections[node.name] = fresh
    return fresh


def _exchange(connection: Any, node: Any, words: list[bytes], parts: Parts) -> Any:
    wait = _patience(words)
    seconds = PATIENCE + (wait or 0.0)
    packed = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
    try:
        connection.send_packed_command([b"*%d\r\n%b" % (len(words), packed)], check_health=False)
        while getattr(reply := connection.read_response(timeout=seconds), "kind", "") == ">":
            parts.append(("note", format_reply(reply)))
        if words[0].upper() in (b"RESET", b"QUIT"):  # the next connection logs in again
            connection.disconnect()
        return reply
    except TimeoutError:
        why = "timeout 0 is for ever" if wait == 0 else "paused or busy; it may still apply this"
        raise CommandFailed(f"no reply from {node.name} in {seconds:g} s: {why}") from None
    except ConnectionError as error:
        if words[0].upper() == b"SHUTDOWN":
            return Status(b"-> %b has shut down" % node.name.encode())
        raise CommandFailed(f"{node.name}: {error}") from None


def _patience(words: list[bytes]) -> float | None:
    """Seconds that a blocking command waits: 0.0 is for ever, None is another command."""
    text = b" ".join(words).decode("latin-1").upper()
    for pattern, unit in BLOCKING.items():
        if timeout := re.match(pattern, text, re.DOTALL):
            return min(float(timeout[1]) * unit, 1e6)
    return None


def _show(parts: Parts) -> None:
    tidy = [(kind, text.replace("\r\n", "\n").removesuffix("\n")) for kind, text in parts]
    spans = [f'<span style="{STYLES[kind]}">{html.escape(text)}</span>' for kind, text in tidy]
    page = f'<pre style="{CODE}">' + "\n".join(spans) + "</pre>"
    if parts:
        display({"text/plain": "\n".join(text for _, text in tidy), "text/html": page}, raw=True)


def register(shell: Any) -> None:
    """Give the shell the magics and their completions; a second time replaces the first."""
    magics = RedisMagics(shell)
    shell.register_magics(magics)
    matchers = shell.Completer.custom_matchers
    others = [each for each in matchers if getattr(each, "matcher_identifier", "") != MATCHER]
    matchers[:] = [*others, magics.complete]
