"""Prove that a server is gone, rather than believe it."""

NOTEBOOK = "00"
TITLE = "Gone for good"
HINTS = (
    "`lab.primary` has a `pid` and a `port`; read them before you stop.",
    "`psutil.pid_exists(pid)` asks the system. A closed port refuses a connection.",
    "`socket.create_connection(('127.0.0.1', port), timeout=1)` raises `ConnectionRefusedError` "
    "where nobody listens.",
)
WHY = (
    "An object that says it stopped is a promise; the process table and the port are facts. This "
    "course measures at the server for the same reason."
)


def stub(lab):
    """Stop this lab; answer True only if its process is gone and its port is closed."""


def solution(lab):
    import socket

    import psutil

    pid, port = lab.primary.pid, lab.primary.port
    lab.stop()
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return False
    except ConnectionRefusedError:
        return not psutil.pid_exists(pid)


def wrong_takes_its_word(lab):
    """a server that still ran"""
    lab.stop()
    return lab.stopped


def wrong_does_not_stop(lab):
    """is still running"""
    import psutil

    return not psutil.pid_exists(lab.primary.pid)


def wrong_the_process_alone(lab):
    """still answers on its port"""
    import psutil

    pid = lab.primary.pid
    lab.stop()
    return not psutil.pid_exists(pid)


class Named:
    """A node of a lab, with another process id."""

    def __init__(self, node, pid):
        self._node, self.pid = node, pid

    def __getattr__(self, name):
        return getattr(self._node, name)


class Liar:
    """A lab that says it has stopped. pid: of the process it claims as its server's."""

    def __init__(self, lab, pid=None):
        self._lab = lab
        self.stopped = False
        self.primary = Named(lab.primary, pid) if pid else lab.primary
        self.nodes = (self.primary,)

    def __getattr__(self, name):
        return getattr(self._lab, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    def stop(self):
        self.stopped = True


class Undead(Liar):
    """A lab that closes its server's port, while the process goes on."""

    def stop(self):
        self._lab.primary.ask("CONFIG", "SET", "port", 0)
        self.stopped = True


def check(trial):
    import redis_lab.lab

    with redis_lab.lab.standalone(backend="process") as real:
        said = trial.call(real)
        trial.require(real.stopped, "the lab is stopped", "the lab is still running")
        trial.expect(said is True, "a stopped lab is gone", f"it answered {said!r} when it was")
    with redis_lab.lab.standalone(backend="process") as running:
        said = trial.call(Liar(running))
        trial.expect(
            said is False,
            "a lab that only says so is not",
            f"it answered {said!r} for a server that still ran: ask the system, not the object",
        )
        said = trial.call(Liar(running, pid=2**22 + 1))
        trial.expect(
            said is False,
            "an open port is not gone",
            f"it answered {said!r} for a server that still answers on its port",
        )
    with redis_lab.lab.standalone(backend="process") as deaf:
        said = trial.call(Undead(deaf))
        trial.expect(
            said is False,
            "a process that lives is not gone",
            f"it answered {said!r} for a process that still ran, though its port was closed",
        )
