"""What a learner calls, and what is remembered of it."""

import json
import multiprocessing

import pytest

import redis_lab as rl
from redis_lab.course import learner, record
from redis_lab.course.execute import WIDGET
from redis_lab.course.exercise import find

TICKET = "strings.ticket"
WRONG_TYPE = b'{"exercises": {"a": {"attempts": "many"}}, "predictions": {}}'


@pytest.fixture(autouse=True)
def own_record(tmp_path, monkeypatch):
    """Each test begins with an empty record."""
    monkeypatch.setenv("REDIS_LAB_STATE", str(tmp_path))
    return tmp_path


def test_a_passed_check_says_what_it_teaches_and_is_remembered():
    """Green, with the lesson; attempts are counted, and the first pass is dated."""
    assert not rl.check(TICKET, lambda r, desk: 1)
    shown = rl.check(TICKET, find(TICKET).solution)
    assert shown.passed and bool(shown)
    assert find(TICKET).why in repr(shown) and "✗" not in repr(shown)
    fields = record.of(TICKET)
    assert fields["attempts"] == 2 and fields["passed"]


def test_a_failed_check_says_what_was_right_what_was_not_and_why():
    """In text and in HTML, each finding with its sign; and where help is."""
    shown = rl.check(TICKET, find(TICKET).wrong["wrong_no_expiry"])
    assert "✓ a call is one trip" in repr(shown)
    assert "✗ every key has a time to live" in repr(shown)
    assert "never expires" in shown._repr_html_()
    assert f'rl.hint("{TICKET}")' in repr(shown)
    assert record.of(TICKET)["passed"] is None


def test_what_an_answer_returns_is_escaped():
    """A learner's text can't become HTML in the notebook."""
    shown = rl.check(TICKET, lambda r, desk: "<script>")
    assert "<script>" not in shown._repr_html_()


def test_one_more_hint_each_time():
    """From gentle to plain; after the last one, the way to the solution."""
    hints = find(TICKET).hints
    for given in (1, 2, 3, 3):
        text = repr(rl.hint(TICKET))
        assert all(hint in text for hint in hints[:given])
        assert not any(hint in text for hint in hints[given:])
    assert f'rl.solution("{TICKET}")' in text
    assert record.of(TICKET)["hints"] == 3


def test_a_solution_is_shown_after_an_attempt_or_when_insisted_on():
    """Before the first try it asks; force=True is the yes."""
    assert "You have not tried" in repr(rl.solution(TICKET))
    assert record.of(TICKET)["solution"] is None
    assert "def ticket(r, desk):" in repr(rl.solution(TICKET, force=True))
    rl.check("strings.sell", lambda r, flight, seats: None)
    assert "def sell(r, flight, seats):" in repr(rl.solution("strings.sell"))


@pytest.mark.parametrize("call", [rl.hint, rl.solution, lambda name: rl.check(name, print)])
def test_an_unknown_id_lists_the_near_ones(call):
    """A typing error is answered with the ids that look like it."""
    with pytest.raises(
        ValueError, match=r"no exercise 'string.tikcet'; near it are strings\.ticket"
    ):
        call("string.tikcet")


def test_progress_shows_every_exercise_and_the_predictions():
    """As a table, in the order of the course, with what was seen."""
    rl.solution("strings.claim", force=True)
    rl.check("strings.claim", find("strings.claim").solution)
    rl.check("strings.sell", lambda r, flight, seats: None)
    rl.predict("Why?", options=["a", "b"], answer="b", because="so").choose("a")
    text = repr(rl.progress())
    rows = {row[1]: row for row in learner.progress_rows()}
    assert rows["strings.claim"][2] == "passed, solution seen"
    assert rows["strings.sell"][2] == "tried" and rows["start.gone"][2] == "open"
    assert f"1 of {len(rows)} exercises passed, 0 of 1 predictions right" in text
    assert "<table>" in rl.progress()._repr_html_()


