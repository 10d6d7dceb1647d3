"""%redis, %%redis and %redis_use: raw Redis commands in a notebook, answered as redis-cli answers.

Each node keeps one connection for the life of its lab, so that MULTI, SELECT and HELLO 3 last from cell
to cell. No cell hangs: commands that stream are refused, and blocking ones end at their own timeout.
A command is never sent twice.
"""

import html
import re
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from IPython.core.completer import CompletionContext, context_matcher
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display
from redis import exceptions

from redis_lab import lab
from redis_lab.errors import LabUnavailable, RedisLabError
from redis_lab.replies import ErrorReply, Push, Status, format_reply, split

MARGIN = 1.0  # seconds that a blocking command may be late
COMPLETION_PATIENCE = 0.25  # seconds that a press on Tab may wait for a server
REDIRECTS = 16
STYLES = {
    "command": "opacity:.65",
    "note": "opacity:.65;font-style:italic",
    "reply": "",
    "error": "color:#D55E00;font-weight:bold",
}

# Where a blocking command's timeout stands, and its unit in seconds.
TIMEOUTS = {
    **dict.fromkeys(["BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX"], (-1, 1.0)),
    **dict.fromkeys(["BLMPOP", "BZMPOP"], (1, 1.0)),
    **dict.fromkeys(["WAIT", "WAITAOF"], (-1, 0.001)),
    "DEBUG SLEEP": (2, 1.0),
}
_MESSAGES = (
    "waits for messages for ever: use redis_lab.patterns.Subscriber, or client.pubsub(), in Python"
)
_STREAM = "turns the connection into a replica's: rl.replicated() has real ones"
_SILENT = "leaves commands without a reply: use a pipeline in Python"
REFUSED = {
    **dict.fromkeys(["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"], _MESSAGES),
    **dict.fromkeys(["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"], "has nothing to end here"),
    "MONITOR": "streams for ever: use redis_lab.observe.trace(client) in Python",
    **dict.fromkeys(["SYNC", "PSYNC"], _STREAM),
    **dict.fromkeys(["CLIENT REPLY"], _SILENT),
}


class CommandFailed(RedisLabError):
    """A command got an error reply, or none; notebooks show it in one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"CommandFailed: {self}"]


@dataclass(frozen=True)
class Command:
    """One command line: its number in the cell (0: it is alone), its text, the words to send."""

    number: int
    text: str
    words: list[bytes]

    @classmethod
    def parse(cls, number: int, text: str) -> "Command":
        """UsageError for unbalanced quotes, and for a command that would never end."""
        where = f"line {number}: " if number else ""
        try:
            command = cls(number, text, split(text))
        except ValueError as error:
            raise UsageError(f"{where}{error}: {text} (nothing was sent)") from None
        for name in command.names:
            if name in REFUSED:
                raise UsageError(f"{where}{name} {REFUSED[name]} (nothing was sent)")
        return command

    @property
    def names(self) -> tuple[str, str]:
        """The command's name, without and with a subcommand, in capitals."""
        words = [word.decode("latin-1").upper() for word in self.words[:2]]
        return words[0], " ".join(words)

    @property
    def patience(self) -> float | None:
        """Seconds that a blocking command may take: 0.0 is for ever, None is not blocking."""
        place, unit = TIMEOUTS.get(self.names[0]) or TIMEOUTS.get(self.names[1]) or (0, 1.0)
        options = [word.upper() for word in self.words]
        if self.names[0] in ("XREAD", "XREADGROUP") and b"BLOCK" in options:
            place, unit = options.index(b"BLOCK") + 1, 0.001
        try:
            seconds = float(self.words[place]) * unit
        except (ValueError, IndexError):
            return None
        return seconds if 0 <= seconds < 1e6 else None

    def packed(self) -> bytes:
        """The bytes to send; redis-py's own packer would split a word that contains a space."""
        return b"*%d\r\n" % len(self.words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(word), word) for word in self.words
        )


class Transcript:
    """What a cell shows, in one display: commands, replies, errors and notes."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, str]] = []

    def add(self, kind: str, text: str) -> None:
        """kind: one of STYLES."""
        self.parts.append((kind, text.replace("\r\n", "\n").removesuffix("\n")))

    def show(self) -> None:
        """As text/plain without colours, and as text/html."""
        if not self.parts:
            return
        spans = [f'<span style="{STYLES[k]}">{html.escape(text)}</span>' for k, text in self.parts]
        body = "\n".join(spans)
        page = f'<pre style="margin:0;white-space:pre-wrap">{body}</pre>'
        plain = "\n".join(text for _, text in self.parts)
        display({"text/plain": plain, "text/html": page}, raw=True)


class Session:
    """What the magics keep for one topology: connections, and where MOVED has led."""

    def __init__(self) -> None:
        self.connections: dict[str, Any] = {}
        self.at: str | None = None
        self.names: list[str] = []

    def connect(self, node: Any, transcript: Transcript) -> Any:
        """The node's connection, opened anew if it broke since; CommandFailed if that fails."""
        known = self.connections.get(node.name)
        if known is not None and _is_open(known):
            return known
        pool = node.client(protocol=2).connection_pool
        options = {**pool.connection_kwargs, "parser_class": ReplyParser}
        connection = pool.connection_class(**options)
        try:
            connection.connect()
        except exceptions.RedisError as error:
            cause = error.__context__
            reason = getattr(cause, "strerror", None) or error
            raise CommandFailed(f"Could not connect to {node.name}: {reason}") from None
        if known is not None:
            lost = "was lost: reconnected, without the SELECT, MULTI or HELLO sent before"
            transcript.add("note", f"-> Connection to {node.name} {lost}")
        self.connections[node.name] = connection
        return connection
