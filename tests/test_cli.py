import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
import redis
from typer.testing import CliRunner

import redis_lab
from redis_lab.cli import app
from redis_lab.course import catalogue
from redis_lab.course.work import update
from redis_lab.lab import guard
from redis_lab.lab.waiting import wait_until

CLI = [sys.executable, "-m", "redis_lab.cli"]
COMMANDS = (
    *("doctor", "lab", "up", "status", "down"),
    *("list", "progress", "reset", "verify", "coverage"),
)
NODES = {"standalone": 1, "sentinel": 6}


class Place:
    """A machine of our own: its list of labs, its temporary folder, its current folder."""

    def __init__(self, folder, environment):
        self.folder = folder / "here"
        self.tmp, self.jupyter = folder / "tmp", folder / "jupyter"
        for each in (self.folder, self.tmp, self.jupyter):
            each.mkdir()
        self.environment = environment | {"TMPDIR": str(self.tmp)}
        for name in ("CONFIG", "DATA", "RUNTIME"):
            self.environment[f"JUPYTER_{name}_DIR"] = str(self.jupyter / name.lower())

    def start(self, command, **environment):
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=self.folder,
            env=self.environment | environment, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments, command=CLI, **environment):
        process = self.start([*command, *arguments], **environment)
        process.out, process.err = process.communicate(timeout=60)
        return process

    def python(self, program, *arguments, **environment):
        return self.run(*arguments, command=[sys.executable, "-c", program], **environment)

    def servers(self):
        """Processes that work below our temporary folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if self.tmp in Path(process.cwd()).parents:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def leftovers(self):
        notes = list(Path(self.environment["REDIS_LAB_STATE"]).rglob("*.json"))
        return [*self.servers(), *self.tmp.glob("redis-lab-*"), *notes]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("REDIS_LAB_STATE", str(tmp_path / "state"))
    place = Place(tmp_path, dict(os.environ))
    yield place
    for process in place.servers():
        process.kill()


@pytest.fixture
def owner(place):
    """A process with a lab of its own, which is not detached: its id, the process, its guard."""
    program = (
        "import redis_lab as rl, sys; lab = rl.standalone(); print(lab.id, flush=True); input()"
    )
    process = place.start([sys.executable, "-c", program])
    lab_id = process.stdout.readline().strip()
    guards = [
        each for each in psutil.Process(process.pid).children() if "guard" in str(each.cmdline())
    ]
    yield lab_id, process, guards[0]
    process.kill()
    process.communicate()


def url_in(said):
    return re.search(r"rediss?://\S+", said)[0]


def one_line(process, code):
    """The complaint: one line on stderr, no traceback, and nothing that looks like a result."""
    assert process.returncode == code, process.err
    assert process.err.count("\n") == 1 and "Traceback" not in process.err, process.err
    assert process.out == ""
    return process.err


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(command):
    """--help says how the command is typed, and exits with 0."""
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: redis-lab {command}" in shown.output


def test_the_version_is_told():
    """--version prints the package's version and nothing else."""
    shown = CliRunner().invoke(app, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"redis-lab {redis_lab.__version__}\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("", "Usage"),
        ("fly", "fly"),
        ("up", "shape"),
        ("up pyramid", "pyramid"),
        ("up sentinel --backend cloud", "cloud"),
        ("up standalone --replicas 2", "standalone has no --replicas"),
        ("up replicated --replicas 0", "replicas: from 1 to 100"),
        ("up replicated --replicas two", "--replicas"),
        ("up sentinel --down-after 0", "down_after: from 0.01"),
        ("up standalone --min-version new", "min_version"),
        ("lab --port 70000", "--port"),
        ("down 123abc", "there is no lab '123abc'"),
    ],
)
def test_wrong_usage_exits_with_2(place, words, complaint):
    """What can't be meant is answered with 2 and a line that names it, and nothing is started."""
    shown = CliRunner().invoke(app, words.split())
    assert shown.exit_code == 2 and complaint.lower() in shown.output.lower()
    assert place.leftovers() == []


