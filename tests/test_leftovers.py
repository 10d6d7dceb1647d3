"""Nothing is left behind: no process, no folder, no note, however the owner of a lab ends.

Every owner here is a process of its own, with a temporary folder and a list of labs of its own.
Five seconds are what the issue allows for cleaning up.
"""

import fcntl
import json
import os
import random
import signal
import subprocess
import termios
import time

import psutil
import pytest
import redis

import redis_lab as rl
from redis_lab.lab import guard
from redis_lab.lab.waiting import wait_until

SHAPES = ["standalone", "replicated", "sentinel", "cluster", "secure"]
ON_DOCKER = os.environ.get("REDIS_LAB_BACKEND") == "docker"
SOON = 30.0 if ON_DOCKER else 5.0
STAY = "\nprint('ready', flush=True)\ninput()"


def ready(process, word="ready"):
    """The lines said before the word; the word must come."""
    said = []
    for line in process.stdout:
        if line.strip() == word:
            return said
        said.append(line.strip())
    raise AssertionError(process.stderr.read())


def nothing_left(elsewhere):
    wait_until(elsewhere.leftovers, SOON, "nothing left")


# kill -9


@pytest.mark.parametrize("shape", SHAPES)
def test_a_killed_owner_leaves_nothing(elsewhere, shape):
    """SIGKILL of the process that started a lab ends its servers, folder and note."""
    names = "print(*[n.pid or n.container for n in lab.nodes])"
    owner = elsewhere.start(f"lab = rl.{shape}(); {names}; {STAY}")
    started = set(ready(owner)[0].split())
    assert set(map(str, elsewhere.servers())) == started
    owner.kill()
    nothing_left(elsewhere)


def test_a_killed_owner_leaves_no_paused_or_cut_off_node(elsewhere):
    """A stopped process would ignore SIGTERM; SIGKILL it can't."""
    owner = elsewhere.start(
        "lab = rl.sentinel(); lab.partition('redis-3'); lab.pause('redis-1'); lab.kill('redis-2');"
        "lab.restart('redis-2'); lab.pause('sentinel-1')" + STAY
    )
    ready(owner)
    assert len(elsewhere.servers()) == 6, elsewhere.servers()
    owner.kill()
    nothing_left(elsewhere)


def test_an_owner_killed_while_starting_leaves_nothing(elsewhere):
    """At whatever moment of rl.cluster() or rl.secure() the SIGKILL comes."""
    elsewhere.run("with rl.standalone(): pass")
    for shape in ["cluster", "secure", "sentinel"] * 3:
        owner = elsewhere.start(f"import redis_lab.lab\nprint('ready', flush=True)\nrl.{shape}()")
        ready(owner)
        time.sleep(random.uniform(0, 0.6))  # the moment is what is random here
        owner.kill()
        owner.wait()
    nothing_left(elsewhere)


def test_a_killed_owner_of_a_detached_lab_that_never_got_ready_leaves_nothing(elsewhere):
    """Detached holds from the moment at which the lab has started; the next start sweeps."""
    owner = elsewhere.start("""
from redis_lab.lab import formation
def form(*_):
    print("ready", flush=True)
    input()
formation.form = form
rl.replicated(detached=True)
""")
    ready(owner)
    assert len(elsewhere.servers()) == 3
    owner.kill()
    owner.wait()
    elsewhere.run("with rl.standalone(): pass")
    nothing_left(elsewhere)


def test_a_forked_child_does_not_keep_the_lab(elsewhere):
    """A multiprocessing child holds the guard's pipe open; the lab goes with its owner even so."""
    owner = elsewhere.start(
        "import multiprocessing, time\n"
        "lab = rl.replicated(replicas=1)\n"
        "child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))\n"
        "child.start(); print(child.pid)" + STAY
    )
    child = psutil.Process(int(ready(owner)[0]))
    owner.kill()
    try:
        nothing_left(elsewhere)
        assert child.is_running()
    finally:
        child.kill()


