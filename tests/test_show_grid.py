"""show.grid writes every number into its cell, and darkens what costs more than the best."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import rgb_to_hsv, to_rgb

from redis_lab import show

COSTS = pd.DataFrame(
    {"bytes": [80.0, 40.0, 2.0], "top ten,\nms": [None, 0.06, 1200.0]},
    index=["a key each", "hash", "packed"],
)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def words(ax):
    return [text.get_text() for text in ax.texts]


def brightness(ax, cell):
    return rgb_to_hsv(to_rgb(ax.patches[cell].get_facecolor()))[2]


def test_every_cell_has_its_number():
    """Column by column, under its head; what is missing is said in words, and hatched."""
    ax = show.grid(COSTS, title="Packed: 40 times less", missing="no way")
    assert words(ax) == ["bytes", "80", "40", "2", "top ten,\nms", "no way", "0.06", "1,200"]
    assert [patch.get_hatch() is None for patch in ax.patches] == [True] * 3 + [False, True, True]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(COSTS.index)
    assert ax.get_title() == "Packed: 40 times less"


def test_the_more_the_darker_within_a_column():
    """The least of a column is lightest; another column, another unit, has its own scale."""
    ax = show.grid(COSTS, title="")
    assert brightness(ax, 0) < brightness(ax, 1) < brightness(ax, 2)
    assert brightness(ax, 4) == brightness(ax, 2) > brightness(ax, 5)
    ax = show.grid(COSTS.assign(bytes=7), title="")
    assert brightness(ax, 0) == brightness(ax, 1) == brightness(ax, 2)


def test_a_zero_is_the_best_and_no_division():
    """Nothing at all is lighter than something, and the others are compared to the least above."""
    ax = show.grid(pd.DataFrame({"lost": [0, 1, 90]}), title="")
    assert words(ax)[1:] == ["0", "1", "90"]
    assert brightness(ax, 0) > brightness(ax, 1) > brightness(ax, 2)
    ax = show.grid(pd.DataFrame({"lost": [0, 0, 0]}), title="")
    assert brightness(ax, 0) == brightness(ax, 1) == brightness(ax, 2)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(),
        pd.DataFrame({"bytes": [1.0, -1.0]}),
        pd.DataFrame({"bytes": [1.0], "ms": [None]}),
    ],
)
def test_what_can_not_be_drawn_is_refused(table):
    """No table, less than nothing, a column without a number: a ValueError names the argument."""
    with pytest.raises(ValueError, match="table"):
        show.grid(table, title="None")
