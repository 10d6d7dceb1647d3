"""show.bars says in words what it draws."""

from itertools import pairwise

import matplotlib as mpl
import pandas as pd
import pytest

from redis_lab import show

MEASURED = pd.Series({"one by one": 812.0, "pipelined": 40.25, "none": 0.0})


def test_every_bar_has_its_name_and_number():
    """Names stand at the axis, numbers at the bars, the finding in the title, the unit below."""
    ax = show.bars(MEASURED, "ms for 1,000 commands", title="20 times as fast")
    assert [label.get_text() for label in ax.get_yticklabels()] == list(MEASURED.index)
    assert [text.get_text() for text in ax.texts] == ["812", "40.2", "0"]
    assert ax.get_title() == "20 times as fast"
    assert ax.get_xlabel() == "ms for 1,000 commands"


def test_the_numbers_follow_the_table():
    """Another measurement gives another label: nothing is drawn from memory."""
    ax = show.bars(MEASURED * 2, "ms", title="Slower")
    assert ax.texts[0].get_text() == "1,624"


@pytest.mark.parametrize("most", [3.2, 95, 9_400, 180_400, 1_234_567])
def test_the_numbers_at_the_axis_do_not_touch(most):
    """Long numbers get fewer ticks: 100,000 and 125,000 once stood in each other."""
    ax = show.bars(pd.Series({"as shipped": most, "counted after WAIT 2": 0}), "n", title="One")
    ax.figure.canvas.draw()
    within = [
        tick for tick in ax.get_xticklabels() if 0 <= tick.get_position()[0] <= ax.get_xlim()[1]
    ]
    boxes = [tick.get_window_extent() for tick in within]
    assert len(boxes) >= 3
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_a_highlight_leaves_the_others_grey():
    """Only the bar that the title is about keeps its colour."""
    ax = show.bars(MEASURED, "ms", title="One", highlight="pipelined")
    colours = [patch.get_facecolor() for patch in ax.patches]
    assert colours[0] == colours[2] != colours[1]


@pytest.mark.parametrize("values", [[], [1.0, None], [-1.0]])
def test_what_can_not_be_drawn_is_refused(values):
    """An empty, missing or negative number is a ValueError that names the argument."""
    with pytest.raises(ValueError, match="values"):
        show.bars(pd.Series(values, dtype=float), "ms", title="None")


def test_the_style_restores_its_own_params_alone():
    """What a notebook's backend sets while the first figure is made stays as it is."""
    from redis_lab.show.style import style

    before = dict(mpl.rcParams)
    with mpl.rc_context():
        with style():
            mpl.rcParams["interactive"] = True
        assert mpl.rcParams["interactive"]
        assert {k: v for k, v in mpl.rcParams.items() if before[k] != v} == {"interactive": True}
