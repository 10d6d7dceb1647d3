"""Keys of calls, and the decorator that makes them."""

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_lab.patterns import RedisCache
from redis_lab.patterns.cache_keys import CallKeys, pattern_of, spelled


class Colour(Enum):
    RED = 1


class Number(IntEnum):
    ONE = 1


class Flags(IntFlag):
    A = 1
    B = 2


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([Colour.RED, Number.ONE])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.frozensets(st.integers() | st.text(max_size=3), max_size=3)
    ),
    max_leaves=6,
)


def typed(value):
    """The value with the types of all its parts: equal where one spelling is right."""
    if isinstance(value, dict):
        return "dict", frozenset((typed(k), typed(v)) for k, v in value.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(map(typed, value))
    if isinstance(value, frozenset):
        return frozenset, frozenset(map(typed, value))
    if isinstance(value, datetime | time | float | Decimal):
        return type(value), str(value)  # nan is not equal to itself, -0.0 is equal to 0.0
    return type(value), value


@given(VALUES, VALUES)
def test_one_value_one_spelling(one, other):
    """Two arguments share a spelling exactly if they are the same in type and value."""
    assert (spelled(one) == spelled(other)) == (typed(one) == typed(other))


@given(st.dictionaries(st.text(max_size=3), st.integers(), min_size=2))
def test_the_order_of_a_dict_does_not_matter(value):
    """A dict is spelled by its content, not by the order in which it was filled."""
    assert spelled(value) == spelled(dict(reversed(value.items())))


@given(st.lists(st.text(max_size=4), max_size=3), st.lists(st.text(max_size=4), max_size=3))
def test_arguments_do_not_run_into_each_other(one, other):
    """Two lists of arguments share a key only if they are equal, as in walrus they need not be."""
    key = CallKeys(lambda *args: None, "f", 1, None)
    assert (key(tuple(one), {}) == key(tuple(other), {})) == (one == other)


@given(st.integers(), st.text(), st.booleans())
def test_positional_and_keyword_spellings_give_one_key(a, b, c):
    """However a call is written, defaults left out or not, it has one key."""
    key = CallKeys(lambda a, b="x", *, c=True: None, "f", 1, None)
    spellings = [((a, b), {"c": c}), ((a,), {"b": b, "c": c}), ((), {"c": c, "b": b, "a": a})]
    if b == "x":
        spellings.append(((a,), {"c": c}))
    if c is True:
        spellings.append(((a, b), {}))
    assert len({key(args, kwargs) for args, kwargs in spellings}) == 1


def test_equal_arguments_of_other_types_are_other_calls():
    """1, True, 1.0 and "1" are four calls, also where the key is remembered, also nested."""
    key = CallKeys(lambda a: None, "f", 1, None)
    calls = [1, True, 1.0, "1", b"1", Decimal(1), Number.ONE, 0.0, -0.0]
    nested = [(value,) for value in calls] + [[value] for value in calls]
    for _ in range(2):
        assert len({key((value,), {}) for value in calls + nested}) == 3 * len(calls)


def test_any_shape_of_signature():
    """Positional-only, *args and **kwargs are bound as the call would bind them."""
    key = CallKeys(lambda a, /, b=2, *rest, c=3, **more: None, "f", 1, None)
    assert key((1,), {}) == key((1, 2), {}) == key((1,), {"b": 2, "c": 3})
    assert key((1, 2, 3, 4), {}) != key((1, 2, 3), {}) != key((1, 2), {"d": 3})
    assert key((1,), {"x": 1, "y": 2}) == key((1,), {"y": 2, "x": 1})
    for args, kwargs in (((), {"a": 1}), ((), {}), ((1,), {"b": 2, "a": 1})):
        if "a" not in kwargs or args:
            continue
        with pytest.raises(TypeError):
            key(args, kwargs)


@pytest.mark.parametrize(
    "args, kwargs", [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"x": 1})]
)
def test_a_call_that_python_would_refuse_is_refused(args, kwargs):
    """TypeError from the signature, before anything is looked up."""
    with pytest.raises(TypeError):
        CallKeys(lambda a, b=2: None, "f", 1, None)(args, kwargs)


