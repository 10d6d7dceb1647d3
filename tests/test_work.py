import json
import signal
import subprocess
import sys

import pytest

from redis_lab.course import work
from redis_lab.course.work import MEMORY, reset, update

NAME = "62_sentinel.ipynb"


def cell(source, outputs=()):
    return {"cell_type": "code", "source": [source], "outputs": list(outputs), "metadata": {}}


def text(*cells, **metadata):
    return json.dumps({"cells": list(cells), "metadata": metadata})


FIRST = text(cell("lab = rl.sentinel()"))
SECOND = text(cell("lab = rl.sentinel(replicas=2)"))
EDITED = text(cell("lab = rl.sentinel()"), cell("my own"))
RUN = text(cell("lab = rl.sentinel()", ["mine"]))


class Copy:
    """A shipped notebook and the learner's folder."""

    def __init__(self, folder):
        self.shipped = folder / "shipped" / NAME
        self.shipped.parent.mkdir()
        self.folder = folder / "work"
        self.mine = self.folder / NAME

    def upgrade(self, content):
        self.shipped.write_text(content)
        return [step.kind for step in update(self.folder)]

    def files(self, pattern="*"):
        found = [path for path in self.folder.rglob(pattern) if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): path.read_text() for path in found}

    def backups(self):
        return sorted(self.files("backups/*").values())


@pytest.fixture
def copy(tmp_path, monkeypatch):
    copy = Copy(tmp_path)
    monkeypatch.setattr(work, "shipped_folder", lambda: copy.shipped.parent)
    return copy


def test_the_first_time_notebooks_are_copied_and_the_second_time_nothing_happens(copy):
    """Work is made with every notebook in it; without an upgrade an update does nothing."""
    assert copy.upgrade(FIRST) == ["copied"]
    assert copy.mine.read_text() == FIRST
    before = copy.files()
    copy.mine.write_text(EDITED)
    assert update(copy.folder) == []
    assert copy.files() == before | {NAME: EDITED}


def test_an_untouched_notebook_is_replaced(copy):
    """A file that is as it was shipped follows the upgrade, and no backup of it is made."""
    copy.upgrade(FIRST)
    assert copy.upgrade(SECOND) == ["replaced"]
    assert copy.mine.read_text() == SECOND
    assert set(copy.files()) == {NAME, MEMORY}


@pytest.mark.parametrize("mine", [EDITED, "", "<<<<<<< HEAD", '{"cells": 1}', text()])
def test_a_changed_notebook_is_never_overwritten(copy, mine):
    """What the learner made of it, valid or not, stays; the new version lies beside it, once."""
    copy.upgrade(FIRST)
    copy.mine.write_text(mine)
    assert copy.upgrade(SECOND) == ["edited"]
    assert copy.files("*.ipynb") == {NAME: mine, "62_sentinel.new.ipynb": SECOND}
    (copy.folder / "62_sentinel.new.ipynb").unlink()
    assert update(copy.folder) == []
    assert copy.files("*.ipynb") == {NAME: mine}


def test_the_next_version_beside_it_replaces_the_last_one_only_if_that_is_untouched(copy):
    """A version laid beside is the learner's once they changed it: the next gets a new name."""
    copy.upgrade(FIRST)
    copy.mine.write_text(EDITED)
    copy.upgrade(SECOND)
    third, fourth = text(cell("three")), text(cell("four"))
    assert copy.upgrade(third) == ["edited"]
    assert copy.files("*.ipynb") == {NAME: EDITED, "62_sentinel.new.ipynb": third}
    (copy.folder / "62_sentinel.new.ipynb").write_text("worked in")
    assert copy.upgrade(fourth) == ["edited"]
    beside = {"62_sentinel.new.ipynb": "worked in", "62_sentinel.new-2.ipynb": fourth}
    assert copy.files("*.ipynb") == {NAME: EDITED} | beside


