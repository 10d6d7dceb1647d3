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


class Deaf:
    """A lab that says it has stopped, and has not."""

    def __init__(self, lab):
        self._lab = lab
        self.stopped = False

    def __getattr__(self, name):
        return getattr(self._lab, name)

    def stop(self):
        self.stopped = True


def check(trial):
    import redis_lab.lab

    with redis_lab.lab.standalone() as real:
        said = trial.call(real)
        trial.require(real.stopped, "the lab is stopped", "the lab is still running")
        trial.expect(
            said is True, "a stopped lab is gone", f"it answered {said!r} for a stopped lab"
        )
    said = trial.call(Deaf(trial.lab))
    trial.expect(
        said is False,
        "a lab that only says so is not",
        f"it answered {said!r} for a server that still ran: ask the system, not the object",
    )
