"""Pairs: what two ways to do one thing take, counted on a real server."""

from functools import partial

import pytest

import redis_lab as rl
from redis_lab.observe import Pairs


@pytest.fixture(scope="module")
def r():
    with rl.standalone() as lab:
        yield lab.client()


def two_trips(r):
    """A function of two lines that sets a and counts b."""

    def set_and_count():
        """What it does is no line of its own."""

        r.set("a", 1)
        return r.incr("b")

    return set_and_count


def test_both_ways_are_counted_from_the_same_start(r):
    """Commands, trips and bytes are those of each way alone; ready() is nobody's."""
    pairs = Pairs(r, (7, 0))
    shown = pairs.beside(
        "pipeline", "7.0", "trips", "nothing", two_trips(r),
        lambda: r.pipeline(transaction=False).set("a", 1).incr("b").execute()[1],
        ready=lambda: r.delete("b"),
    )  # fmt: skip
    assert shown.columns.name == "pipeline"
    took = pairs.taken["pipeline"]
    assert took.loc["before", ["lines", "commands", "trips"]].tolist() == [2, 2, 2]
    assert took.loc["now", ["lines", "commands", "trips"]].tolist() == [1, 2, 1]
    assert took.bytes["before"] == took.bytes["now"] > 40
    assert pairs.shares().loc["pipeline", "trips"] == 0.5


def test_of_a_newer_command_the_older_way_alone_runs(r):
    """What the server lacks is not called, and the table says what it needs."""
    pairs = Pairs(r, (7, 0))
    shown = pairs.beside("NEW", "99.1", "INCR", "much", lambda: r.incr("c"), lambda: 1 / 0)
    assert shown.index.tolist() == ["before", "needs 99.1"]
    assert pairs.taken["NEW"].index.tolist() == ["before"]
    assert pairs.shares().empty
    assert pairs.markdown().splitlines()[2].startswith("| `NEW` | 99.1 | INCR | 1 | 1 | 1 | ")


def test_a_script_is_loaded_before_and_its_lines_count(r):
    """EVALSHA is one trip from the first call on; the lines of Lua are lines of the older way."""
    pairs = Pairs(r, (7, 0))
    script = r.register_script("-- never loaded before\nreturn redis.call('INCR', KEYS[1])")
    r.script_flush()
    pairs.beside(
        "INCR", "2.0", "script", "-", lambda: script(["d"]), lambda: r.incr("d"), lua=script,
        ready=lambda: r.delete("d"),
    )  # fmt: skip
    assert pairs.taken["INCR"][["lines", "trips"]].values.tolist() == [[3, 1], [1, 1]]


def test_ways_that_answer_differently_are_refused(r):
    """Else the account would compare two different things."""
    pairs = Pairs(r, (7, 0))
    with pytest.raises(ValueError, match="the two ways answer differently"):
        pairs.beside("GET", "1.0", "SET", "-", lambda: r.set("e", 1), lambda: r.get("e"))
    assert pairs.taken == {}


def test_the_lines_are_those_of_the_body(r):
    """However the signature and the docstring are written; a text may begin at the margin."""

    def wide(
        first="f",
        second="g",
    ):
        """A docstring with "quotes" and \ta tab,

        indented, so that Python 3.13 changes it.
        """
        names = """
first second
"""

        return r.exists(first, second, *names.split())

    def decorated():
        @partial
        def inner():
            return r.exists("f")

        return inner()

    def empty(name="f"): return r.exists(name)  # fmt: skip

    pairs = Pairs(r, (7, 0))
    for way, lines in [(wide, 4), (decorated, 4), (empty, 1)]:
        pairs.beside("EXISTS", "1.0", "-", "-", way, lambda: r.exists("f"))
        assert pairs.taken["EXISTS"].lines.tolist() == [lines, 1]


def test_a_way_without_source_is_refused_before_anything_runs(r):
    """No lines can be counted of a partial, a builtin or a class."""
    pairs, ran = Pairs(r, (7, 0)), []
    for way in (partial(r.incr, "h"), len, dict):
        with pytest.raises(ValueError, match="has no source to count"):
            pairs.beside("INCR", "1.0", "-", "-", lambda: ran.append(1), way)
    assert ran == [] and pairs.taken == {}
