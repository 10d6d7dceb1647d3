"""The commands that the course teaches: what counts as one, as run, and as explained."""

import json

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

import redis_lab as rl
from redis_lab.course import coverage
from redis_lab.course.catalogue import notebooks

TABLE = """## The whole group

| command | for |
|---|---|
| ● `GET` `SUBSTR` | read; an old name for `GETRANGE` |
| ● `OBJECT ENCODING` ● `MSETEX` (8.4) | how it is stored |

## In production

| ● `DEL` | of another table |
"""


@pytest.fixture(scope="module")
def lab():
    with rl.standalone() as lab:
        yield lab


@pytest.fixture
def entry(tmp_path):
    """A notebook with TABLE that runs GET and SET, the latter only on a lab that its cell ends."""
    cells = [
        nbformat.v4.new_code_cell("%load_ext redis_lab\nimport redis_lab as rl"),
        nbformat.v4.new_code_cell("lab = rl.standalone()\nr = lab.client()"),
        nbformat.v4.new_code_cell("with rl.standalone() as other:\n    other.client().set('a', 1)"),
        nbformat.v4.new_code_cell("r.get('a'), r.object('encoding', 'a')"),
        nbformat.v4.new_markdown_cell(TABLE),
        nbformat.v4.new_code_cell("lab.stop()"),
    ]
    said = {"title": "A", "minutes": [1, 1], "requires": [], "shape": "standalone"}
    said |= {"min_version": "7.0", "modules": []}
    path = tmp_path / "05_a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"redis_lab": said}), path)
    return notebooks(tmp_path)[0]


def test_commands_are_those_an_application_may_call(lab):
    """Subcommands stand for their container; neither HELP nor what the server keeps to itself."""
    known = coverage.commands(lab.primary)
    assert known["GET"] == "string" and known["OBJECT ENCODING"] == "generic"
    assert known["XGROUP CREATE"] == "stream" and set(known.values()) == set(coverage.GROUPS)
    assert not {"OBJECT", "OBJECT HELP", "PFDEBUG", "RESTORE-ASKING", "PING"} & set(known)


def test_a_table_lists_commands_and_dots_those_that_run(entry):
    """A dot counts for the name right behind it, in the first column of the group's own table."""
    told = {"GET": True, "SUBSTR": False, "OBJECT ENCODING": True, "MSETEX": True}
    assert coverage.listed(entry.path) == told


def test_what_ran_is_what_the_open_labs_counted(entry):
    """Commands of labs that a cell starts and ends, as checks do, don't count."""
    ran = coverage.run(entry)
    assert {"GET", "OBJECT ENCODING"} <= ran
    assert "SET" not in ran


def test_a_kernel_that_wrote_nothing_ran_nothing(tmp_path):
    """No file, no commands."""
    assert coverage.run_by(tmp_path / "none.json") == set()


def test_a_node_that_does_not_answer_is_left_out(tmp_path):
    """A paused or dead server costs its commands, not the cell."""
    shell, noted = InteractiveShell(), tmp_path / "commands.json"
    with rl.replicated(replicas=1) as lab:
        coverage.watch(shell, str(noted))
        lab.primary.client().incr("a")
        lab.kill(lab.replicas[0])
        shell.run_cell("1")
    assert "INCRBY" in coverage.run_by(noted)
    assert json.loads(noted.read_text()) == sorted(json.loads(noted.read_text()))


def test_what_is_taught_names_its_notebooks(entry):
    """For each command those that run it and those that explain it; neither is a gap."""
    known = {"GET": "string", "SUBSTR": "string", "LCS": "string"}
    found = coverage.taught(known, [entry], {"05": {"GET"}})
    assert [(each.command, each.run_in, each.explained_in) for each in found] == [
        ("GET", ("05",), ("05",)),
        ("LCS", (), ()),
        ("SUBSTR", (), ("05",)),
    ]


def test_the_course_covers_the_data_commands(lab):
    """Of all commands of the ten groups at least 95 % stand in a notebook's table of commands."""
    told = set().union(*(coverage.listed(entry.path) for entry in notebooks()))
    known = coverage.commands(lab.primary)
    missing = sorted(known.keys() - told)
    assert len(missing) <= 0.05 * len(known), missing