@pytest.mark.parametrize("mine", [RUN, text(cell("lab = rl.sentinel()"), opened=True)])
def test_a_notebook_that_was_run_is_replaced_and_kept(copy, mine):
    """Running is not editing: the upgrade takes its place, and the outputs are kept in backups."""
    copy.upgrade(FIRST)
    copy.mine.write_text(mine)
    assert copy.upgrade(SECOND) == ["replaced, run"]
    assert copy.mine.read_text() == SECOND
    assert copy.backups() == [mine]


def test_new_outputs_alone_do_not_replace_the_learners(copy):
    """Where only stored outputs were made anew, a notebook that was run stays as it is."""
    copy.upgrade(FIRST)
    copy.mine.write_text(RUN)
    assert copy.upgrade(text(cell("lab = rl.sentinel()", ["theirs"]))) == []
    assert copy.files("*.ipynb") == {NAME: RUN}
    assert copy.upgrade(SECOND) == ["replaced, run"]


def test_a_deleted_notebook_comes_back(copy):
    """Delete a notebook, and the next update copies it again."""
    copy.upgrade(FIRST)
    copy.mine.unlink()
    assert copy.upgrade(SECOND) == ["returned"]
    assert copy.mine.read_text() == SECOND


@pytest.mark.parametrize("memory", ["", "{", "[]", "{}", '{"notebooks": {"x": {}}}', "\0"])
def test_a_damaged_memory_is_set_aside_and_nothing_is_overwritten(copy, memory):
    """Without knowing what was shipped, an update only adds files; afterwards it knows again."""
    copy.upgrade(FIRST)
    (copy.folder / MEMORY).write_text(memory)
    assert copy.upgrade(SECOND) == ["forgotten", "edited"]
    assert copy.files("*.ipynb") == {NAME: FIRST, "62_sentinel.new.ipynb": SECOND}
    assert copy.backups() == [memory]
    assert update(copy.folder) == []


def test_every_step_is_told_in_a_sentence_with_the_files_it_is_about(copy):
    """What update() did can be printed as it is."""
    copy.upgrade(FIRST)
    copy.mine.write_text(EDITED)
    copy.shipped.write_text(SECOND)
    (said,) = update(copy.folder)
    assert str(said).startswith(f"{NAME}: you changed it, so it stays; the new version is ")
    assert str(said).endswith("62_sentinel.new.ipynb")


@pytest.mark.parametrize("number", ["62", 62])
def test_reset_restores_one_notebook_and_keeps_the_learners(copy, number):
    """The shipped version is back; theirs is the backup whose path is returned."""
    copy.upgrade(FIRST)
    copy.mine.write_text(EDITED)
    kept = reset(copy.folder, number)
    assert kept.read_text() == EDITED and kept.parent.name == "backups"
    assert copy.mine.read_text() == FIRST
    assert reset(copy.folder, number) is None
    assert copy.upgrade(SECOND) == ["replaced"]


def test_no_backup_overwrites_another(copy, monkeypatch):
    """Three resets within one second leave three backups."""
    monkeypatch.setattr(work.time, "strftime", lambda form: "20130101-000000")
    copy.upgrade(FIRST)
    for mine in ("one", "two", "three"):
        copy.mine.write_text(mine)
        reset(copy.folder, 62)
    assert copy.backups() == ["one", "three", "two"]


@pytest.mark.parametrize("number", ["61", "sentinel", "", "-62"])
def test_reset_of_no_notebook_is_refused(copy, number):
    """A number that no notebook has is a ValueError that lists those there are."""
    copy.upgrade(FIRST)
    with pytest.raises(ValueError, match=r"there are 62"):
        reset(copy.folder, number)


STOPS = """
import os, signal, sys
from pathlib import Path
from redis_lab.course import work
work.shipped_folder = lambda: Path(sys.argv[1])
last, move = int(sys.argv[3]), Path.replace
def replace(self, target):
    global last
    last -= 1
    if last < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return move(self, target)
Path.replace = replace
work.update(Path(sys.argv[2]))
"""


