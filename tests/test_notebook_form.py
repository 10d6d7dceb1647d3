"""The form that all notebooks share, checked on the files as they are stored."""

import re
import statistics
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from redis_lab.course.catalogue import notebooks
from redis_lab.course.execute import source_hash
from redis_lab.course.exercise import find, of_notebook

ENTRIES = notebooks()
SECTIONS = ("## Setup", "## In production", "## Exercises", "## Key points", "## Questions")
SHAPES = {"standalone", "replicated", "sentinel", "cluster", "secure"}
LARGEST = 1_500_000


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry.path.stem)
def path(request) -> Path:
    return request.param.path


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture
def prose(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@pytest.fixture
def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(code):
    return [output for cell in code for output in cell.outputs]


def test_there_are_notebooks():
    """The folder isn't empty: otherwise every test of this file would pass."""
    assert {"00", "01", "06", "62"} <= {entry.number for entry in ENTRIES}


def test_opens_with_what_will_be_seen(notebook, prose):
    """The first cell has the title, what will be seen, the time and the server."""
    head = notebook.cells[0].source
    assert head.startswith("# ")
    assert head.split("\n")[0][2:] == notebook.metadata.redis_lab.title
    assert 3 <= head.count("\n- ") <= 5
    assert all(word in head for word in ("**You will see**", "**Time**", "**Server**"))


def test_has_every_section_in_order(prose):
    """Setup, In production, Exercises, Key points, Questions and Next come in this order."""
    places = [prose.find(section) for section in (*SECTIONS, "**Next**")]
    assert -1 not in places
    assert places == sorted(places)


def test_has_points_and_questions(prose):
    """Five key points, three questions with folded answers."""
    points = prose.partition("## Key points")[2].partition("## Questions")[0]
    questions = prose.partition("## Questions")[2]
    assert points.count("\n- ") == 5
    assert questions.count("<details><summary>") == 3


def test_has_its_exercises(path, notebook):
    """Three or more: title and task, the stub as in the exercise's module, and its check."""
    own = of_notebook(path.name[:2])
    assert len(own) >= 3
    sources = [cell.source for cell in notebook.cells]
    asked = re.findall(r'rl\.check\("([\w.]+)"', "\n".join(sources))
    assert sorted(asked) == sorted(exercise.id for exercise in own)
    for number, name in enumerate(asked, 1):
        exercise = find(name)
        place = sources.index(f'rl.check("{name}", {exercise.name})')
        assert sources[place - 1] == exercise.source(exercise.stub)
        assert sources[place - 2].startswith(f"### {number}. {exercise.title}\n")


def test_asks_before_it_shows(notebook):
    """Predictions stand right before a code cell, their answers folded away."""
    cells = notebook.cells
    places = [n for n, cell in enumerate(cells) if cell.source.startswith("rl.predict(")]
    assert places
    for place in places:
        assert cells[place + 1].cell_type == "code"
        assert cells[place].metadata.get("jupyter") == {"source_hidden": True}


def test_cells_are_short(code):
    """Half of the code cells have four lines at most, and none has more than 15."""
    lines = [sum(bool(line.strip()) for line in cell.source.split("\n")) for cell in code]
    assert statistics.median(lines) <= 4
    assert max(lines) <= 15


def test_is_as_long_as_an_evening(path, code, prose):
    """20 to 45 code cells (00 may be shorter) besides exercises, 35 words for each or more."""
    words = len(prose.split())
    code = code[: len(code) - 2 * len(of_notebook(path.name[:2]))]
    assert 12 <= len(code) <= 45
    assert words / len(code) >= 35
    assert words <= 2600


def test_has_a_figure_with_a_description(code):
    """At least one PNG is stored, and each cell that draws describes it in metadata.alt."""
    drawing = [cell for cell in code if any("image/png" in o.get("data", {}) for o in cell.outputs)]
    assert drawing
    assert all(cell.metadata.get("alt") for cell in drawing)


def test_uses_no_shell_and_installs_nothing(code):
    """`!` and `%pip` pass in CI even when they fail."""
    lines = [line.strip() for cell in code for line in cell.source.split("\n")]
    assert not [
        line for line in lines if line.startswith(("!", "%pip", "%%bash", "%%sh", "%conda"))
    ]


def test_flushes_nothing_and_sleeps_for_nothing(code):
    """Data is deleted by lab.flush() alone, and states are waited for by asking."""
    source = "\n".join(cell.source for cell in code)
    assert not re.search(r"flush(all|db)|time\.sleep", source, re.IGNORECASE)


def test_starts_and_stops_its_own_server(notebook, code):
    """The magics are loaded first, a lab is started, and the last cell stops it."""
    assert code[0].source.startswith("%load_ext redis_lab")
    assert notebook.metadata.redis_lab.shape in SHAPES
    assert any(f"rl.{notebook.metadata.redis_lab.shape}(" in cell.source for cell in code[:4])
    assert code[-1].source.endswith("lab.stop()")


def test_outputs_are_those_of_one_run(code):
    """Every cell was executed, in order, without an error that wasn't meant."""
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert [output for output in outputs(code) if output.output_type == "error"] == []
    assert [output for output in outputs(code) if output.get("name") == "stderr"] == []


def test_stamp_matches_the_source(notebook, path):
    """The stored outputs were made from this source: else `make notebooks` must run again."""
    stamp = notebook.metadata.redis_lab.get("stamp", {})
    assert stamp.get("source") == source_hash(notebook), f"make notebooks N={path.name[:2]}"
    assert {"server", "redis-py", "redis_lab", "seconds"} <= stamp.keys()


def test_shows_no_path_of_a_machine(path):
    """No home, temporary or working folder of whoever ran it is stored."""
    stored = path.read_text()
    assert not re.search(r"/(home|root|tmp|work|Users|private|var/folders)/", stored)
    assert path.stat().st_size <= LARGEST


def test_no_exclamation_and_no_filler(prose):
    """The voice of the course: no exclamation marks, no words that make a reader feel slow."""
    text = re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.DOTALL)
    assert "!" not in text.replace("!=", "")
    assert not re.search(r"\b(simply|just|obviously|as you can see|of course)\b", text, re.I)


def test_no_two_notebooks_share_a_sentence():
    """Apart from headings and the head's labels, no sentence stands in two notebooks."""
    seen: Counter[str] = Counter()
    for entry in ENTRIES:
        cells = nbformat.read(entry.path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        sentences = {sentence.strip() for sentence in re.split(r"(?<=[.?:])\s+|\n", text)}
        headings = ("**", "#", "| command")
        seen.update(s for s in sentences if len(s.split()) >= 6 and not s.startswith(headings))
    assert [sentence for sentence, count in seen.items() if count > 1] == []


def test_requirements_form_no_circle():
    """What a notebook requires exists in the curriculum's order: always an earlier number."""
    for entry in ENTRIES:
        assert all(number < entry.number for number in entry.requires)