@pytest.mark.parametrize("shape", NODES)
def test_a_lab_that_is_up_is_listed_reached_and_taken_down(place, shape):
    """up's lab outlives it; its URL and its line for Python work; down leaves nothing of it."""
    up = place.run("up", shape)
    assert up.returncode == 0, up.err
    with redis.from_url(url_in(up.out)) as client:
        assert client.ping()
    attach = re.search(r"redis_lab\.attach\(.*\)", up.out)[0]
    nodes = place.python(f"import redis_lab; print(len({attach}.nodes))")
    assert nodes.out.strip() == str(NODES[shape]), nodes.err
    ((lab_id, note),) = guard.notes().items()
    assert f"redis-lab down {lab_id}" in up.out and note["cli"] in up.out
    ports = [str(port) for _, port, _ in note["nodes"]]
    assert all(port in up.out for port in ports)
    status = place.run("status")
    assert status.returncode == 0
    for word in (
        lab_id,
        shape,
        "detached",
        f"{NODES[shape]} of {NODES[shape]}",
        *ports,
        note["url"],
    ):
        assert word in status.out
    down = place.run("down")
    assert (down.returncode, down.out) == (0, f"stopped: {shape} lab {lab_id} (detached)\n")
    assert place.leftovers() == []
    assert place.run("status").out == place.run("down").out == "No lab runs.\n"


def test_up_takes_the_options_of_the_shape(place):
    """Counts and seconds reach the topology."""
    done = place.run("up", "sentinel", "--replicas", "1", "--sentinels", "1", "--down-after", "0.5")
    assert done.returncode == 0, done.err
    assert re.findall(r"^ *(\S+-\d) ", done.out, re.M) == ["redis-1", "redis-2", "sentinel-1"]
    place.run("down")


def test_a_dead_node_is_told(place):
    """status counts the nodes that are alive, not those that were started."""
    place.run("up", "replicated")
    victim = place.servers()[0]
    victim.kill()
    psutil.wait_procs([victim], timeout=5)
    assert "2 of 3" in place.run("status").out
    place.run("down")
    assert place.leftovers() == []


def test_labs_in_use_stay_unless_they_are_named_or_all_are_meant(place, owner):
    """down leaves the lab of a living process alone and says so; --all stops it."""
    lab_id, process, _ = owner
    place.run("up", "standalone")
    (detached,) = guard.notes().keys() - {lab_id}
    assert f"process {process.pid}" in place.run("status").out
    said = place.run("down").out.splitlines()
    assert said[0] == f"stopped: standalone lab {detached} (detached)"
    assert said[1] == f"left running: standalone lab {lab_id} (process {process.pid})"
    assert len(place.servers()) == 1
    done = place.run("down", "--all")
    assert (done.returncode, lab_id in done.out) == (0, True)
    assert place.leftovers() == [] and process.poll() is None


def test_one_lab_is_stopped_by_its_id(place, owner):
    """down with an id stops that lab, in use or not, and no other."""
    lab_id, _, _ = owner
    place.run("up", "standalone")
    done = place.run("down", lab_id)
    assert done.out.startswith(f"stopped: standalone lab {lab_id} (process ")
    assert "left running" in done.out and len(guard.notes()) == 1
    place.run("down")


def test_what_a_power_cut_left_is_an_orphan_and_down_removes_it(place, owner):
    """Owner and guard killed with -9 at once: status says orphan, down leaves nothing."""
    lab_id, process, watch = owner
    for each in (watch, psutil.Process(process.pid)):
        each.suspend()
    for each in (watch, psutil.Process(process.pid)):
        each.kill()
    process.wait()
    assert "orphan" in place.run("status").out
    assert place.run("down").out == f"stopped: standalone lab {lab_id} (orphan)\n"
    assert place.leftovers() == []


