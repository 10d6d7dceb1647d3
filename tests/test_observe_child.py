"""Child: what Ledger, Writer and Readers run, and that none of them outlives us."""

import subprocess
import sys

import psutil
import pytest

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.observe.child import Child

PARENT = """
import os, signal, sys
from redis_lab.observe import Ledger, Readers, Writer
makes = {
    "ledger": lambda url: Ledger(url),
    "writer": lambda url: Writer(url),
    "readers": lambda url: Readers(url, {"page": "text"}),
}
child = makes[sys.argv[1]](sys.stdin.readline().strip()).__enter__()
child.wait(1)
print(child._child._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["ledger", "writer", "readers"])
def test_it_ends_when_its_parent_is_killed(kind):
    """Its server lives on, and is asked no more."""
    with rl.standalone() as lab:
        done = subprocess.run(
            [sys.executable, "-c", PARENT, kind], input=lab.url, capture_output=True, text=True
        )
        assert done.returncode == -9, done.stderr
        pid = int(done.stdout)
        wait_until(lambda: "it runs" if psutil.pid_exists(pid) else "", 10, "the child's end")


def test_a_script_may_end_by_itself(tmp_path):
    """What it printed stays; waiting for more says that it has ended."""
    script = tmp_path / "script.py"
    script.write_text("def say(word): print(word, flush=True)")
    child = Child(str(script), "say", ["hello"], "script")
    assert not child.ended
    child.start()
    child.wait(lambda: len(child.lines()), 1, "lines", 10)
    with pytest.raises(RuntimeError, match="the script runs no more"):
        child.wait(lambda: len(child.lines()), 1, "lines", 10)
    assert child.ended and child.lines() == ["hello"]
    child.end()
    with pytest.raises(RuntimeError, match="runs once"):
        child.start()