def test_a_mistyped_keyword_is_no_other_call(r):
    """An unknown keyword does not make up for a missing argument: TypeError, nothing stored."""
    price = RedisCache(r, "ns").cached(name="price")(lambda item, currency: [item, currency])
    assert price("tea", None) == ["tea", None]
    for _ in range(2):
        with pytest.raises(TypeError, match="currency"):
            price("tea", curency="EUR")
    assert price(currency="EUR", item="tea") == price("tea", currency="EUR") == ["tea", "EUR"]


@pytest.mark.parametrize(
    "value", [object(), len, type, {1: object()}, (object(),), bytearray(b"x")]
)
def test_an_argument_without_a_spelling_is_a_type_error(value):
    """repr() and hash() of an object say nothing to another process: key= decides."""
    with pytest.raises(TypeError, match=f"no key can be made of .*{'key='}"):
        CallKeys(lambda a: None, "f", 1, None)((value,), {})
    assert CallKeys(lambda a: None, "f", 1, lambda a: "x")((value,), {}) == 'f@1("x")'


def test_an_argument_without_an_end_is_a_type_error():
    """A list that holds itself, an int that Python does not write out: key= decides."""
    endless = []
    endless.append(endless)
    for value in (endless, 10**5000):
        with pytest.raises(TypeError, match=r"no key can be made of .*key="):
            CallKeys(lambda a: None, "f", 1, None)((value,), {})


@given(st.integers(0, 40), st.integers(0, 40))
def test_flags_without_a_name_differ(one, other):
    """A flag is spelled by its name, or by its value where no member has that."""
    assert (spelled(Flags(one)) == spelled(Flags(other))) == (one == other)


def test_long_arguments_make_no_long_keys():
    """Beyond 200 characters the arguments are written as their SHA-256."""
    key = CallKeys(lambda a: None, "f", 1, None)
    assert len(key(("x" * 10_000,), {})) < 100
    assert key(("x" * 10_000,), {}) != key(("x" * 10_001,), {})


PROGRAM = """
import sys
from datetime import date
from redis_lab.patterns.cache_keys import spelled
print(spelled([{"b": 1, "a": {"x", "y", "z", "ß"}}, frozenset("flight"), date(2013, 1, 1), 1.1]))
"""


def test_keys_do_not_differ_per_process_as_in_pottery():
    """Processes with other hash seeds spell the same values alike."""
    said = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1 and said != {b""}