def test_down_and_the_guard_may_both_clean_up(place, owner):
    """Owner killed with -9: whoever is faster, down exits with 0 and nothing is left."""
    process = owner[1]
    process.kill()
    process.wait()
    assert place.run("down").returncode == 0
    wait_until(lambda: str(place.leftovers() or ""), 5.0, "nothing left")


@pytest.mark.parametrize("command", ["up standalone", "doctor --quiet", "doctor --fix --quiet"])
def test_a_missing_server_is_one_line_with_the_way_out(place, command):
    """No usable redis-server: exit code 1, what was looked at, and what to do; no traceback."""
    done = place.run(*command.split(), REDIS_LAB_SERVER="/no/such/redis-server")
    assert done.returncode == 1
    said = done.out + done.err
    assert "/no/such/redis-server" in said and "Traceback" not in said
    assert "redis-lab doctor --fix" in said or "unset it" in said
    if "--fix" not in command:
        one_line(done, 1)


def test_the_doctor_is_content_with_a_server(place, tmp_path):
    """A redis-server and nothing else, no Docker: exit code 0; --quiet then says nothing."""
    server = redis_lab.lab.servers.find_server().path
    done = place.run("doctor", REDIS_LAB_SERVER=server, PATH=str(tmp_path))
    assert done.returncode == 0, done.err
    for word in ("Python", "redis", "TLS", "modules", "Docker", "none", "Memory", "Notebooks"):
        assert word in done.out
    quiet = place.run("doctor", "--fix", "--quiet", REDIS_LAB_SERVER=server)
    assert (quiet.returncode, quiet.out, quiet.err) == (0, "", "")


def test_the_doctor_fails_without_a_server_and_says_the_way_out(place):
    """The survey is shown all the same, notebooks that can't run with their reason."""
    done = place.run("doctor", REDIS_LAB_SERVER="/no/such/redis-server")
    assert done.returncode == 1
    assert "redis-lab doctor --fix" in done.out and "there is no redis-server" in done.out
    assert "0 of" in done.out


@pytest.mark.parametrize("command", ["--help", "doctor", "up standalone", "status", "list", "down"])
def test_output_is_plain_where_there_is_no_terminal(place, command):
    """No escape sequences, and no line is wrapped, in a pipe."""
    done = place.run(*command.split(), COLUMNS="20", TERM="xterm-256color")
    assert done.returncode == 0 and "\x1b" not in done.out + done.err
    if command == "up standalone":
        assert url_in(place.run("status").out) == url_in(done.out)
        place.run("down")


def shipped(folder, **notebooks):
    folder.mkdir()
    for name, version in notebooks.items():
        about = {
            "title": f"Title of {name}", "minutes": [20, 15], "requires": [], "shape": "standalone",
            "min_version": version, "modules": [],
        }  # fmt: skip
        text = json.dumps({
            "cells": [], "metadata": {"redis_lab": about}, "nbformat": 4, "nbformat_minor": 5,
        })  # fmt: skip
        (folder / f"{name[1:]}.ipynb").write_text(text)
    return folder


def test_the_catalogue_says_what_can_run_here_and_why_not(tmp_path, monkeypatch):
    """list has a line for each notebook: number, title, minutes, needs, and yes or the reason."""
    folder = shipped(tmp_path / "shipped", _00_start="7.0", _80_new="99.0")
    monkeypatch.setattr(catalogue, "shipped_folder", lambda: folder)
    shown = CliRunner().invoke(app, ["list"])
    start, new = [line for line in shown.output.splitlines() if "Title of" in line]
    for word in ("00", "Title of _00_start", "20 + 15", "standalone, ≥ 7.0", "yes"):
        assert word in start
    assert "older than 99.0" in new and "yes" not in new
    assert "1 of 2 can run here" in CliRunner().invoke(app, ["doctor"]).output


