"""show.spread draws every run, and says how many are outside what was promised."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from redis_lab import show

RUNS = pd.Series([0.5, -0.5, 2.0, -3.0, 0.0, 0.9], index=[10, 10, 10, 10, 1000, 1000])


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def drawn(ax):
    """Heights of the dots inside the band, and of those outside."""
    return [sorted(dots.get_offsets()[:, 1].tolist()) for dots in ax.collections[-2:]]


def test_every_run_is_a_dot_at_its_height():
    """Inside and outside the band are two marks; heights are as measured, strewn sideways only."""
    ax = show.spread(RUNS, "people", "error, %", title="Half", promised=1.0)
    assert drawn(ax) == [[-0.5, 0.0, 0.5, 0.9], [-3.0, 2.0]]
    across = np.concatenate([dots.get_offsets()[:, 0] for dots in ax.collections[-2:]])
    assert len(set(across.tolist())) == 6 and ((across < 50) == (across < 500)).all()
    assert ax.get_title() == "Half" and ax.get_xscale() == "log"


def test_the_share_outside_stands_above_each_column():
    """Another promise, another share; few runs are counted, since two of four are no 50 %."""
    words = [text.get_text() for text in show.spread(RUNS, "x", "y", title="", promised=1.0).texts]
    assert words[:2] == ["2 of 4", "0 of 2"] and "± 1" in words
    many = pd.concat([RUNS] * 10)
    words = [text.get_text() for text in show.spread(many, "x", "y", title="", promised=0.4).texts]
    assert words[:2] == ["100 %", "50 %"] and "± 0.4" in words


def test_nothing_is_cut_off():
    """The highest dot lies below the words, the lowest above the edge."""
    ax = show.spread(RUNS, "x", "y", title="", promised=1.0)
    low, high = ax.get_ylim()
    assert low < -3.0 and high > 3.0
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["10", "1,000"]


@pytest.mark.parametrize(
    ("runs", "promised", "named"),
    [
        (pd.Series([], dtype=float), 1.0, "runs"),
        (pd.Series([1.0, None], index=[1, 1]), 1.0, "runs"),
        (pd.Series([1.0], index=[0]), 1.0, "runs"),
        (RUNS, 0.0, "promised"),
    ],
)
def test_what_can_not_be_drawn_is_refused(runs, promised, named):
    """No run, a missing one, a size of 0, a promise of nothing: a ValueError names the argument."""
    with pytest.raises(ValueError, match=named):
        show.spread(runs, "x", "y", title="None", promised=promised)