def test_datetimes_of_one_wall_clock_and_two_zones_differ():
    """A zone is part of the value, by its name: two may have one offset."""
    naive = datetime(2013, 1, 1, 12)
    zones = [UTC, timezone(timedelta(hours=1)), ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/Paris")]
    aware = [naive.replace(tzinfo=zone) for zone in zones]
    assert len(set(map(spelled, [naive, naive.date(), *aware]))) == 6
    assert len({spelled(moment.timetz()) for moment in aware}) == 4

    class Mine(tzinfo):
        def utcoffset(self, _):
            return timedelta(hours=1)

    with pytest.raises(TypeError, match=r"time zone .*key="):
        spelled(naive.replace(tzinfo=Mine()))
    kinds = [date(2013, 1, 1), time(1), timedelta(1), UUID(int=1), Decimal("1.0")]
    assert len(set(map(spelled, kinds))) == len(kinds)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_pattern_without_wildcards_matches_itself_alone(key, other):
    """Escaped with backslashes, any key is a pattern of itself."""
    pattern = "".join(f"\\{character}" for character in key)
    exact = pattern_of(pattern)[1]
    assert exact.fullmatch(key) and bool(exact.fullmatch(other)) == (key == other)


@given(
    st.text(alphabet="ab:*?[]^-\\", min_size=1, max_size=6), st.text(alphabet="ab:]-", max_size=3)
)
def test_every_pattern_is_understood(pattern, key):
    """No pattern is an error, whatever its brackets do."""
    pattern_of(pattern)[1].fullmatch(key)


@pytest.fixture
def cache(r):
    return RedisCache(r, "ns")


def test_a_cached_function_is_called_once_for_each_call(cache):
    """Results are kept by arguments; the wrapper gives key, invalidate and refresh."""
    calls = []

    @cache.cached(ttl=60)
    def delay(carrier, hour=0):
        """Average delay."""
        calls.append((carrier, hour))
        return {"carrier": carrier, "calls": len(calls)}

    first = delay("UA")
    assert delay("UA", 0) == delay(carrier="UA") == delay(hour=0, carrier="UA") == first
    assert calls == [("UA", 0)]
    assert delay("AA")["calls"] == 2
    assert delay.__doc__ == "Average delay." and delay.__wrapped__("UA")["calls"] == 3
    key = delay.key(hour=0, carrier="UA")
    assert key.startswith(f"{__name__}.test_a_cached") and cache.get(key) == first
    delay.invalidate("UA")
    assert cache.get(key) is None and delay("UA")["calls"] == 4
    assert delay.refresh("UA", 0)["calls"] == 5 == delay("UA")["calls"]
    assert 30_000 < cache.client.pttl(cache.value_key(key)) <= 60_000


def test_versions_and_names_keep_results_apart(cache):
    """A new version or name forgets what was kept under the old one; module and name are in it."""
    keys = {
        cache.cached()(sorted).key([1]),
        cache.cached(version=2)(sorted).key([1]),
        cache.cached(name="other")(sorted).key([1]),
        cache.cached()(min_of := partial_like).key([1]),
    }
    assert len(keys) == 4 and min_of is partial_like
    assert "other@1([1],None,False)" in {key.replace(" ", "") for key in keys}


def partial_like(iterable):
    return iterable


def test_methods_need_a_key(cache):
    """An object has no spelling: key= says what stands for the call."""

    class Airport:
        def __init__(self, code):
            self.code = code

        @cache.cached()
        def bare(self):
            return 1

        @cache.cached(key=lambda self, hour=0: (self.code, hour))
        def delay(self, hour=0):
            return [self.code, hour]

    with pytest.raises(TypeError, match="key="):
        Airport("JFK").bare()
    assert Airport("JFK").delay() == ["JFK", 0] and Airport("EWR").delay(hour=3) == ["EWR", 3]
    assert cache.stats().loads == 2
    assert Airport("JFK").delay(0) == ["JFK", 0] and cache.stats().loads == 2
    Airport.delay.invalidate(Airport("JFK"))
    assert Airport("JFK").delay() == ["JFK", 0] and cache.stats().loads == 3


@pytest.mark.parametrize("function", [lambda: 1, partial(print)], ids=["lambda", "partial"])
def test_what_has_no_name_needs_one(function, cache):
    """A lambda or a partial could be any other: name= is required."""
    with pytest.raises(ValueError, match=r"^name"):
        cache.cached()(function)
    assert cache.cached(name="one", key=lambda: None)(lambda: 1)() == 1


def test_main_needs_a_name(server, beside):
    """__main__ is another module in each program: a function there needs name=."""
    program = """
cache = RedisCache(client, "ns")
def f(x): return os.getpid()
try:
    cache.cached()(f)
except ValueError as error:
    print(str(error)[:4])
print(cache.cached(name="f")(f)(1), cache.cached(name="f")(f).key(x=1))
"""
    said = [beside(server, program).communicate()[0].split() for _ in range(2)]
    assert said[0] == said[1] and said[0][0] == "name" and said[0][2] == "f@1(1)"


def test_none_can_be_left_out(cache):
    """cache_none=False: None is computed each time, other values are kept."""
    results = iter([None, None, 3])
    f = cache.cached(name="f", cache_none=False, key=lambda: 0)(lambda: next(results))
    assert [f(), f(), f(), f()] == [None, None, 3, 3]


def test_tags_may_follow_the_arguments(cache):
    """tags= is the tags, or a function of the arguments."""
    f = cache.cached(name="f", tags=lambda user, page=1: [f"user:{user}"])(
        lambda user, page=1: page
    )
    assert [f("a"), f("a", 2), f("b")] == [1, 2, 1]
    cache.invalidate_tag("user:a")
    assert [f("a"), f("a", 2), f("b")] == [1, 2, 1] and cache.stats().loads == 5
