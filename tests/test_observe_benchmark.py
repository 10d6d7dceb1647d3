"""redis-benchmark as a table: what it says, what was there, and who worked."""

import shutil
import sys

import pytest

import redis_lab as rl
from redis_lab.errors import LabUnavailable
from redis_lab.observe import benchmark

needs_it = pytest.mark.skipif(not shutil.which("redis-benchmark"), reason="no redis-benchmark here")


@pytest.fixture(scope="module")
def lab():
    with rl.standalone() as lab:
        yield lab


@needs_it
def test_tells_the_rate_and_what_was_missed(lab):
    """GETs of an empty server are all misses, and the row says so beside the rate."""
    lab.flush()
    row = benchmark(lab.nodes[0], "get", "-c", "5", requests=2_000)
    assert row.name == "get -c 5"
    assert (row.hits, row.misses) == (0, 2_000)
    assert row.per_second > 0 and row.max_us >= row.p99_us >= row.p50_us > 0


@needs_it
def test_tells_whose_processor_was_busy(lab):
    """Microseconds a request, of the server and of the benchmark itself."""
    one = benchmark(lab.nodes[0], "set", requests=5_000)
    many = benchmark(lab.nodes[0], "set", "-P", "50", requests=100_000)
    assert one.client_us > 2 * many.client_us > 0
    assert one.server_us > 2 * many.server_us > 0


@needs_it
def test_an_option_it_does_not_know_is_an_error(lab):
    """Not a table of nothing."""
    with pytest.raises(ValueError, match="redis-benchmark"):
        benchmark(lab.nodes[0], "get", "--no-such-option", requests=10)


def test_without_the_program_it_says_where_to_get_one(lab, monkeypatch):
    """A learner without the server's tools hears what is missing."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("REDIS_LAB_SERVER", raising=False)
    with pytest.raises(LabUnavailable, match="redis-tools"):
        benchmark(lab.nodes[0], "get")


def test_a_benchmark_without_end_tells_no_password(lab, monkeypatch):
    """After its patience it is LabUnavailable; the command line, which has the password, is not."""
    monkeypatch.setattr(sys.modules["redis_lab.observe.benchmark"], "PATIENCE", 0.01)
    with pytest.raises(LabUnavailable, match=r"did not end in 0\.01 s") as error:
        benchmark(lab.nodes[0], "get", requests=10_000_000)
    assert error.value.__cause__ is None and lab.nodes[0].login.password not in str(error.value)
