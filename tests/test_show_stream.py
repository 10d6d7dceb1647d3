"""observe.deliveries and show.stream: who holds which entry of a stream, asked of a real server."""

import matplotlib.pyplot as plt
import pytest

import redis_lab as rl
from redis_lab import show
from redis_lab.observe import deliveries


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture(params=[True, False], ids=["text", "bytes"])
def client(request):
    """A stream of ten: board has read six and acknowledged two, bags has read nothing."""
    with rl.standalone() as lab:
        yield filled(lab.client(decode_responses=request.param))


def filled(client):
    ids = [client.xadd("departures", {"n": n}, id=f"{n + 1}-1") for n in range(10)]
    for group in ("board", "bags"):
        client.xgroup_create("departures", group, "0")
    client.xreadgroup("board", "gate-1", {"departures": ">"}, count=4)
    client.xreadgroup("board", "gate-2", {"departures": ">"}, count=2)
    client.xack("departures", "board", *ids[:2])
    return client


def states(table, group):
    return dict(table[table.group == group].set_index("entry").state)


def test_each_group_sees_each_entry(client):
    """Done, pending, waiting, each in the group's own view; consumers and deliveries with it."""
    table = deliveries(client, "departures")
    assert [*states(table, "board").values()] == ["done"] * 2 + ["pending"] * 4 + ["waiting"] * 4
    assert set(states(table, "bags").values()) == {"waiting"}
    held = table[table.state == "pending"]
    assert held.consumer.tolist() == ["gate-1", "gate-1", "gate-2", "gate-2"]
    assert set(held.deliveries) == {1} and (held.idle_s >= 0).all()
    assert set(table[table.state != "pending"].consumer) == {""}


def test_what_was_deleted_is_still_held(client):
    """A pending entry stays in its group's list when it leaves the stream."""
    client.xdel("departures", "4-1")
    table = deliveries(client, "departures")
    assert states(table, "board")["4-1"] == "deleted" and "4-1" not in states(table, "bags")


def test_only_the_newest(client):
    """`last` entries, in the order of their IDs: 10-1 after 9-1."""
    assert [*states(deliveries(client, "departures", last=3), "bags")] == ["8-1", "9-1", "10-1"]


def test_the_figure_has_a_row_for_each_holder(client):
    """Groups, and below each the consumers that hold something, with how much."""
    client.xautoclaim("departures", "board", "gate-2", 0, count=1)
    ax = show.stream(client, "departures")
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert rows == ["group bags", "group board", "gate-1", "gate-2"]
    words = [text.get_text().split(",")[0] for text in ax.texts]
    assert words == ["10 waiting", "4 waiting", "1 held", "2", "3 held"]
    assert ax.get_title() == "Of 10 entries 0 are pending, 10 wait in group bags"
    cells = [patch for patch in ax.patches if patch.get_width() < 1]
    assert len(cells) == 20


def test_the_title_may_be_yours(client):
    """A finding of one's own takes the place of the counted one."""
    assert show.stream(client, "departures", title="Mine").get_title() == "Mine"


def test_no_stream_no_figure(client):
    """A key of another type, a missing one, a stream that nobody reads."""
    client.set("text", "a")
    client.xadd("alone", {"n": 1})
    for key, named in (("text", "stream"), ("none", "stream"), ("alone", "no group")):
        with pytest.raises(ValueError, match=named):
            show.stream(client, key)
    with pytest.raises(ValueError, match="last"):
        deliveries(client, "departures", last=0)
