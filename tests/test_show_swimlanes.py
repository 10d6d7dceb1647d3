"""show.swimlanes draws who held what, every bar where it was measured."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from redis_lab import show

HELD = pd.DataFrame(
    [
        ("gate-2", "m2", 0.0, 4.0, "done"),
        ("gate-1", "m1", 0.0, 1.0, "killed"),
        ("gate-1", "m3", 2.0, 4.0, "done"),
        ("gate-1", "m4", 3.0, 5.0, "done again"),
    ],
    columns=["who", "what", "start", "end", "outcome"],
)
KILLS = pd.DataFrame(
    [("gate-1", 1.0, "kill"), ("gate-3", 6.0, "kill")], columns=["who", "at", "word"]
)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def bars(ax):
    """(start, end, colour) of each bar, by its lane."""
    lanes = {}
    for bar in ax.patches:
        span = (bar.get_x(), bar.get_x() + bar.get_width(), bar.get_facecolor())
        lanes.setdefault(int(bar.get_y()), []).append(span)
    return lanes


def test_every_bar_stands_in_its_lane_at_its_time():
    """Lanes in the order of the names, one colour for each outcome."""
    ax = show.swimlanes(HELD, title="One killed")
    assert ax.get_title() == "One killed"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["gate-1", "gate-2"]
    first, second = bars(ax)[0], bars(ax)[1]
    assert [span[:2] for span in first] == [(0, 1), (2, 4), (3, 5)] and second[0][:2] == (0, 4)
    assert len({span[2] for span in first}) == 3 and first[1][2] == second[0][2]
    assert {"done", "killed", "done again", "m2"} <= {text.get_text() for text in ax.texts}


def test_bars_of_one_time_do_not_cover_each_other():
    """What a worker holds at once lies in levels; what it holds later takes the first again."""
    ax = show.swimlanes(HELD, title="")
    tops = [bar.get_y() for bar in ax.patches if bar.get_y() < 1]
    assert tops[0] == tops[1] < tops[2]


def test_a_bar_may_be_without_a_word():
    """What is held has no name: the bars are drawn all the same."""
    nameless = show.swimlanes(HELD.assign(what=""), title="Nameless")
    assert bars(nameless) == bars(show.swimlanes(HELD, title="Named"))


def test_marks_are_written_into_their_lanes():
    """Also in a lane that never held anything, and after the last bar."""
    ax = show.swimlanes(HELD, marks=KILLS, title="")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["gate-1", "gate-2", "gate-3"]
    places = [(line.get_xdata()[0], int(line.get_ydata()[0])) for line in ax.lines]
    assert places == [(1.0, 0), (6.0, 2)] and ax.get_xlim()[1] == 6.0
    assert [text.get_text() for text in ax.texts].count("kill") == 2


@pytest.mark.parametrize(
    ("held", "marks", "named"),
    [
        (HELD.iloc[:0], None, "held"),
        (HELD.drop(columns="outcome"), None, "outcome"),
        (HELD.assign(end=None), None, "held"),
        (HELD.assign(end=-1.0), None, "before it starts"),
        (pd.concat([HELD.assign(outcome=word) for word in "abcdef"]), None, "outcomes"),
        (HELD, KILLS.drop(columns="at"), "marks"),
    ],
)
def test_what_can_not_be_drawn_is_refused(held, marks, named):
    """A ValueError names what is wrong."""
    with pytest.raises(ValueError, match=named):
        show.swimlanes(held, marks=marks, title="")
