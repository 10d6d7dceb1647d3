"""The drawing of a lab that is cut in two."""

from types import SimpleNamespace

from redis_lab import show


def node(name, role, state="up"):
    return SimpleNamespace(name=name, role=role, state=state, alive=True, port=6401)


def test_nobody_watches_across_a_partition():
    """A Sentinel's dashes go to the primaries on its own side alone."""
    nodes = (
        node("sentinel-1", "sentinel", "cut off"),
        *(node(f"sentinel-{n}", "sentinel") for n in (2, 3)),
        node("redis-1", "primary", "cut off"),
        node("redis-2", "primary"),
    )
    ax = show.topology(SimpleNamespace(shape="sentinel", nodes=nodes))
    places = {text.get_text(): text.get_position()[0] for text in ax.texts}
    watched = sorted(tuple(line.get_xdata()) for line in ax.lines)
    pairs = [("sentinel-1", "redis-1"), ("sentinel-2", "redis-2"), ("sentinel-3", "redis-2")]
    assert watched == sorted((places[a], places[b]) for a, b in pairs)
