"""Curves: what is drawn is what was measured, and every line has its name at its end."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from redis_lab import show

FRAME = pd.DataFrame({"hash": [60, 50, 260], "string": [150, 150, 150]}, index=[10, 512, 1000])


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_each_column_is_a_line_with_its_name_at_its_end():
    """The numbers are those of the table, in the order of its index; names stand beside."""
    ax = show.memory(
        FRAME.sample(frac=1, random_state=3), title="Five times", thresholds={512: "512"}
    )
    drawn = {line.get_label(): line for line in ax.get_lines()}
    assert list(drawn["hash"].get_xdata()) == [10, 512, 1000]
    assert list(drawn["hash"].get_ydata()) == [60, 50, 260]
    assert {"hash", "string", "512"} <= set(texts(ax))
    assert ax.get_title(loc="left") == "Five times" or ax.get_title() == "Five times"
    assert ax.get_ylabel() == "bytes per item" and ax.get_ylim()[0] == 0


def test_names_do_not_cover_each_other():
    """Lines that end at one place get names one line apart."""
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.01], "c": [1.0, 1.99]}, index=[1, 2])
    ax = show.curves(frame, "x", "y", title="Alike", log="")
    heights = sorted(text.xy[1] for text in ax.texts)
    assert np.diff(heights).min() > 0.03
    assert heights[-1] <= 1  # all three end at the top


def test_a_line_that_ends_early_has_its_name_there():
    """Not at the far side of the figure."""
    frame = pd.DataFrame({"all": [1.0, 2.0, 3.0], "half": [5.0, 6.0, None]}, index=[0, 1, 2])
    ax = show.curves(frame, "x", "y", title="Half", log="")
    place = {text.get_text(): text.xy[0] for text in ax.texts}
    assert place["all"] == 1 and 0.4 < place["half"] < 0.6


def test_throughput_is_on_two_logarithmic_axes():
    """From 1 to 10,000 commands, from 10,000 to a million operations."""
    frame = pd.DataFrame({"pipeline": [9e3, 3e5, 4e5]}, index=[1, 100, 10_000])
    ax = show.throughput(frame, title="40 times")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


@pytest.mark.parametrize(
    "wrong", [FRAME[[]], pd.DataFrame({n: [1] for n in "abcdef"}), pd.DataFrame({"a": [np.nan]})]
)
def test_what_can_not_be_read_is_not_drawn(wrong):
    """No column, more than five, or one without a number."""
    with pytest.raises(ValueError, match="1 to 5 columns"):
        show.curves(wrong, "x", "y", title="No")


def test_a_percentile_is_drawn_where_ten_samples_lie_beyond_it():
    """1,000 samples reach p99, and 999 do not."""
    values = np.arange(1, 1001, dtype=float)
    for count, last in ((1000, "p99"), (999, "p90")):
        ax = show.latencies({"PING": values[:count]}, title="Slow")
        labels = [tick.get_text() for tick in ax.get_xticklabels()]
        assert labels[-1] == last
    drawn = show.latencies({"PING": values}, title="Slow").get_lines()[0]
    assert drawn.get_ydata()[0] == pytest.approx(500.5)
    assert drawn.get_ydata()[-1] == pytest.approx(990, abs=1)


def test_a_table_of_samples_may_have_gaps():
    """Columns of different length are a table with missing numbers; those don't count."""
    frame = pd.DataFrame({"a": np.arange(100.0), "b": [*np.arange(40.0), *[np.nan] * 60]})
    ax = show.latencies(frame, title="Gaps")
    assert len(ax.get_lines()[0].get_xdata()) > len(ax.get_lines()[1].get_xdata())
    with pytest.raises(ValueError, match="b has fewer than 20"):
        show.latencies(frame.assign(b=[1.0] + [np.nan] * 99), title="Few")


def test_ticks_between_whole_numbers_are_told_apart():
    """An axis from 0 to 1.4 says 0.2, 0.4, … and never 1 twice; large numbers have commas."""
    frame = pd.DataFrame({"a": [0.1, 1.4]}, index=[1, 2])
    ax = show.curves(frame, "n", "ratio", title="t", log="")
    told = [label.get_text() for label in ax.get_yticklabels()]
    assert len(set(told)) == len(told) and "0.2" in told
    ax = show.bars(pd.Series({"a": 12_000}), "keys", title="t")
    ax.figure.canvas.draw()
    assert "10,000" in [label.get_text() for label in ax.get_xticklabels()]