def run(program, copy, *more):
    command = [sys.executable, "-c", program, copy.shipped.parent, copy.folder, *more]
    return subprocess.Popen(list(map(str, command)))


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("mine", [FIRST, RUN, EDITED])
def test_killed_at_any_step_nothing_is_lost_and_the_next_update_goes_on(copy, mine, step):
    """kill -9 at each rename: the learner's version is whole, in place or in backups."""
    copy.upgrade(FIRST)
    copy.mine.write_text(mine)
    copy.shipped.write_text(SECOND)
    assert run(STOPS, copy, step).wait() in (0, -signal.SIGKILL)
    update(copy.folder)
    assert update(copy.folder) == []
    found = copy.files("*.ipynb")
    assert SECOND in found.values()
    assert mine in found.values() or mine == FIRST
    assert found[NAME] == (EDITED if mine == EDITED else SECOND)


def test_a_full_disk_leaves_the_old_version_whole(copy, monkeypatch):
    """When the new version can't be written, the old one is untouched and no draft is left."""
    copy.upgrade(FIRST)

    def full(path, content):
        path.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(work.Path, "write_bytes", full)
        copy.shipped.write_text(SECOND)
        update(copy.folder)
    assert {name: said for name, said in copy.files().items() if name != MEMORY} == {NAME: FIRST}
    assert copy.upgrade(SECOND) == ["replaced"]


AT_ONCE = """
import sys
from pathlib import Path
from redis_lab.course import work
work.shipped_folder = lambda: Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
work.update(Path(sys.argv[2]))
"""


@pytest.mark.parametrize("mine", [FIRST, EDITED])
def test_two_updates_at_once_end_as_one(copy, mine):
    """Two processes that bring the same upgrade leave what one would have left."""
    copy.upgrade(FIRST)
    copy.mine.write_text(mine)
    copy.shipped.write_text(SECOND)
    command = [sys.executable, "-c", AT_ONCE, str(copy.shipped.parent), str(copy.folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate()[0] or process.returncode for process in both] == [0, 0]
    beside = {NAME: EDITED, "62_sentinel.new.ipynb": SECOND} if mine == EDITED else {NAME: SECOND}
    assert copy.files("*.ipynb") == beside
    assert update(copy.folder) == []


def test_jupyterlab_is_bound_to_this_machine_and_leaves_the_users_settings_alone(copy, monkeypatch):
    """127.0.0.1, Jupyter's own token, --allow-root for root only; the settings lie in work."""
    copy.upgrade(FIRST)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/etc/theirs")
    monkeypatch.setattr(work.os, "geteuid", lambda: 1000)
    command, environment = work.jupyterlab(copy.folder, 8899, browser=False)
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert {"--ServerApp.ip=127.0.0.1", "--ServerApp.port=8899", "--no-browser"} <= set(command)
    assert f"--LabApp.default_url=/lab/tree/{NAME}" in command
    assert "token" not in "".join(command) and "--allow-root" not in command
    ours, theirs = environment["JUPYTER_CONFIG_PATH"].split(":")
    assert theirs == "/etc/theirs"
    overrides = json.loads(
        (copy.folder / ".jupyter/labconfig/default_setting_overrides.json").read_text()
    )
    assert ours == str(copy.folder / ".jupyter")
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    monkeypatch.setattr(work.os, "geteuid", lambda: 0)
    assert "--allow-root" in work.jupyterlab(copy.folder, None, browser=True)[0]


@pytest.mark.parametrize(
    ("needs", "outputs"),
    [({}, []), ({"modules": ["json"]}, ["shown"]), ({"min_version": "8.0"}, ["shown"])],
)
def test_the_copy_answers_no_question_before_it_is_asked(copy, needs, outputs):
    """Stored outputs are not copied, but for a notebook that may not be able to run here."""
    facts = {"min_version": "7.0", "modules": [], **needs}
    copy.upgrade(text(cell("r.dbsize()", ["shown"]), redis_lab=facts))
    (copied,) = json.loads(copy.mine.read_text())["cells"]
    assert copied["outputs"] == outputs
    assert copied["source"] == ["r.dbsize()"]
