"""show.survivors draws a square for every few keys, the darker the more of them are there."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from redis_lab import show

KEYS = pd.DataFrame(
    {"lru": [False] * 40 + [True] * 24, "lfu": [True] * 32 + [False] * 32},
    index=["asked for"] * 40 + ["scanned"] * 24,
)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_each_part_of_a_block_has_its_share_in_words():
    """The names stand above, and the share of a part's keys above that part."""
    ax = show.survivors(KEYS, title="LRU kept 0 of 40")
    assert words(ax) == ["0 %", "lru", "80 %", "lfu", "100 %", "0 %"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["asked for", "scanned"]
    assert ax.get_title() == "LRU kept 0 of 40"


def test_the_share_changes_with_the_table():
    """What is written is computed from the table; 0 and 100 are for none and all."""
    table = KEYS.assign(lru=[True] * 10 + [False] * 54)
    assert words(show.survivors(table, title=""))[0] == "25 %"
    one = pd.DataFrame({"lru": [True] + [False] * 999}, index=["keys"] * 1000)
    assert words(show.survivors(one, title=""))[0] == "< 1 %"
    assert words(show.survivors(~one, title=""))[0] == "> 99 %"


def test_a_square_is_as_dark_as_its_keys_are_many():
    """Nothing is light, all is dark, and squares that no key belongs to are left out."""
    ax = show.survivors(KEYS, title="")
    lru, lfu = (mesh.get_array().compressed() for mesh in ax.collections[:2])
    assert len(lru) == len(lfu) == 40
    assert set(lru) == {0.06}
    assert (lfu[:32] == 1).all()
    assert (lfu[32:] < 0.1).all()


def test_many_keys_share_a_square():
    """It is never more than some hundred squares; the axis says how many keys one stands for."""
    table = pd.DataFrame({"lru": np.arange(4800) % 10 < 5}, index=["keys"] * 4800)
    ax = show.survivors(table, title="", order="by name")
    shares = ax.collections[0].get_array().compressed()
    assert len(shares) == 480
    assert np.allclose(shares, 0.53)
    assert ax.get_xlabel() == "a square: 10 keys, by name; dark: still there"


def test_rows_need_not_be_keys():
    """What a row is and what True says are the caller's words."""
    ax = show.survivors(KEYS, title="", one="flight", dark="arrived")
    assert ax.get_xlabel() == "a square: a flight, first to last; dark: arrived"


@pytest.mark.parametrize("columns", [0, 7])
def test_nothing_and_too_much_is_refused(columns):
    """Seven blocks have no room for their names."""
    table = pd.DataFrame({name: [True] for name in range(columns)})
    with pytest.raises(ValueError, match="1 to 6 columns"):
        show.survivors(table, title="")