def test_a_lab_of_a_forked_child_goes_with_the_child(elsewhere):
    """Each process has a guard of its own: a killed child's labs go, its parent's stay."""
    owner = elsewhere.start(
        "import multiprocessing, time\n"
        "def start():\n"
        "  lab = rl.standalone(); print('started', flush=True); time.sleep(60)\n"
        "mine = rl.standalone()\n"
        "child = multiprocessing.get_context('fork').Process(target=start)\n"
        "child.start(); print(child.pid, flush=True)\n"
        "input(); print(mine.client().ping(), flush=True)\n"
        "input()"
    )
    said = ready(owner, "started")
    assert len(elsewhere.servers()) == 2
    psutil.Process(int(said[0])).kill()
    wait_until(lambda: "" if len(elsewhere.servers()) == 1 else "two servers", SOON, "one server")
    owner.stdin.write("\n")
    owner.stdin.flush()
    assert owner.stdout.readline().strip() == "True"
    owner.kill()
    nothing_left(elsewhere)


def test_what_a_killed_guard_could_not_clean_the_next_start_does(elsewhere):
    """Owner and guard both gone, as after a power cut: the next lab sweeps, whichever shape."""
    owner = elsewhere.start("lab = rl.sentinel(replicas=1, sentinels=1)" + STAY)
    ready(owner)
    (watching,) = [
        p for p in psutil.Process(owner.pid).children() if "guard.py" in str(p.cmdline())
    ]
    watching.kill()
    owner.kill()
    owner.wait()
    assert len(elsewhere.servers()) == 3
    elsewhere.run("with rl.standalone(): pass")
    nothing_left(elsewhere)


def test_the_guard_ends_with_its_owner(elsewhere):
    """The guard is a process, too, and none stays."""
    owner = elsewhere.start("lab = rl.standalone()" + STAY)
    ready(owner)
    (watching,) = [
        p for p in psutil.Process(owner.pid).children() if "guard.py" in str(p.cmdline())
    ]
    owner.kill()
    owner.wait()
    _, alive = psutil.wait_procs([watching], SOON)
    assert not alive


# other ends


def test_an_owner_that_ends_by_itself_leaves_nothing(elsewhere):
    """No stop(), no with: the end of the interpreter stops every lab."""
    owner = elsewhere.start(
        "labs = [rl.replicated(replicas=1), rl.standalone()]; labs[0].pause('redis-2')"
    )
    assert owner.communicate(timeout=60) == ("", "") and owner.returncode == 0
    assert elsewhere.leftovers() == ""


def test_an_owner_that_crashes_leaves_nothing(elsewhere):
    """os._exit, and a signal without handler, skip all cleaning up in Python."""
    for end in ("import os; os._exit(3)", "import os; os.kill(os.getpid(), 15)"):
        owner = elsewhere.start(f"lab = rl.standalone(); {end}")
        owner.wait(30)
        nothing_left(elsewhere)


def test_an_exception_inside_with_leaves_nothing_of_a_paused_lab(elsewhere):
    """The exception comes through as it was, and nothing remains while its process lives on."""
    owner = elsewhere.start(
        "try:\n"
        "  with rl.sentinel(replicas=1, sentinels=1) as lab:\n"
        "    lab.pause('redis-1'); lab.pause('sentinel-1'); 1 / 0\n"
        "except ZeroDivisionError: print('caught')" + STAY
    )
    assert ready(owner) == ["caught"]
    assert elsewhere.leftovers() == ""


@pytest.mark.parametrize("shape", SHAPES)
def test_an_interrupt_in_the_middle_of_a_start_leaves_nothing(elsewhere, shape):
    """Ctrl-C at whatever moment is a KeyboardInterrupt; nothing remains, and the owner lives on."""
    owner = elsewhere.start(f"""
import time, redis_lab.lab
while True:
    try:
        print("starting", flush=True)
        rl.{shape}()
        time.sleep(60)
    except KeyboardInterrupt:
        for lab in rl.lab.running():
            lab.stop()
        print("interrupted", flush=True)
    input()
""")
    for attempt in range(4):
        ready(owner, "starting")
        wait_until(lambda: "" if elsewhere.leftovers() else "not begun", 30, "a beginning")
        time.sleep(random.uniform(0, 0.05 * attempt))  # the moment is what is random here
        owner.send_signal(signal.SIGINT)
        ready(owner, "interrupted")
        assert elsewhere.leftovers() == "" and owner.poll() is None
        owner.stdin.write("\n")
        owner.stdin.flush()


