"""Recorder: numbers noted in the background, and the figures and the live board made of them."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import redis

import redis_lab as rl
from redis_lab import show
from redis_lab.lab.waiting import wait_until
from redis_lab.observe import Recorder

FRAME = pd.DataFrame(
    {
        "at": [100.0, 101.0, 102.0, 103.0],
        "error": ["", "", "ConnectionError: gone", ""],
        "memory_bytes": [1e6, 2e6, None, 4e6],
        "hits_percent": [None, 50.0, None, 75.0],
        "never": [None, None, None, None],
    }
)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def samples(recorder, wanted):
    """The frame, once it has so many rows."""
    wait_until(lambda: "" if len(recorder.frame()) >= wanted else "too few samples", 20, "recorder")
    return recorder.frame()


def test_a_server_is_told_in_rates_and_levels():
    """Rates from the second sample on; hits of the lookups between two of them."""
    with rl.standalone() as lab:
        client = lab.client()
        client.set("there", 1)
        four = ["there", "not", "there", "there"]
        with Recorder(lab.client(), every=0.001, then=lambda: client.mget(four)) as recorder:
            samples(recorder, 3)
    first, second = recorder.frame().iloc[0], recorder.frame().iloc[1]
    assert pd.isna(first.commands_s) and pd.isna(first.hits_percent) and first.error == ""
    assert second.hits_percent == 75 and second.commands_s > 0 and second.in_bytes_s > 0
    assert first.memory_bytes > 1e5 and first.clients >= 1


def test_a_dead_server_is_a_row_with_its_error():
    """No number, and no rate over the gap: the server that comes back counts from zero."""
    with rl.standalone() as lab, Recorder(lab.client(), every=0.01) as recorder:
        samples(recorder, 2)
        node = lab.nodes[0]
        lab.kill(node)
        dead = samples(recorder, len(recorder.frame()) + 2)
        lab.restart(node)
        back = samples(recorder, len(recorder.frame()) + 3)
    assert dead.error.iloc[-1].startswith("ConnectionError") and pd.isna(dead.memory_bytes.iloc[-1])
    assert back.error.iloc[-1] == "" and (back.commands_s.dropna() >= 0).all()


def test_any_callable_can_be_asked():
    """Its names are the columns, and its bug is not swallowed."""
    counts = iter([{"seats": 3}, {"seats": 2, "sold": 1}])
    recorder = Recorder(lambda: next(counts), every=0.001).start()
    with pytest.raises(RuntimeError, match="once"):
        recorder.start()
    wait_until(lambda: "running" if recorder.running else "", 20, "recorder")
    with pytest.raises(StopIteration):
        recorder.stop()
    assert recorder.frame().drop(columns="at").fillna(0).values.tolist() == [["", 3, 0], ["", 2, 1]]


@pytest.mark.parametrize("wrong", [{"every": 0}, {"limit": -1}])
def test_a_rate_or_limit_of_nothing_is_refused(wrong):
    """ValueError, before a thread starts."""
    with pytest.raises(ValueError, match="above 0"):
        Recorder(dict, **wrong)


def test_it_ends_by_itself():
    """After `limit` seconds, without stop()."""
    recorder = Recorder(dict, every=0.001, limit=0.01).start()
    wait_until(lambda: "running" if recorder.running else "", 20, "recorder")
    assert 1 <= len(recorder.frame()) <= 11
    recorder.stop()


def test_panels_draw_each_quantity_in_its_unit():
    """Bytes as MB, names as words, failed samples shaded, marks at their moments."""
    drawn = show.panels(FRAME, title="Gone for a second", marks={101.5: "kill"})
    assert [panel.get_title(loc="left") for panel in drawn] == ["memory, MB", "hits, %"]
    assert drawn[0].lines[0].get_xydata()[1].tolist() == [1.0, 2.0]
    assert drawn[0].lines[1].get_xdata()[0] == 1.5 and drawn[0].texts[0].get_text() == "kill"
    assert drawn[0].collections and drawn[0].figure.axes[0].get_title() == "Gone for a second"


def test_panels_of_a_part_keep_the_seconds_of_the_whole():
    """zero: what is drawn from the 101st second on begins at 1, if the 100th is zero."""
    panel = show.panels(FRAME.iloc[1:], title="A part", marks={101.5: "kill"}, zero=100.0)[0]
    assert panel.get_xlim() == (1, 3) and panel.lines[1].get_xdata()[0] == 1.5


@pytest.mark.parametrize(
    "frame", [FRAME.drop(columns="at"), FRAME.iloc[:0], FRAME[["at", "error"]]]
)
def test_panels_refuse_what_has_no_numbers(frame):
    """No time, no row, no number: a ValueError says what a frame must have."""
    with pytest.raises(ValueError, match="frame"):
        show.panels(frame, title="")


def test_the_board_follows_and_stops():
    """Its page holds the last numbers; the button ends it, and frame() is what panels() draws."""
    counts = iter(range(10**6))
    board = show.dashboard(lambda: {"seats": next(counts), "memory_bytes": 5e6}, every=0.001)
    shown = board._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown and "text/html" in shown
    samples(board, 5)
    page, button = board._widget.children
    wait_until(lambda: "" if "seats" in page.value else "not refreshed", 20, "board")
    button.click()
    last = board.frame().seats.iloc[-1]
    number = f"{last:,.0f}" if last >= 100 else f"{last:,.3g}"
    assert f'<b style="font-size:150%">{number}</b>' in page.value
    assert "memory, MB" in page.value and button.disabled and "stopped" in repr(board)
    assert len(show.panels(board.frame(), title="")) == 2


def test_the_board_shows_what_went_wrong():
    """The error stands above the numbers; before any number, alone and escaped."""

    def gone():
        raise redis.ConnectionError("<nobody>")

    with show.dashboard(gone, every=0.001) as board:
        samples(board, 1)
        assert "ConnectionError: &lt;nobody&gt;" in board._repr_html_()
