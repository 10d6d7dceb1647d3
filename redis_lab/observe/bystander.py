"""Bystander: another client, in a process of its own, that PINGs while you do something else.

A thread that PINGs shares the interpreter with the code it watches, so its waiting may be Python's.
A process doesn't. It sends by the clock, whatever has been answered: a server that is busy for a
tenth of a second keeps a hundred PINGs waiting, not one. This file is also what the process runs.
"""

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class Bystander:
    """PINGs the client's server every `every` seconds while a block runs: `with Bystander(r) as b:`

    client: a redis.Redis on TCP; its address and password are used, not its connections. TypeError
    for TLS, Unix sockets and Clusters. Inside the block `during(name)` names what is watched; after
    it, spans() and frame() tell. Times are seconds.
    """

    def __init__(self, client: Any, every: float = 0.001):
        known = getattr(getattr(client, "connection_pool", None), "connection_kwargs", {})
        if "host" not in known or "ssl_cert_reqs" in known:
            raise TypeError("client: a Bystander needs a redis.Redis on plain TCP")
        if every <= 0:
            raise ValueError(f"every: seconds above 0, not {every!r}")
        login = [known.get("username") or "default", known.get("password") or ""]
        self._orders = [known["host"], known["port"], login, every]
        self._every = every
        self._spans: list[tuple[Any, float, float]] = []
        self._pings: list[tuple[float, float]] = []

    def __enter__(self) -> "Bystander":
        command, pipe = [sys.executable, "-I", "-S", __file__], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdin and self._process.stdout
        print(json.dumps(self._orders), file=self._process.stdin, flush=True)
        if self._process.stdout.readline() != "ready\n":  # it has had its first answer
            self.__exit__()
            raise ConnectionError("the bystander got no answer from the server")
        return self

    def __exit__(self, *_: object) -> None:
        told = self._process.communicate()[0]  # closes its stdin, which ends it
        self._pings = json.loads(told or "[]")

    @contextlib.contextmanager
    def during(self, name: Any) -> Iterator[None]:
        """What happens in this block is called `name` in spans(); a name may be used again."""
        started = time.time()
        try:
            yield
        finally:
            self._spans.append((name, started, time.time()))

    def spans(self) -> "pd.DataFrame":
        """A row for each name: took, how long its block ran; typical (the median) and worst wait.

        Of repetitions the median counts: what a busy machine adds to one or hides in another.
        """
        import pandas as pd

        sent = self.frame().set_index("sent").latency
        rows = []
        for name, began, ended in self._spans:
            # One beat earlier, for a short block may have no other.
            waits = sent[(sent.index >= began - self._every) & (sent.index <= ended)]
            rows.append((name, ended - began, waits.median(), waits.max()))
        spans = pd.DataFrame(rows, columns=["during", "took", "typical", "worst"])
        return spans.groupby("during", sort=False).median()

    def frame(self) -> "pd.DataFrame":
        """One row a PING: sent (unix seconds) and latency (seconds)."""
        import pandas as pd

        return pd.DataFrame(self._pings, columns=["sent", "latency"])


def _ping() -> None:
    """What the process runs: orders come in by stdin, PINGs go out until it is closed."""
    host, port, login, every = json.loads(sys.stdin.readline())
    server = socket.create_connection((host, port))
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if login[1]:
        words = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in ("AUTH", *login))
        server.sendall(f"*3\r\n{words}".encode())
        server.recv(1000)
    clock, sent, answered = time.perf_counter, list[float](), list[float]()
    epoch, due, unread, ending = time.time() - clock(), clock(), b"", False
    while not ending or len(answered) < len(sent):
        watched = [server] if ending else [server, sys.stdin]
        ready, _, _ = select.select(watched, [], [], None if ending else max(0.0, due - clock()))
        if server in ready:
            received = server.recv(1 << 16)
            *lines, unread = (unread + received).split(b"\r\n")
            if not received or set(lines) - {b"+PONG"}:
                break
            if lines and not answered:
                print("ready", flush=True)
            answered += [clock()] * len(lines)
        ending = ending or sys.stdin in ready
        if not ending and clock() >= due:
            server.sendall(b"*1\r\n$4\r\nPING\r\n")
            sent.append(clock())
            due = max(due + every, sent[-1])
    print(json.dumps([(epoch + at, end - at) for at, end in zip(sent, answered, strict=False)]))


if __name__ == "__main__":
    _ping()
