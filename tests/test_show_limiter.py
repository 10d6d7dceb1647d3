"""show.limiter draws what was admitted, and writes the most that any window held."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from redis_lab import show


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def decisions(**limiters):
    """Rows from limiter=[(second, allowed), …]."""
    rows = [(name, at, allowed) for name, hits in limiters.items() for at, allowed in hits]
    return pd.DataFrame(rows, columns=["limiter", "at", "allowed"])


STRICT = [(0.0, True), (0.1, True), (0.2, False), (1.05, True)]
LOOSE = [(0.9, True), (0.95, True), (1.05, True), (1.1, True)]


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_the_most_of_any_window_stands_beside_each_row():
    """Counted over sliding windows, not over those of the clock; above the limit in red."""
    ax = show.limiter(decisions(strict=STRICT, loose=LOOSE), 2, 1.0, title="Twice")
    assert words(ax) == ["2 of 2", "4 of 2"] and ax.get_title() == "Twice"
    strict, loose = (text.get_color() for text in ax.texts)
    assert strict == show.style.INK and loose == show.style.ERROR
    assert [label.get_text() for label in ax.get_yticklabels()] == ["strict", "loose"]


def test_a_hit_leaves_the_window_when_it_is_as_old():
    """A hit at 0.0 and one at 1.0 are never in the same second."""
    ax = show.limiter(decisions(log=[(0.0, True), (1.0, True)]), 1, 1.0, title="")
    assert words(ax) == ["1 of 1"]


def test_refusals_are_marked_where_they_were():
    """One mark for each refusal, none for what was admitted."""
    ax = show.limiter(decisions(strict=STRICT, loose=LOOSE), 2, 1.0, title="")
    marks = [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "|"]
    assert marks == [[0.2], []]


def test_a_limiter_that_admits_nothing_is_drawn():
    """Its row is empty but for the refusals."""
    ax = show.limiter(decisions(shut=[(0.0, False)], open=LOOSE), 2, 1.0, title="")
    assert words(ax) == ["0 of 2", "4 of 2"]


@pytest.mark.parametrize(
    ("table", "limit", "window", "named"),
    [
        (decisions(), 1, 1.0, "decisions"),
        (decisions(log=[(None, True)]), 1, 1.0, "decisions"),
        (decisions(log=STRICT).drop(columns="allowed"), 1, 1.0, "allowed"),
        (decisions(log=STRICT), 0, 1.0, "limit"),
        (decisions(log=STRICT), 1, 0.0, "window"),
    ],
)
def test_what_can_not_be_drawn_is_refused(table, limit, window, named):
    """A ValueError names the argument."""
    with pytest.raises(ValueError, match=named):
        show.limiter(table, limit, window, title="")