def test_an_interrupt_of_the_group_spares_the_servers(elsewhere):
    """A notebook's Stop button interrupts the kernel's process group; the lab goes on."""
    owner = elsewhere.start(
        "lab = rl.sentinel(replicas=1, sentinels=1)\n"
        "import time\n"
        "try: print('ready', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt: pass\n"
        "print(lab.wait_healthy() < 15, lab.client().ping(), all(n.alive for n in lab.nodes))"
    )
    ready(owner)
    assert os.getpgid(owner.pid) == owner.pid
    os.killpg(owner.pid, signal.SIGINT)
    assert owner.stdout.readline().strip() == "True True True"
    owner.wait(30)
    nothing_left(elsewhere)


def test_a_failed_start_leaves_nothing(elsewhere):
    """A wrong directive on one of six nodes: the error, and nothing else."""
    said = elsewhere.run("""
try: rl.cluster(config={"maxmemory": "lots"})
except ValueError as error: print(type(error).__mro__[1].__name__, rl.lab.running())
import os; print(os.listdir(os.environ["TMPDIR"]))
""")
    assert said.split("\n")[:2] == ["LabUnavailable ()", "[]"]
    assert elsewhere.leftovers() == ""


# labs that are meant to stay, or that belong to others


def test_a_detached_lab_outlives_its_owner_until_it_is_removed(elsewhere, monkeypatch):
    """detached=True survives kill -9, normal ends and sweeps; guard.remove is what ends it."""
    owner = elsewhere.start("lab = rl.replicated(replicas=1, detached=True); print(lab.id)" + STAY)
    (lab_id,) = ready(owner)
    owner.kill()
    owner.wait()
    elsewhere.run("with rl.standalone(): pass")
    monkeypatch.setenv("REDIS_LAB_STATE", str(elsewhere.state))
    note = guard.notes()[lab_id]
    assert note["shape"] == "replicated" and note["detached"] and "redis-cli" in note["cli"]
    assert redis.from_url(note["url"]).ping() and guard.sweep() == set()
    assert len(elsewhere.servers()) == 2
    guard.remove({lab_id})
    assert elsewhere.leftovers() == "" and guard.notes() == {}


def test_a_detached_lab_can_be_stopped_by_its_owner(elsewhere):
    """stop() and with end it as any other; the end of the interpreter does not."""
    elsewhere.run("with rl.standalone(detached=True) as lab: lab.client().ping()")
    assert elsewhere.leftovers() == ""
    elsewhere.run("rl.standalone(detached=True)")
    assert len(elsewhere.servers()) == 1


def test_a_sweep_spares_the_living(elsewhere):
    """A sweep by any process touches no lab whose owner runs; its data are as they were."""
    owner = elsewhere.start(
        "lab = rl.replicated(replicas=1); lab.client().set('a', 'b'); print(lab.url)" + STAY
    )
    (url,) = ready(owner)
    elsewhere.run("from redis_lab.lab import guard; assert guard.sweep() == set()")
    elsewhere.run("with rl.standalone() as lab: lab.client().ping()")
    assert redis.from_url(url).get("a") == b"b" and len(elsewhere.servers()) == 2
    owner.kill()
    nothing_left(elsewhere)


def test_two_processes_may_start_the_same_shape_at_once(elsewhere):
    """Neither takes the other's ports, folders or servers; both are healthy, and both go."""
    program = "lab = rl.sentinel(); print(*[n.port for n in lab.nodes], lab.wait_healthy() < 15)"
    owners = [elsewhere.start(program + STAY) for _ in range(3)]
    said = [ready(owner)[0].split() for owner in owners]
    assert all(words.pop() == "True" for words in said)
    assert len({port for ports in said for port in ports}) == 18 == len(elsewhere.servers())
    for owner in owners:
        owner.kill()
    nothing_left(elsewhere)