def test_a_notebook_that_says_nothing_of_itself_is_one_line(tmp_path, monkeypatch):
    """A broken catalogue is something missing (1), named by file, not wrong usage."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "00_start.ipynb").write_text("{}")
    monkeypatch.setattr(catalogue, "shipped_folder", lambda: folder)
    shown = CliRunner().invoke(app, ["list"])
    assert shown.exit_code == 1 and "00_start.ipynb" in shown.output


WITHOUT = "import sys; sys.modules[{!r}] = None; from redis_lab.cli import app; app()"


@pytest.mark.parametrize("package", ["typer", "jupyterlab"])
def test_a_missing_package_is_one_line_with_the_command_that_gets_it(place, package):
    """Without the extra course, the command says how to install it, and exits with 1."""
    complaint = one_line(place.python(WITHOUT.format(package), "lab"), 1)
    assert package in complaint.lower() and 'pip install "redis-lab[course]"' in complaint
    assert list(place.folder.iterdir()) == []


def test_a_folder_that_cant_be_made_is_one_line(place):
    """A file called work, where the learner's copy should be, is said; it stays."""
    (place.folder / "work").write_text("mine")
    assert "work" in one_line(place.run("lab", "--no-browser"), 1)
    assert (place.folder / "work").read_text() == "mine"


LOOKS_BEFORE_EXEC = """
import os, sys
def stop(*arguments):
    heavy = {"pandas", "matplotlib", "numpy", "redis", "psutil", "jupyterlab", "rich"}
    print(sorted(heavy & set(sys.modules)))
    os._exit(0)
os.execve = stop
from redis_lab.cli import app
app()
"""


def test_nothing_heavy_is_loaded_before_jupyterlab_is_started(place):
    """lab's own part imports neither pandas nor matplotlib, nor redis, nor JupyterLab itself."""
    done = place.python(LOOKS_BEFORE_EXEC, "lab")
    assert done.out.splitlines()[-1] == "[]", done.err


@pytest.fixture
def jupyter(place):
    """JupyterLab, really started by redis-lab lab: the process and what it says of itself."""
    process = place.start([*CLI, "lab", "--no-browser"])
    said = place.jupyter / "runtime" / f"jpserver-{process.pid}.json"
    process.folder = place.folder / "work"

    def missing():
        assert process.poll() is None, process.communicate()
        try:
            process.about = json.loads(said.read_text())
            urllib.request.urlopen(f"{process.about['url']}login", timeout=1).close()
        except (OSError, ValueError) as error:
            return str(error)
        return ""

    wait_until(missing, 60.0, "JupyterLab answers", every=0.05)
    yield process
    process.kill()
    process.communicate()


def test_lab_opens_the_course_with_a_token_on_this_machine_only(place, jupyter):
    """The notebooks are there; /api/status wants Jupyter's token; SIGTERM ends it."""
    url, token = jupyter.about["url"], jupyter.about["token"]
    assert url.startswith("http://127.0.0.1:") and len(token) >= 32
    with urllib.request.urlopen(f"{url}api/status?token={token}", timeout=10) as answer:
        assert "kernels" in json.load(answer)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{url}api/status", timeout=10)
    listening = psutil.Process(jupyter.pid).net_connections("tcp")
    assert {each.laddr.ip for each in listening if each.status == "LISTEN"} == {"127.0.0.1"}
    assert Path(jupyter.about["root_dir"]) == jupyter.folder
    names = {path.name for path in catalogue.notebook_files(jupyter.folder)}
    assert names == {path.name for path in catalogue.notebook_files(catalogue.shipped_folder())}
    jupyter.send_signal(signal.SIGTERM)
    out, err = jupyter.communicate(timeout=30)
    assert jupyter.returncode == 0
    assert "/lab/tree/00_start_here.ipynb?token=" in out + err
    assert ("--allow-root" in out) == (os.geteuid() == 0)
    assert psutil.pid_exists(jupyter.pid) is False and place.leftovers() == []
    assert not (place.jupyter / "config").exists() or not list(
        (place.jupyter / "config").rglob("*overrides*")
    )


