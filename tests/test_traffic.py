"""Traffic at a fixed rate, from threads and processes, and Zipf's choice of keys."""

import os
import threading
from collections import Counter

import pytest

from redis_lab.observe import traffic, zipf


def test_the_nth_item_comes_as_often_as_one_in_n():
    """Shares follow 1 / n ** exponent, and the same seed gives the same requests."""
    chosen = Counter(zipf("abcdefgh", 40_000))
    share = {item: chosen[item] / chosen["a"] for item in "abcdefgh"}
    assert share == pytest.approx({item: 1 / n for n, item in enumerate("abcdefgh", 1)}, abs=0.05)
    assert zipf("abc", 50) == zipf("abc", 50) != zipf("abc", 50, seed=1)
    steep = Counter(zipf("ab", 10_000, exponent=2.0))
    assert steep["b"] / steep["a"] == pytest.approx(1 / 4, abs=0.05)


@pytest.mark.parametrize(("items", "count", "exponent"), [([], 1, 1), ("a", -1, 1), ("a", 1, 0)])
def test_zipf_refuses_what_it_cannot_draw_from(items, count, exponent):
    """No items, a negative count, no slope."""
    with pytest.raises(ValueError, match="zipf needs"):
        zipf(items, count, exponent)


def test_each_request_is_served_once_and_told_in_order():
    """Threads take turns; failures are outcomes, not exceptions."""
    served, lock = [], threading.Lock()

    def serve(request):
        with lock:
            served.append(request)
        if request == 3:
            raise LookupError(request)

    frame = traffic(serve, range(100), threads=5)
    assert sorted(served) == list(range(100)) == frame.request.tolist()
    assert frame.outcome.value_counts().to_dict() == {"ok": 99, "LookupError": 1}
    assert frame.outcome[3] == "LookupError" and set(frame.process) == {0}


def test_a_rate_is_kept_and_waiting_counts():
    """Requests are due by the clock; with one slow thread the latency of the last is the queue."""
    frame = traffic(lambda _: threading.Event().wait(0.02), range(20), rate=200, threads=1)
    assert frame.due.tolist() == pytest.approx([n / 200 for n in range(20)])
    assert (frame.started >= frame.due).all()
    assert frame.latency.iloc[-1] >= 20 * 0.02 - 19 / 200


def test_processes_share_the_requests():
    """Two processes, each its own: what one changes in memory the other does not see."""
    pids = []
    frame = traffic(lambda _: pids.append(os.getpid()), range(10), processes=2)
    assert frame.process.tolist() == [0, 1] * 5 and frame.request.tolist() == list(range(10))
    assert pids == [os.getpid()] * 5


def test_a_process_that_dies_is_told():
    """Half of the requests would be missing without a word."""
    parent = os.getpid()
    with pytest.raises(ChildProcessError):
        traffic(lambda _: os.getpid() == parent or os._exit(1), range(4), processes=2)


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"threads": 0}, {"processes": 0}])
def test_traffic_refuses_nothing_to_work_with(wrong):
    """No rate, no thread, no process."""
    with pytest.raises(ValueError, match="above 0"):
        traffic(print, [], **wrong)