def test_a_number_used_again_is_not_its_old_owner(elsewhere, monkeypatch):
    """A note whose owner's pid now belongs to another process is swept; that process lives on."""
    monkeypatch.setenv("REDIS_LAB_STATE", str(elsewhere.state))
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        note = {
            "owner": [stranger.pid, 1.0],
            "folder": str(elsewhere.tmp / "redis-lab-0123456789ab"),
            "nodes": [["redis-1", 12345, stranger.pid]],
        }
        guard.write_note("0123456789ab", note)
        assert guard.sweep() == {"0123456789ab"}
        assert stranger.poll() is None and guard.notes() == {}
    finally:
        stranger.kill()
        stranger.wait()


def test_a_change_of_the_clock_makes_no_owner_a_stranger(monkeypatch):
    """An owner is recognised by when it began since boot, not by a time of day that may jump."""
    me = guard.owner()
    began = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: began(self) + 3600)
    assert guard.is_running(me) and guard.owner() == me
    assert not guard.is_running((me[0], me[1] + 1))
    assert not guard.is_running((2**22 + 1, me[1]))


def test_a_zombie_owner_counts_as_gone():
    """A killed kernel whose parent has not waited for it yet runs no more."""
    child = subprocess.Popen(["sleep", "60"])
    who = (child.pid, guard._born(child.pid))
    assert guard.is_running(who)
    child.kill()
    wait_until(lambda: "still there" if guard.is_running(who) else "", SOON, "zombie")
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    child.wait()
    assert not guard.is_running(who)


@pytest.mark.processes("a terminal is told apart from servers that work beside it")
def test_a_terminal_in_the_folder_of_a_lab_is_spared():
    """Whoever went there to read a log keeps his shell when the lab is removed."""
    master, slave = os.openpty()
    with rl.standalone() as lab:
        shell = subprocess.Popen(
            ["sleep", "60"],
            cwd=lab._runner.folder / "redis-1",
            stdin=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        try:
            assert [process.pid for process in guard.processes_of({lab.id})] == [lab.primary.pid]
            guard.remove({lab.id})
            assert shell.poll() is None and not lab.primary.alive
        finally:
            shell.kill()
            shell.wait()
            os.close(master)
            os.close(slave)


def test_notes_are_private_and_name_the_lab(elsewhere, monkeypatch):
    """A note has mode 0600, since the URL in it has the password; restart keeps it up to date."""
    monkeypatch.setenv("REDIS_LAB_STATE", str(elsewhere.state))
    with rl.standalone() as lab:
        (path,) = (elsewhere.state / "labs").iterdir()
        assert path.stat().st_mode & 0o777 == 0o600 and path.stem == lab.id
        assert path.parent.stat().st_mode & 0o777 == 0o700
        note = json.loads(path.read_text())
        assert note["url"] == lab.url and note["cli"] == lab.cli() and not note["detached"]
        assert note["nodes"] == [["redis-1", lab.primary.port, lab.primary.pid]]
        assert note["backend"] == ("docker" if ON_DOCKER else "process")
        lab.restart("redis-1")
        assert json.loads(path.read_text())["nodes"][0][2] == lab.primary.pid
    assert not path.exists()


def test_a_hundred_labs_are_listed_and_swept_apart(elsewhere, monkeypatch):
    """Notes of many labs, half of them abandoned: exactly those are removed."""
    monkeypatch.setenv("REDIS_LAB_STATE", str(elsewhere.state))
    for number in range(100):
        folder = elsewhere.tmp / f"redis-lab-{number:012x}"
        folder.mkdir()
        owner = guard.owner() if number % 2 else (2**22 + 1, 1.0)
        guard.write_note(f"{number:012x}", {"owner": owner, "folder": str(folder)})
    swept = guard.sweep()
    assert swept == {f"{number:012x}" for number in range(0, 100, 2)}
    assert set(guard.notes()) == {f"{number:012x}" for number in range(1, 100, 2)}
    assert len(list(elsewhere.tmp.iterdir())) == 50
