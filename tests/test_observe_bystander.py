"""A Bystander tells what others wait for, whatever the process that it watches does itself."""

import time

import pytest

import redis_lab as rl
from redis_lab.observe import Bystander

BUSY = "for n = 1, ARGV[1] do local x = n % 7 end"  # a script has no clock on every version


@pytest.fixture(scope="module")
def r():
    with rl.standalone() as lab:
        yield lab.client()


def test_a_busy_server_keeps_others_waiting(r):
    """A long script makes somebody wait for most of it; a GET does not."""
    with Bystander(r) as others:
        for _ in range(3):
            with others.during("script"):
                r.eval(BUSY, 0, 10_000_000)
            with others.during("GET"):
                r.get("nothing")
    spans = others.spans()
    assert list(spans.index) == ["script", "GET"]
    assert spans.worst["script"] > spans.took["script"] * 0.7 > spans.worst["GET"]
    assert spans.worst["script"] > spans.typical["script"] > spans.typical["GET"]


def test_each_ping_waits_for_itself(r):
    """It goes on sending while the server is busy: many PINGs wait, each a little less."""
    with Bystander(r) as others, others.during("script"):
        r.eval(BUSY, 0, 20_000_000)
    late = others.frame().latency.loc[lambda waits: waits > 0.01]
    assert len(late) > 20
    assert late.diff().median() < 0


def test_a_busy_interpreter_is_not_a_busy_server(r):
    """Python that computes does not make the bystander wait."""

    def compute():
        ends = time.perf_counter() + 0.2
        while time.perf_counter() < ends:
            pass

    with Bystander(r) as others:
        for _ in range(3):
            with others.during("python"):
                compute()
    assert others.spans().typical["python"] < 0.1


def test_an_error_in_the_block_ends_it(r):
    """What the block raises goes through, and no client stays behind."""
    with pytest.raises(ZeroDivisionError), Bystander(r) as others, others.during("error"):
        raise ZeroDivisionError
    assert others.spans().took["error"] >= 0
    assert others._process.returncode == 0


def test_what_it_can_not_reach_is_refused(r):
    """A wrong password is a ConnectionError; what is no client on TCP, a TypeError."""
    stranger = rl.lab.running()[-1].client(password="wrong")
    with pytest.raises(ConnectionError, match="no answer"), Bystander(stranger):
        pass
    with pytest.raises(TypeError, match="client"):
        Bystander("redis://")
    with pytest.raises(ValueError, match="every"):
        Bystander(r, every=0)
