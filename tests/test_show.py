"""The figures: titles that state what the table says, marks with one meaning, labels that fit."""

import subprocess
import sys
import time
from itertools import combinations
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, Rectangle

import redis_lab as rl
from redis_lab import show
from redis_lab.observe import Probe
from redis_lab.show import style

mpl.use("agg")
T = 1_800_000_000.0  # when the fake experiments begin; the first fault is at T + 2


@pytest.fixture(autouse=True)
def page(monkeypatch):
    """Every figure of ours: no show(), default size, closed afterwards."""
    monkeypatch.setattr(plt, "show", lambda *_: pytest.fail("a plot function called plt.show()"))
    yield
    show.use("page")
    plt.close("all")


def event(at, node, kind, detail=""):
    return SimpleNamespace(at=T + at, node=node, kind=kind, detail=detail)


def node(name, role, port=0, alive=True, **more):
    return SimpleNamespace(name=name, role=role, host="127.0.0.1", port=port, alive=alive, **more)


def attempts(failing=(), until=8.0, keys=1, every=0.01):
    """A probe's table: an error between two times, or where failing(at, key)."""
    fails = (
        failing
        if callable(failing)
        else lambda at, key: bool(failing) and (failing[0] <= at < failing[1])
    )
    rows = []
    for number in range(int(until / every)):
        at, key = number * every, number * 7 % keys
        bad = fails(at, key)
        rows.append((number, T + at, T + at, T + at + 0.001, not bad, "E" if bad else None, key))
    columns = ["number", "intended", "started", "finished", "ok", "error", "key"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["key"] = "probe:" + frame.key.astype(str)
    return SimpleNamespace(
        frame=lambda: frame.assign(latency=frame.finished - frame.intended), workload="write"
    )


def sentinel_lab(*more):
    """redis-1 killed at 2, redis-3 promoted at 4.2, with three Sentinels' log lines."""
    old, new = "127.0.0.1 6401", "127.0.0.1 6403"
    said = [
        (3.00, "sentinel-1", f"+sdown master mymaster {old}"),
        (3.01, "sentinel-2", f"+sdown master mymaster {old}"),
        (3.08, "sentinel-2", f"+odown master mymaster {old} #quorum 2/2"),
        (3.10, "sentinel-2", "+new-epoch 1"),
        (4.20, "sentinel-2", f"+promoted-slave slave 127.0.0.1:6403 {new} @ mymaster {old}"),
        (4.25, "sentinel-1", f"+switch-master mymaster {old} {new}"),
        (4.26, "sentinel-3", f"+switch-master mymaster {old} {new}"),
        (5.30, "sentinel-1", f"+sdown slave 127.0.0.1:6401 {old} @ mymaster {new}"),
    ]
    nodes = [
        node("redis-1", "primary", 6401, alive=False),
        node("redis-2", "replica", 6402),
        node("redis-3", "primary", 6403),
        *(node(f"sentinel-{n}", "sentinel", 7400 + n) for n in (1, 2, 3)),
    ]
    events = [
        *(event(-9, f"redis-{n}", "start", "replica" if n > 1 else "primary") for n in (1, 2, 3)),
        event(2, "redis-1", "kill"),
        *(event(at, name, "sentinel", words) for at, name, words in said),
        event(7.5, "redis-3", "role", "primary"),  # the lab looked late
        *more,
    ]
    events.sort(key=lambda event: event.at)
    return SimpleNamespace(shape="sentinel", nodes=tuple(nodes), events=events)


def lab_of(roles, *events, **more):
    nodes = tuple(node(name, role) for name, role in roles.items())
    starts = [event(-9, name, "start", role) for name, role in roles.items()]
    return SimpleNamespace(nodes=nodes, events=[*starts, *events], **more)


def title(ax):
    return " ".join(ax.get_title().split())


def words(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def shades(ax):
    return [patch for patch in ax.patches if to_hex(patch.get_facecolor()) == "#fae5d9"]


def bars(ax, row):
    """(start, end, colour) of each span in a node's row."""
    at = [label.get_text() for label in ax.get_yticklabels()].index(row)
    y = ax.get_yticks()[at]
    return [
        (round(p.get_x(), 2), round(p.get_x() + p.get_width(), 2), to_hex(p.get_facecolor()))
        for p in ax.patches
        if isinstance(p, Rectangle) and p.get_y() < y < p.get_y() + p.get_height()
    ]


def assert_readable(ax):
    """No two texts overlap, and none leaves the figure."""
    ax.figure.canvas.draw()
    texts = [text for text in (*ax.texts, ax.title, ax.xaxis.label) if text.get_text()]
    if ax.axison:
        lowest, highest = ax.get_xlim()
        texts += [t for t in ax.get_xticklabels() if lowest <= t.get_position()[0] <= highest]
        texts += ax.get_yticklabels()
    boxes = [(text.get_text(), mpl.text.Text.get_window_extent(text)) for text in texts]
    for (one, a), (other, b) in combinations(boxes, 2):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
        assert not overlap, f"{one!r} overlaps {other!r}"
    width, height = ax.figure.get_size_inches() * ax.figure.dpi
    for text, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text


# the timeline's title


def test_the_title_states_the_outage():
    """The title is the longest time without a success, from the table."""
    assert title(show.timeline(attempts((2, 4.9)), sentinel_lab())) == (
        "redis-1 killed: no write succeeded for 2.9 s"
    )


def test_another_table_gives_another_title():
    """A longer outage in the table is a larger number in the title."""
    assert title(show.timeline(attempts((2, 5.5)), sentinel_lab())).endswith("for 3.5 s")


def test_a_title_of_ones_own():
    """Where the lab was not broken at all, the caller knows the finding better."""
    ax = show.timeline(attempts((2, 4.9)), sentinel_lab(), title="50 logins refused")
    assert title(ax) == "50 logins refused"


def test_an_outage_without_an_end_says_so():
    """When no success came back, the title does not pretend that it did."""
    assert title(show.timeline(attempts((2, 99)), sentinel_lab())) == (
        "redis-1 killed: no write succeeded in the 6.0 s that followed"
    )


def test_no_error_is_a_finding_too():
    """Without errors the title says so, and gives the longest silence."""
    assert title(show.timeline(attempts(), sentinel_lab())) == (
        "redis-1 killed: no write failed, the longest silence was 10 ms"
    )


def test_lost_writes_stand_in_the_title():
    """An audit that found losses changes the finding."""
    audit = pd.DataFrame([{"lost": 1808}])
    lab = lab_of({"redis-1": "primary"}, event(2, "redis-1", "partition"))
    assert title(show.timeline(attempts(), lab, audit=audit)) == (
        "redis-1 cut off: no write failed, 1,808 acknowledged ones were lost"
    )


def test_a_cluster_of_which_one_part_fails():
    """When one of three primaries is down and the others serve, the title says 1 of 3."""
    roles = {f"redis-{n}": "primary" if n < 4 else "replica" for n in range(1, 7)}
    lab = lab_of(roles, event(2, "redis-2", "kill"))
    probe = attempts(lambda at, key: 2 <= at < 4.3 and key < 5, keys=16)
    ax = show.timeline(probe, lab)
    assert title(ax) == "redis-2 killed: writes to 1 of 3 primaries failed for 2.3 s"
    assert_readable(ax)


def test_a_cluster_that_stops_altogether():
    """When the rest refuses too for a while, the title gives both times."""
    roles = {f"redis-{n}": "primary" for n in range(1, 4)}
    lab = lab_of(roles, event(2, "redis-2", "kill"))
    probe = attempts(lambda at, key: 2 <= at < 4.5 and (key < 5 or at > 3), keys=16)
    assert title(show.timeline(probe, lab)) == (
        "redis-2 killed: writes to 1 of 3 primaries failed for 2.5 s, all writes for 1.5 s"
    )


def test_scattered_errors_are_counted():
    """Errors with successes between them are a share, not an outage."""
    lab = lab_of({"redis-1": "primary"}, event(2, "redis-1", "pause"))
    probe = attempts(lambda at, key: at > 3 and round(at * 100) % 10 == 0)
    assert title(show.timeline(probe, lab)) == "redis-1 paused: 49 of 750 writes failed"


def test_several_nodes_at_once():
    """Nodes that suffer together are named together; a reader's operations are reads."""
    lab = lab_of(
        {"redis-1": "primary", "redis-2": "replica"},
        event(2, "redis-1", "partition"),
        event(2, "redis-2", "partition"),
    )
    probe = attempts((2, 3))
    probe.workload = "read"
    assert title(show.timeline(probe, lab)) == (
        "redis-1 and redis-2 cut off: no read succeeded for 1.0 s"
    )


def test_without_a_fault():
    """A quiet probe is drawn from its start, and the title says that nothing was done to it."""
    ax = show.timeline(attempts(), lab_of({"redis-1": "primary"}))
    assert title(ax).startswith("No fault during the probe: no write failed")
    assert ax.get_xlabel() == "seconds since the probe began"


# the timeline's marks


def test_the_x_axis_counts_from_the_first_fault():
    """0 is the kill, and the window is what happened plus a second or two."""
    ax = show.timeline(attempts((2, 4.9), until=60), sentinel_lab())
    assert ax.get_xlabel() == "seconds since the kill"
    left, right = ax.get_xlim()
    assert left == pytest.approx(-1.5)
    assert 2.9 + 1 <= right <= 2.9 + 2


def test_the_outage_is_shaded_in_the_row_of_attempts_alone():
    """One shade, as wide as the gap, no higher than its row, its length in words."""
    ax = show.timeline(attempts((2, 4.9)), sentinel_lab())
    (shade,) = shades(ax)
    assert shade.get_x() == pytest.approx(-0.009, abs=0.002)
    assert shade.get_width() == pytest.approx(2.91, abs=0.002)
    rows = dict(zip([t.get_text() for t in ax.get_yticklabels()], ax.get_yticks(), strict=True))
    assert rows["Sentinel"] < shade.get_y() < rows["writes"]
    assert rows["writes"] < shade.get_y() + shade.get_height() < rows["redis-1"]
    assert "2.9 s without a write" in words(ax)


def test_attempts_are_ticks_and_crosses():
    """A tick is a served attempt, a cross an error: by marker and word, not by colour alone."""
    ax = show.timeline(attempts((2, 4.9)), sentinel_lab())
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["served"].get_marker() == "|" and lines["error"].get_marker() == "x"
    assert lines["error"].get_color() == style.ERROR
    assert lines["served"].get_color() == style.SUCCESS
    crosses = lines["error"].get_xdata()
    assert crosses.min() >= 0 and crosses.max() <= 2.9
    assert {"served", "error"} <= set(words(ax))


def test_a_single_error_among_thousands_is_drawn():
    """Thinning out the marks never drops the only cross."""
    lab = lab_of({"redis-1": "primary"}, event(2, "redis-1", "kill"))
    ax = show.timeline(attempts(lambda at, key: at == 3.0, until=60), lab)
    (line,) = (line for line in ax.lines if line.get_label() == "error")
    assert len(line.get_xdata()) == 1


def test_bars_tell_role_and_state():
    """One bar a data node, by colour and word; a promotion is drawn when Sentinel told of it."""
    ax = show.timeline(attempts((2, 4.9)), sentinel_lab())
    assert [t.get_text() for t in ax.get_yticklabels()] == [
        *("Sentinel", "writes", "redis-1", "redis-2", "redis-3"),
    ]
    blue, sky, grey = style.PRIMARY.lower(), style.REPLICA.lower(), style.DOWN.lower()
    left, right = (round(x, 2) for x in ax.get_xlim())
    assert bars(ax, "redis-1") == [(left, 0.0, blue), (0.0, right, grey)]
    assert bars(ax, "redis-2") == [(left, right, sky)]
    assert bars(ax, "redis-3") == [(left, 2.2, sky), (2.2, right, blue)]
    assert {"primary", "replica", "down", "kill"} <= set(words(ax))


def test_paused_and_cut_off_nodes_are_hatched():
    """Pause and partition are hatched and written out, from the fault to its end."""
    lab = lab_of(
        {"redis-1": "primary", "redis-2": "replica"},
        *(event(2, "redis-1", "pause"), event(3, "redis-2", "partition")),
        *(event(5, "redis-1", "resume"), event(6, "", "heal")),
    )
    ax = show.timeline(attempts((2, 5)), lab)
    hatched = [(p.get_x(), p.get_width()) for p in ax.patches if p.get_hatch()]
    assert hatched == [pytest.approx((0, 3)), pytest.approx((1, 3))]
    assert {"primary, paused", "replica, cut off"} <= set(words(ax))
    assert words(ax).count("heal") == 1, "the heal is marked on the node that was cut off"
    assert_readable(ax)


def test_a_restarted_node_is_up_again():
    """The grey bar ends with the restart."""
    lab = lab_of(
        {"redis-1": "primary"}, event(2, "redis-1", "kill"), event(5, "redis-1", "restart")
    )
    ax = show.timeline(attempts((2, 5)), lab)
    assert [span[:2] for span in bars(ax, "redis-1")][1] == (0.0, 3.0)
    assert "restart" in words(ax)


def test_sentinel_events_are_dashed_lines_with_their_words():
    """The first time a Sentinel says what matters is a dashed line; the rest of the log is not."""
    ax = show.timeline(attempts((2, 4.9)), sentinel_lab())
    dashed = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed == [pytest.approx(1.0), pytest.approx(1.08), pytest.approx(2.25)]
    said = [word for word in words(ax) if word.startswith("+")]
    assert said == ["+sdown  1.0 s", "+odown  1.1 s", "+switch-master  2.2 s"]


@pytest.mark.parametrize("place", ["page", "projector"])
@pytest.mark.parametrize("fails", [(2, 4.9), (2, 2.15), (2, 99), ()])
def test_nothing_overlaps(place, fails):
    """No label lies on another or leaves the figure, at either size of type."""
    show.use(place)
    assert_readable(show.timeline(attempts(fails), sentinel_lab()))
    restarted = sentinel_lab(event(2.4, "redis-1", "restart"), event(7, "redis-2", "kill"))
    assert_readable(show.timeline(attempts(fails), restarted))


def test_the_timeline_of_a_real_kill():
    """A server killed under a Probe: the title's number is the probe's longest gap."""
    with rl.standalone(config={"appendonly": "yes"}) as lab:
        with Probe(lab.client(), every=0.005) as probe:
            _until(lambda: len(probe.frame()) >= 50)
            lab.kill(lab.nodes[0])
            _until(lambda: (~probe.frame().ok).sum() >= 200)
            lab.restart(lab.nodes[0])
            _until(lambda: probe.frame().ok.iloc[-20:].all() and not probe.frame().ok.all())
        ax = show.timeline(probe, lab)
    gap = probe.longest_gap.seconds
    assert title(ax) == f"redis-1 killed: no write succeeded for {gap:.1f} s"
    assert {"kill", "restart", "down"} <= set(words(ax))
    assert_readable(ax)


def test_the_timeline_of_a_real_cluster_failover():
    """One primary of three killed: the title speaks of it alone."""
    with rl.cluster(primaries=3, replicas=1) as lab:
        with Probe(lab.client()) as probe:
            _until(lambda: len(probe.frame()) >= 50)
            killed = lab.primary
            lab.kill(killed)
            _until(lambda: (~probe.frame().ok).sum() >= 5)
            _until(lambda: probe.frame().ok.iloc[-32:].all())
        ax = show.timeline(probe, lab)
    assert title(ax).startswith(f"{killed.name} killed: writes to 1 of 3 primaries failed for ")
    assert_readable(ax)


def _until(reached, patience=30.0):
    deadline = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < deadline, "state not reached"
        time.sleep(0.01)  # leave the interpreter to the threads under test


# topology


def arrows(ax):
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def test_topology_draws_every_node_with_role_state_and_port():
    """Each card says name, role and port; a dead one is grey and says so."""
    ax = show.topology(sentinel_lab())
    assert {"redis-1", "primary, down", "port 6401", "sentinel-3", "sentinel"} <= set(words(ax))
    faces = {to_hex(patch.get_facecolor()) for patch in ax.patches}
    assert {style.DOWN.lower(), style.PRIMARY.lower(), style.REPLICA.lower()} <= faces
    assert title(ax) == (
        "Sentinel: redis-3 is the primary of 1 replica, watched by 3 Sentinels; redis-1 is down"
    )


@pytest.mark.parametrize("place", ["page", "projector"])
def test_topology_is_readable(place):
    """No text lies on another, at either size."""
    show.use(place)
    assert_readable(show.topology(sentinel_lab()))


def test_topology_arrows_follow_the_named_primary():
    """Replication runs from the primary that a replica names."""
    nodes = (
        *(node(f"redis-{n}", "primary") for n in (1, 2, 3)),
        node("redis-4", "replica", primary_name="redis-3"),
        node("redis-5", "replica", primary_name="redis-1"),
        node("redis-6", "replica", primary_name=None),
    )
    ax = show.topology(SimpleNamespace(shape="cluster", nodes=nodes))
    assert title(ax) == "Cluster: 3 primaries, 3 replicas"
    assert len(arrows(ax)) == 2, "a replica whose primary nobody knows has no arrow"
    places = {text.get_text(): text.get_position()[0] for text in ax.texts}
    for arrow, (primary, replica) in zip(
        arrows(ax), (("redis-3", "redis-4"), ("redis-1", "redis-5")), strict=True
    ):
        start, end = arrow._posA_posB
        assert (start[0], end[0]) == pytest.approx((places[primary], places[replica]))


def test_topology_of_a_real_lab():
    """A replicated lab: two arrows; after a kill one of them is dotted and the title counts."""
    with rl.replicated(replicas=2) as lab:
        ax = show.topology(lab)
        assert title(ax) == "Replicated: redis-1 is the primary of 2 replicas"
        assert [arrow.get_linestyle() for arrow in arrows(ax)] == ["-", "-"]
        lab.kill("redis-3")
        ax = show.topology(lab)
    assert title(ax) == "Replicated: redis-1 is the primary of 1 replica; redis-3 is down"
    assert sorted(arrow.get_linestyle() for arrow in arrows(ax)) == ["-", ":"]


# style


def test_importing_and_drawing_leave_rcparams_alone():
    """The learner's rcParams are the same after a figure, and after one that failed."""
    before = dict(mpl.rcParams)
    show.timeline(attempts((2, 4.9)), sentinel_lab())
    show.topology(sentinel_lab())
    with pytest.raises(ValueError, match="no operation"):
        show.timeline(SimpleNamespace(frame=Probe(None).frame), sentinel_lab())
    assert dict(mpl.rcParams) == before


def test_a_figure_is_drawn_where_it_is_asked_to_be():
    """With ax the figure goes there and that ax comes back; without, it has our size."""
    _, (left, right) = plt.subplots(1, 2, figsize=(16, 5))
    assert show.timeline(attempts((2, 4.9)), sentinel_lab(), ax=left) is left
    assert show.topology(sentinel_lab(), ax=right) is right
    ax = show.timeline(attempts((2, 4.9)), sentinel_lab())
    assert tuple(ax.figure.get_size_inches()) == (8.0, 4.5) and ax.figure.dpi == 110


def test_use_scales_the_type():
    """ "projector" is larger than "page"; another word is refused by name."""
    page = show.timeline(attempts((2, 4.9)), sentinel_lab())
    show.use("projector")
    projector = show.timeline(attempts((2, 4.9)), sentinel_lab())
    assert 13 <= page.xaxis.label.get_size() <= 15
    assert projector.xaxis.label.get_size() == 1.25 * page.xaxis.label.get_size()
    assert projector.title.get_size() == 1.25 * page.title.get_size()
    with pytest.raises(ValueError, match="place"):
        show.use("poster")


def test_the_package_is_light():
    """`import redis_lab` loads neither pandas nor matplotlib."""
    code = "import sys, redis_lab; print({'pandas', 'matplotlib'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