def test_the_question_about_news_is_answered_beforehand(jupyter):
    """JupyterLab reads our setting: no news are fetched, and nobody is asked about them."""
    about = jupyter.about
    setting = "lab/api/settings/@jupyterlab/apputils-extension:notification"
    with urllib.request.urlopen(f"{about['url']}{setting}?token={about['token']}") as answer:
        properties = json.load(answer)["schema"]["properties"]
    assert properties["fetchNews"]["default"] == "false"


def test_a_second_lab_keeps_what_the_learner_wrote(place):
    """Started again, also from within work, it says nothing new and the edited notebook stays."""
    place.python(LOOKS_BEFORE_EXEC, "lab")
    mine = place.folder / "work" / "00_start_here.ipynb"
    mine.write_text("mine")
    place.folder = place.folder / "work"
    done = place.python(LOOKS_BEFORE_EXEC, "lab")
    assert done.returncode == 0 and "00_start_here" not in done.out
    assert mine.read_text() == "mine" and not (place.folder / "work").exists()


def test_up_interrupted_leaves_nothing(place):
    """Ctrl-C in the middle of a start: no server, no folder, no note, no traceback."""
    process = place.start([*CLI, "up", "cluster"])
    wait_until(lambda: "" if len(place.servers()) > 2 else "starting", 10.0, "servers", every=0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode not in (0, 2) and "Traceback" not in err and "URL" not in out
    assert place.leftovers() == []


def test_progress_is_a_table_with_a_sum(place):
    """What check and hint recorded in a notebook is told in a terminal."""
    said = place.python(
        "import redis_lab as rl; rl.hint('strings.sell'); rl.check('strings.sell', 1)"
    )
    assert said.returncode == 0, said.err
    shown = place.run("progress")
    assert shown.returncode == 0, shown.err
    assert re.search(r"01\s+strings\.sell\s+tried\s+1\s+1", shown.out)
    assert re.search(r"0 of \d+ exercises passed, 0 of 0 predictions right", shown.out)


def test_reset_restores_one_notebook_and_keeps_the_learners(place):
    """The notebook is as shipped; what it was goes to backups, and the place is told."""
    nowhere = place.run("reset", "01")
    assert nowhere.returncode == 2 and "redis-lab lab makes one" in nowhere.err
    assert not (place.folder / "work").exists()
    update(place.folder / "work")
    mine = place.folder / "work" / "01_strings_and_counters.ipynb"
    shipped = mine.read_bytes()
    mine.write_text("mine")
    said = place.run("reset", "01")
    assert said.returncode == 0 and mine.read_bytes() == shipped
    (backup,) = (place.folder / "work" / "backups").iterdir()
    assert backup.read_text() == "mine" and str(backup) in said.out
    wrong = place.run("reset", "99")
    assert wrong.returncode == 2 and "there are 00, 01" in wrong.err


def test_verify_proves_one_exercise_and_names_the_near_ones(place):
    """A proof is told with its time; an unknown id is wrong usage."""
    said = place.run("verify", "start.one_trip")
    assert said.returncode == 0, said.err
    assert re.search(r"start\.one_trip\s+[\d.]+ s\s+fine", said.out)
    wrong = place.run("verify", "start.trip")
    assert wrong.returncode == 2 and "start.one_trip" in wrong.err


def test_verify_fails_where_an_exercise_cant_be_judged(place):
    """Without a server nothing is proved, and the exit code says so."""
    said = place.run("verify", "start.one_trip", REDIS_LAB_SERVER="/nowhere/redis-server")
    assert said.returncode == 1 and "not judged" in said.out


def test_coverage_tells_what_a_notebook_runs_and_what_is_missing(place):
    """A row for each group, and a sum; an unknown number is wrong usage."""
    said = place.run("coverage", "00")
    assert said.returncode == 0, said.err
    assert re.search(r"string\s+\d+\s+[1-9]\d*\s+0\s+.*\bLCS\b", said.out)
    assert re.search(r"\d+ of \d+ commands: \d+%", said.out)
    wrong = place.run("coverage", "99")
    assert wrong.returncode == 2 and "no notebook 99" in wrong.err
