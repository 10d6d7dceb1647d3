"""show.verdicts says a word in each cell and darkens those that should be otherwise."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from redis_lab import show
from redis_lab.show.style import ERROR

TABLE = pd.DataFrame(
    {"copied": [True, True, False], "least": [True, False, False]},
    index=["own work", "SCAN 0", "CONFIG GET *"],
)
WANTED = pd.Series([True, False, False], index=TABLE.index)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def dark(ax):
    return sum(to_hex(box.get_facecolor()) == ERROR.lower() for box in ax.patches)


def test_each_cell_says_what_happened():
    """Heads, then the words of their column; rows are named at the left."""
    ax = show.verdicts(TABLE, title="SCAN passes", wanted=WANTED)
    words = [text.get_text() for text in ax.texts]
    assert words == ["copied", "passes", "passes", "denied", "least", "passes", "denied", "denied"]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(TABLE.index)
    assert ax.get_title() == "SCAN passes"


def test_only_what_is_not_wanted_is_dark():
    """One value for each row, or one for each cell; without any, nothing is dark."""
    assert dark(show.verdicts(TABLE, title="", wanted=WANTED)) == 1
    assert dark(show.verdicts(TABLE, title="", wanted=~TABLE)) == TABLE.size
    assert dark(show.verdicts(TABLE, title="")) == 0


def test_other_words():
    """Whoever draws logins says so."""
    ax = show.verdicts(TABLE.head(1), title="", words=("refused", "served"))
    assert [text.get_text() for text in ax.texts][1] == "served"


def test_refuses_what_it_can_not_draw():
    """An empty table, and what is wanted of other rows."""
    with pytest.raises(ValueError, match="table"):
        show.verdicts(TABLE.head(0), title="")
    with pytest.raises(ValueError, match="wanted"):
        show.verdicts(TABLE, title="", wanted=WANTED.head(1))


def test_a_folded_head_has_room():
    """A line break in a head raises the top of the figure by one line."""
    folded = TABLE.rename(columns={"least": "least\nof all"})
    flat, taller = (show.verdicts(each, title="").get_ylim()[1] for each in (TABLE, folded))
    assert taller == pytest.approx(flat - 0.6) and flat == pytest.approx(-1.2)
