"""Rate limiters: what they admit, to the microsecond, and what they keep."""

import math
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import (
    GCRA,
    Decision,
    FixedWindow,
    RateLimited,
    SlidingCounter,
    SlidingLog,
    TokenBucket,
)

WINDOWS = (FixedWindow, SlidingLog, SlidingCounter)
BUCKETS = (TokenBucket, GCRA)
SECOND = 1_000_000


def five_in_100_seconds(kind, client, name="api", **options):
    """A limiter of this kind: 5 units, all back after 100 s at rest."""
    return kind(client, name, *((5, 100.0) if kind in WINDOWS else (0.05, 5)), **options)


@pytest.fixture(params=[*WINDOWS, *BUCKETS], ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture
def limiter(kind, client):
    """One of each kind, on a server and on a cluster."""
    return five_in_100_seconds(kind, client)


def all_keys(client):
    return sorted(client.scan_iter())


# what each admits, told a second time in plain arithmetic


class Fixed:
    """Units by window."""

    def __init__(self, limit, window):
        self.limit, self.window, self.counts = limit, window, {}

    def left(self, now):
        return self.limit - self.counts.get(now // self.window, 0)

    def take(self, now, cost):
        self.counts[now // self.window] = self.counts.get(now // self.window, 0) + cost


class Log:
    """Times of units; one that is exactly a window old no longer counts."""

    def __init__(self, limit, window):
        self.limit, self.window, self.times = limit, window, []

    def left(self, now):
        return self.limit - sum(time > now - self.window for time in self.times)

    def take(self, now, cost):
        self.times += [now] * cost


class Counter(Fixed):
    """The contract's formula, in fractions."""

    def left(self, now):
        number, elapsed = divmod(now, self.window)
        previous = self.counts.get(number - 1, 0) * (1 - Fraction(elapsed, self.window))
        return math.floor(self.limit - previous - self.counts.get(number, 0))


class Bucket:
    """Tokens as fractions, filled up to now."""

    def __init__(self, rate, burst):
        self.rate = Fraction(rate).limit_denominator(1_000_000) / SECOND
        self.limit = burst
        self.tokens, self.time = Fraction(burst), 0

    def level(self, now):
        return min(self.tokens + (now - self.time) * self.rate, Fraction(self.limit))

    def left(self, now):
        return math.floor(self.level(now))

    def take(self, now, cost):
        self.tokens, self.time = self.level(now) - cost, now


def first_admission(model, now, cost):
    """The first microsecond from now at which it would be admitted, found by halving."""
    late = 1
    while model.left(now + late) < cost:
        late *= 2
    early = late // 2
    while early + 1 < late:
        middle = (early + late) // 2
        early, late = (early, middle) if model.left(now + middle) >= cost else (middle, late)
    return late


def expected(model, now, cost, taking=True):
    """What the model decides; waits are in microseconds."""
    left = model.left(now)
    if left < cost:
        return False, max(left, 0), first_admission(model, now, cost), model.limit
    if taking:
        model.take(now, cost)
    return True, left - (cost if taking else 0), 0, model.limit


def as_tuple(decision):
    wait = round(decision.retry_after * SECOND)
    return decision.allowed, decision.remaining, wait, decision.limit


def plays_like(limiter, model, clock, schedule):
    """Each peek and each hit of the schedule is decided as the model decides it."""
    wait, clock.microseconds = 0, 1_700_000_000 * SECOND
    limiter.client.flushdb()
    for pause, cost in schedule:
        clock.microseconds += max(wait + pause, 0) if pause in (0, -1) else pause
        if clock.microseconds > 6 * 10**15:  # the year 2160
            break
        now = clock.microseconds
        cost = 1 + cost % limiter.limit
        assert as_tuple(limiter.peek("ann")) == expected(model, now, 1, taking=False)
        decision = expected(model, now, cost)
        assert as_tuple(limiter.hit("ann", cost)) == decision
        wait = decision[2]
    assert all(limiter.client.pttl(key) > 0 for key in all_keys(limiter.client))


def schedules(longest):
    """Pauses (0 and -1: as long as the last decision says, and 1 µs less) and costs."""
    pauses = st.one_of(st.sampled_from((0, -1, 1)), st.integers(2, longest))
    costs = st.one_of(st.just(0), st.integers(0, 2**30))
    return st.lists(st.tuples(pauses, costs), min_size=4, max_size=30)


quick = settings(
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
windows = st.sampled_from([10.0, 60.0, 61.234567, 1 / 3 + 20])


@quick
@given(limit=st.integers(1, 12), window=windows, schedule=schedules(200 * SECOND))
def test_a_fixed_window_equals_its_model(r, clock, limit, window, schedule):
    """Over any schedule it decides as counting units by window does."""
    model = Fixed(limit, round(window * SECOND))
    plays_like(FixedWindow(r, "api", limit, window), model, clock, schedule)


@quick
@given(limit=st.integers(1, 12), window=windows, schedule=schedules(200 * SECOND))
def test_a_sliding_log_equals_its_model(r, clock, limit, window, schedule):
    """Over any schedule it decides as a list of all the times does."""
    model = Log(limit, round(window * SECOND))
    plays_like(SlidingLog(r, "api", limit, window), model, clock, schedule)


@quick
@given(
    limit=st.one_of(st.integers(1, 12), st.integers(1, 2**26)),
    window=st.one_of(windows, st.just(30 * 86400.0), st.just(50 * 365 * 86400.0)),
    schedule=st.one_of(schedules(200 * SECOND), schedules(10**14)),
)
def test_a_sliding_counter_equals_its_formula(r, clock, limit, window, schedule):
    """Over any schedule, limits and windows up to the largest, it decides by the exact formula."""
    model = Counter(limit, round(window * SECOND))
    plays_like(SlidingCounter(r, "api", limit, window), model, clock, schedule)


def test_a_counter_is_exact_where_floats_are_not(r, clock):
    """With 2.8 s left of 10 s, 25 units weigh 7; in floats 25 * 0.28 is more than 7."""
    limiter = SlidingCounter(r, "api", 25, 10.0)
    limiter.hit("ann", 25)
    clock.advance(17.2)
    assert limiter.peek("ann").remaining == 18
    assert limiter.hit("ann", 18).allowed


@pytest.mark.parametrize("kind", BUCKETS)
@quick
@given(
    rate=st.sampled_from([0.05, 0.03, 0.007, 1 / 1024, 0.025, 0.073, 1 / 30]),
    burst=st.integers(1, 12),
    schedule=st.one_of(schedules(200 * SECOND), schedules(SECOND)),
)
def test_a_bucket_equals_its_model(r, clock, kind, rate, burst, schedule):
    """Token bucket and GCRA: over any schedule they decide as a bucket of exact fractions does."""
    plays_like(kind(r, "api", rate, burst), Bucket(rate, burst), clock, schedule)


@quick
@given(limit=st.integers(1, 12), schedule=schedules(200 * SECOND))
def test_the_counter_is_off_by_no_more_than_it_says(r, clock, limit, schedule):
    """Its reckoning differs from the exact log by previous * elapsed/window at most upwards, and
    the rest of previous downwards; no window ever holds twice the limit."""
    window = 60 * SECOND
    limiter = SlidingCounter(r, "api", limit, 60.0)
    limiter.reset("ann")
    log, counts = Log(limit, window), Counter(limit, window)
    for pause, cost in schedule:
        clock.microseconds += max(pause, 0)
        now, cost = clock.microseconds, 1 + cost % limit
        number, elapsed = divmod(now, window)
        previous = counts.counts.get(number - 1, 0)
        part = Fraction(elapsed, window)
        reckoned = previous * (1 - part) + counts.counts.get(number, 0)
        true = limit - log.left(now)
        assert -previous * (1 - part) <= true - reckoned <= previous * part
        if limiter.hit("ann", cost).allowed:
            log.take(now, cost)
            counts.take(now, cost)
            assert limit - log.left(now) < 2 * limit


# the contract


def test_units_run_out_and_the_wait_is_told(limiter, clock):
    """Five hits are admitted, remaining counts down, the sixth is refused with a wait."""
    admitted = [limiter.hit("ann") for _ in range(5)]
    assert admitted == [Decision(True, left, 0.0, 5) for left in (4, 3, 2, 1, 0)]
    refused = limiter.hit("ann")
    assert not refused.allowed and refused.remaining == 0 and refused.retry_after > 0
    assert limiter.hit("bob").remaining == 4


@pytest.mark.parametrize("cost", [1, 3, 5])
def test_retry_after_is_true_to_the_microsecond(limiter, clock, cost):
    """Waiting that long admits the same hit; one microsecond less does not."""
    clock.advance(12.345678)
    for _ in range(5):
        limiter.hit("ann")
        clock.advance(0.123457)
    wait = round(limiter.hit("ann", cost).retry_after * SECOND)
    clock.microseconds += wait - 1
    assert round(limiter.hit("ann", cost).retry_after * SECOND) == 1
    clock.microseconds += 1
    assert limiter.hit("ann", cost).allowed


def test_waiting_for_real_admits_again(kind, r):
    """Without the tests' clock: exhausted, then admitted after the server's own time has passed."""
    limiter = kind(r, "api", *((2, 0.1) if kind in WINDOWS else (20, 2)))
    wait_until(lambda: "" if not limiter.hit("ann").allowed else "admitted", 5, "refused")
    wait_until(lambda: "" if limiter.hit("ann").allowed else "refused", 5, "admitted")


def test_a_refusal_consumes_and_writes_nothing(limiter, clock):
    """What is refused leaves the key as it was, to the byte."""
    limiter.hit("ann", 4)
    (key,) = all_keys(limiter.client)
    before = limiter.client.pttl(key), limiter.peek("ann")
    assert not limiter.hit("ann", 2).allowed
    assert limiter.peek("ann") == before[1] and limiter.client.pttl(key) <= before[0]
    assert limiter.hit("ann").allowed


def test_peek_consumes_and_writes_nothing(limiter, clock):
    """It says what a hit of 1 would get, and leaves the keyspace as it is."""
    assert [limiter.peek("ann") for _ in range(9)] == [Decision(True, 5, 0.0, 5)] * 9
    assert all_keys(limiter.client) == []
    limiter.hit("ann", 5)
    assert limiter.peek("ann") == limiter.hit("ann")


def test_reset_forgets_one_identity(limiter, clock):
    """After it the next hit is the first; others keep their count."""
    limiter.hit("ann", 5)
    limiter.hit("bob", 5)
    limiter.reset("ann")
    limiter.reset("nobody")
    assert limiter.hit("ann", 5).allowed and not limiter.hit("bob").allowed


def test_a_cost_above_the_limit_is_an_error(limiter):
    """No waiting would admit it, so it is a ValueError at the call, and nothing is written."""
    with pytest.raises(ValueError, match="cost must be at most 5"):
        limiter.hit("ann", 6)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="cost"):
            limiter.hit("ann", wrong)
    for wrong in (True, 1.0, "1", None):
        with pytest.raises(TypeError, match="cost"):
            limiter.hit("ann", wrong)
    assert all_keys(limiter.client) == []


def test_identities_never_share_a_key(limiter):
    """Spaces, braces, colons, percent signs, other scripts: each its own; none and no str fail."""
    odd = ["a b", "{a}", "a:b", "a%3Ab", "ä", "飛行", "a\nb", "*"]
    assert all(limiter.hit(identity, 5).allowed for identity in odd)
    assert len(all_keys(limiter.client)) == len(odd)
    with pytest.raises(ValueError, match="identity"):
        limiter.hit("")
    for wrong in (None, 7, b"ann"):
        with pytest.raises(TypeError, match="identity"):
            limiter.hit(wrong)


def test_identities_spread_over_the_cluster(labs):
    """A limiter's keys carry no hash tag: every primary gets its share."""
    lab = labs("cluster")
    lab.flush()
    with lab.client() as client:
        limiter = GCRA(client, "{api}", 0.05, 5)
        for number in range(60):
            limiter.hit(f"user {number}")
        assert all(node.client().dbsize() > 5 for node in lab.primaries)


def test_limiters_of_one_name_keep_apart(r):
    """Kinds, windows and rates do not touch each other's counts; another limit shares them."""
    limiters = [five_in_100_seconds(kind, r) for kind in (*WINDOWS, *BUCKETS)]
    limiters += [FixedWindow(r, "api", 5, 1000.0), GCRA(r, "api", 0.005, 5)]
    assert all(limiter.hit("ann", 5).allowed for limiter in limiters)
    assert not any(limiter.hit("ann").allowed for limiter in limiters)
    assert not FixedWindow(r, "api", 4, 1000.0).hit("ann").allowed
    assert FixedWindow(r, "api", 7, 1000.0).hit("ann").remaining == 1


def test_the_decorator_limits_calls(limiter, clock):
    """Each call is a hit of the identity; a refused one raises RateLimited with a true wait."""

    @limiter.limited(identity=lambda user, **_: user, cost=3)
    def greet(user, *, loud=False):
        """Says hello."""
        return f"hello {user}"

    assert greet.__name__ == "greet" and greet.__doc__ == "Says hello."
    assert greet("ann", loud=True) == "hello ann" and greet("bob") == "hello bob"
    with pytest.raises(RateLimited) as error:
        greet("ann")
    clock.advance(error.value.retry_after)
    assert greet("ann") == "hello ann"


def test_the_decorator_takes_one_identity_for_all(limiter):
    """A string limits the function as a whole; the body's own error passes, and was a hit."""

    @limiter.limited(identity="everyone")
    def fail():
        raise LookupError

    for _ in range(5):
        with pytest.raises(LookupError):
            fail()
    with pytest.raises(RateLimited):
        fail()
    for wrong, error in ((None, TypeError), (7, TypeError), ("", ValueError)):
        with pytest.raises(error, match="identity"):
            limiter.limited(identity=wrong)
    with pytest.raises(ValueError, match="cost"):
        limiter.limited(identity="everyone", cost=6)


def test_every_kind_of_client_gets_the_same_answers(kind, any_client, clock):
    """Replies decoded or not, protocol 2 or 3."""
    limiter = five_in_100_seconds(kind, any_client)
    assert limiter.hit("ann", 5) == Decision(True, 0, 0.0, 5)
    assert limiter.peek("ann") == limiter.hit("ann")
    assert limiter.hit("ann").retry_after > 0


# arguments


@pytest.mark.parametrize("kind", WINDOWS)
def test_wrong_windows_are_refused(r, kind):
    """The error names the argument, at construction."""
    for limit in (0, -1, 2**53):
        with pytest.raises(ValueError, match="limit"):
            kind(r, "api", limit, 1.0)
    for limit in (1.5, True, "1", None):
        with pytest.raises(TypeError, match="limit"):
            kind(r, "api", limit, 1.0)
    for window in (0, -1, 0.0001, math.inf, math.nan, 2e9):
        with pytest.raises(ValueError, match="window"):
            kind(r, "api", 1, window)
    for window in (True, "1", None):
        with pytest.raises(TypeError, match="window"):
            kind(r, "api", 1, window)


@pytest.mark.parametrize("kind", BUCKETS)
def test_wrong_rates_are_refused(r, kind):
    """The error names the argument, at construction."""
    for rate in (0, -1, math.inf, math.nan, 1e-12, 1e300):
        with pytest.raises(ValueError, match="rate"):
            kind(r, "api", rate, 1)
    for rate in (True, "1", None):
        with pytest.raises(TypeError, match="rate"):
            kind(r, "api", rate, 1)
    for burst in (0, -1, 2**60):
        with pytest.raises(ValueError, match="burst"):
            kind(r, "api", 1.0, burst)
    for burst in (1.5, True, "1", None):
        with pytest.raises(TypeError, match="burst"):
            kind(r, "api", 1.0, burst)


def test_wrong_names_and_choices_are_refused(kind, r):
    """An empty name, one that is no str, an unknown on_error."""
    with pytest.raises(ValueError, match="name"):
        five_in_100_seconds(kind, r, "")
    with pytest.raises(TypeError, match="name"):
        five_in_100_seconds(kind, r, 5)
    with pytest.raises(ValueError, match="on_error"):
        five_in_100_seconds(kind, r, on_error="ignore")


@pytest.mark.parametrize("kind", BUCKETS)
@pytest.mark.parametrize(
    ("rate", "burst"),
    [(1 / 3, 3), (12345.678, 1_000_000), (1.25e8, 2**33), (1e9 + 7, 10**12), (1 / 86400, 3600)],
)
def test_a_rate_is_kept_over_many_hits(r, clock, kind, rate, burst):
    """Taking a thousandth of the burst each time as soon as it is there takes as long as the rate
    says, to a millionth."""
    limiter = kind(r, "api", rate, burst)
    cost = max(burst // 1000, 1)
    assert limiter.hit("ann", burst).allowed
    began = clock.microseconds
    for _ in range(100):
        clock.microseconds += round(limiter.hit("ann", cost).retry_after * SECOND)
        assert limiter.hit("ann", cost).allowed
    took = (clock.microseconds - began) / SECOND
    assert took == pytest.approx(100 * cost / rate, rel=1e-6, abs=2e-6)


def test_the_largest_numbers_stay_exact(r, clock):
    """At the ends of the domain nothing is rounded away: the last unit counts."""
    for limiter in (
        FixedWindow(r, "api", 2**52, 3600.0),
        SlidingLog(r, "api", 2500, 3600.0),
        SlidingCounter(r, "api", 2**26, 50 * 365 * 86400.0),
        TokenBucket(r, "api", 1e3, 2**40),
        GCRA(r, "api", 1e3, 2**40),
    ):
        assert limiter.hit("ann", limiter.limit - 1).remaining == 1
        assert limiter.hit("ann").remaining == 0
        assert not limiter.hit("ann").allowed


def test_a_long_rest_fills_a_bucket_and_no_more(r, clock):
    """Years later, with the state still there, exactly the burst is admitted."""
    for kind in BUCKETS:
        limiter = kind(r, "api", 0.05, 5)
        limiter.hit("ann", 5)
        clock.advance(30 * 365 * 86400)
        assert limiter.hit("ann", 5).allowed and not limiter.hit("ann").allowed


# what they keep


def test_every_key_expires_and_not_too_soon(limiter, clock):
    """Each path that writes leaves a TTL: until nothing is owed at least, at most twice that and
    11 s."""
    for pause, cost in ((0, 1), (7, 2), (7, 2), (7, 1), (-3600, 5), (-3600, 5), (1, 5)):
        clock.advance(pause)
        limiter.hit("ann", cost)
        owed = max(limiter.hit("ann", 5).retry_after, 0)
        (key,) = all_keys(limiter.client)
        assert owed * 1000 < limiter.client.pttl(key) <= 211_000
    limiter.reset("ann")
    limiter.hit("ann", 5)
    assert limiter.hit("ann", 5).retry_after * 1000 < limiter.client.pttl(key) <= 211_000


def test_memory_of_an_identity_is_as_stated(kind, r):
    """150 bytes, whatever the limit and the hits; for the log 220, and 11 for each unit."""
    limiter = kind(r, "x" * 8, *((1000, 3600.0) if kind in WINDOWS else (0.3, 1000)))
    for hits in (1, 999):
        for _ in range(hits):
            assert limiter.hit("y" * 16).allowed
        (key,) = all_keys(r)
        units = limiter.limit - limiter.peek("y" * 16).remaining
        stated = 220 + 11 * units if kind is SlidingLog else 150
        assert r.memory_usage(key, samples=0) <= stated


def test_a_log_holds_no_more_than_its_window(r, clock):
    """What is older is dropped with the next hit that is admitted: all at once or one by one."""
    limiter = SlidingLog(r, "api", 2500, 100.0)
    limiter.hit("ann", 2500)
    (key,) = all_keys(r)
    for pause, cost, length in ((100, 1, 1), (50, 2000, 2001), (50, 3, 2003), (50, 2, 5)):
        clock.advance(pause)
        assert limiter.hit("ann", cost).allowed
        assert r.llen(key) == length


@pytest.mark.parametrize("back", [0.000001, 30.0, 100.0, 100.000001, 3600.0])
def test_a_clock_that_steps_back_neither_admits_more_nor_locks_out(limiter, clock, back):
    """The quota is not given twice, the wait stays within two windows, and it is true."""
    clock.advance(1.0)
    for _ in range(5):
        assert limiter.hit("ann").allowed
    clock.advance(-back)
    assert not limiter.peek("ann").allowed
    refused = limiter.hit("ann")
    assert not refused.allowed and 0 < refused.retry_after <= 200.000001
    wait = round(refused.retry_after * SECOND)
    clock.microseconds += wait - 1
    assert not limiter.hit("ann").allowed
    clock.microseconds += 1
    assert limiter.hit("ann").allowed
