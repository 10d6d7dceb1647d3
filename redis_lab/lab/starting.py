"""What every runner needs to start a server: a folder, a free port, the server's last words."""

import contextlib
import random
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

from redis_lab.errors import LabUnavailable
from redis_lab.lab.node import Node
from redis_lab.lab.tls import TLSFiles, make_tls_files

HOST = "127.0.0.1"
# Below the ports that systems give to outgoing connections: a killed node gets its own back.
PORTS = range(10_000, 32_000)
START_TIMEOUT = 15.0
TOOL_TIMEOUT = 60.0
_ASK_AGAIN = 0.5


class InvalidConfig(LabUnavailable, ValueError):
    """The server refused its configuration; the message is the server's own."""


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now."""
    for _ in range(1000):
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise LabUnavailable("no free port on 127.0.0.1 was found in a thousand tries")


def make_folder(folder: Path, tls: bool, mutual: bool) -> TLSFiles | None:
    """Make a lab's private folder; its certificates, where it needs some."""
    try:
        folder.mkdir(mode=0o700)
        return make_tls_files(folder / "tls", mutual) if tls else None
    except OSError as error:
        why = f"{folder.parent}: {error.strerror}. Set TMPDIR to a folder with room."
        raise LabUnavailable(f"the lab's folder can't be made in {why}") from error


def ask_to_end(ask: Callable[[], object], runs: Callable[[], bool], node: Node) -> None:
    """ask() by SIGTERM until it no longer runs.

    Once is not enough: a server that is writing its first append-only file refuses, and forgets.
    """
    end, again = time.monotonic() + START_TIMEOUT, 0.0
    while runs():
        if time.monotonic() > end:
            raise LabUnavailable(f"{node.name} does not end; its log: {node.log(3)}")
        if time.monotonic() > again:
            with contextlib.suppress(LabUnavailable):  # it ended just now
                ask()
            again = time.monotonic() + _ASK_AGAIN
        time.sleep(0.002)


def complaint(said: str) -> tuple[str, bool]:
    """Why a server ended as soon as it was started, from its log, and whether its file is to blame.

    Empty words where it said nothing of the kind.
    """
    fatal = said.rpartition("FATAL CONFIG FILE ERROR")[2] if "FATAL CONFIG" in said else ""
    words = fatal.partition("***")[2] or "\n".join(
        line for line in said.splitlines()[-8:] if " # " in line or not re.match(r"\d+:", line)
    )
    plain = " ".join(re.sub(r"^\d+:\w .*? [#*] ", "", line) for line in words.split("\n"))
    return " ".join(plain.split()), bool(fatal) or "Unresolved Configuration" in said