def test_a_damaged_record_is_set_aside(own_record):
    """Not fatal, and not lost: it gets another name, and a new one begins."""
    for damage in (b"{", b"[]", b'{"exercises": {"a": 3}, "predictions": {}}', WRONG_TYPE, b"\xff"):
        record.path().write_bytes(damage)
        assert record.read() == {"exercises": {}, "predictions": {}}
    rl.hint(TICKET)
    assert record.of(TICKET)["hints"] == 1
    kept = [path.read_bytes() for path in own_record.rglob("progress.damaged-*")]
    assert b"\xff" in kept


@pytest.mark.parametrize("name", ["progress.json", "progress.lock"])
def test_a_record_that_can_not_be_written_costs_no_verdict(own_record, caplog, name):
    """A folder in the way, a full disk: the verdict, the hint and the answer come all the same."""
    (own_record / name).mkdir()
    assert rl.check(TICKET, find(TICKET).solution).passed
    assert find(TICKET).hints[0] in repr(rl.hint(TICKET))
    assert question().choose("all")
    assert "your progress can't be recorded" in caplog.text


def test_stop_is_a_verdict(monkeypatch):
    """The Stop button in the middle of a check shows a line, not our frames."""

    def stopped(exercise, answer):
        raise KeyboardInterrupt

    monkeypatch.setattr(learner, "judge", stopped)
    assert "you stopped the check" in repr(rl.check(TICKET, print))


def test_a_server_that_lacks_what_the_exercise_needs_is_named(monkeypatch):
    """An older server is a verdict that says so, and no attempt of the learner's."""

    def too_old(exercise, answer):
        raise rl.LabUnavailable("no redis-server ≥ 99 found")

    monkeypatch.setattr(learner, "judge", too_old)
    told = rl.check(TICKET, print)
    assert not told and "it was not judged: no redis-server ≥ 99 found" in repr(told)
    assert record.of(TICKET)["attempts"] == 0


def _attempt(times):
    for _ in range(times):
        with record.exercise(TICKET) as fields:
            fields["attempts"] += 1


def test_two_notebooks_can_write_at_once(own_record):
    """No attempt of either is lost, and the file is whole at every moment."""
    spawn = multiprocessing.get_context("fork")
    writers = [spawn.Process(target=_attempt, args=[200]) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if record.path().exists():
            json.loads(record.path().read_bytes())
    for writer in writers:
        writer.join()
    assert record.of(TICKET)["attempts"] == 400
    assert not list(own_record.glob(".progress.json.*"))


# predictions


def question(**changes):
    parts = {"options": ["half", "all"], "answer": 1, "because": "INCR is atomic."}
    return rl.predict("How many?", **{**parts, **changes})


def test_a_prediction_is_folded_where_no_kernel_lives():
    """The static form has the question, the options, and the answer behind a fold."""
    bundle = question()._repr_mimebundle_()
    page = bundle["text/html"]
    assert "<details>" in page and page.index("<details>") < page.index("INCR is atomic.")
    assert "INCR" not in bundle["text/plain"]
    assert WIDGET in bundle


def test_a_click_answers_and_is_recorded_once():
    """The first choice counts, right or wrong, and buttons are disabled after it."""
    asked = question()
    widget = asked._widget()
    buttons = widget.children[1:-1]
    buttons[0].click()
    assert "No: all." in widget.children[-1].value
    assert all(button.disabled for button in buttons)
    asked.choose("all")
    assert record.read()["predictions"] == {"How many?": False}


@pytest.mark.parametrize(
    "wrong", [{"options": ["one"]}, {"options": ["a", "a"]}, {"answer": "none"}, {"answer": 2}]
)
def test_a_question_that_can_not_be_answered_is_refused(wrong):
    """Fewer than two options, two alike, or an answer that is none of them."""
    with pytest.raises(ValueError, match=r"options|answer"):
        question(**wrong)
