"""A Notary's consumers halt where they are told, and what they did is known after their death."""

import pytest

import redis_lab as rl
from redis_lab.observe import Notary

TAKE = """
def popped(r):
    while True:
        yield r.brpop("popped")[1]
def moved(r):
    while True:
        yield r.lindex(name, 0) or r.blmove("moved", name, 0, "RIGHT", "LEFT")
        r.lpop(name)
"""
SENT = ["a", "b", "c"]


@pytest.fixture(scope="module")
def labs():
    with rl.standalone() as office, rl.standalone() as lab:
        yield office, lab


@pytest.fixture
def notary(labs):
    office, lab = labs
    lab.flush()
    notary = Notary(office.url, lab.url, TAKE)
    notary.start()
    yield notary
    notary.kill()
    office.flush()


def send(labs, *messages):
    for message in messages:
        for way in ("popped", "moved"):
            labs[1].client().lpush(way, message)


def test_who_dies_at_work_loses_what_he_popped(notary, labs):
    """The notary knows of three messages what became of them, in both ways."""
    notary.halt("at work", "b")
    send(labs, *SENT)
    notary.hear("halts")
    notary.kill()
    notary.start()
    send(labs, "end")
    notary.hear("end")
    assert notary.tally(SENT).to_dict() == {
        "popped": {"lost": 1, "twice": 0, "late": 0},
        "moved": {"lost": 0, "twice": 0, "late": 0},
    }
    assert notary.arrived(SENT)["popped"].tolist() == [True, False, True]


def test_who_dies_after_it_does_it_twice(notary, labs):
    """The list that still has the message gives it to the successor."""
    notary.halt("after it", "b")
    send(labs, *SENT)
    notary.hear("halts")
    notary.kill()
    notary.start()
    send(labs, "end")
    notary.hear("end")
    assert notary.tally(SENT).loc["twice"].to_dict() == {"popped": 0, "moved": 1}


def test_one_halts_and_another_goes_on(notary, labs):
    """Of two consumers one halts; what it does then comes late."""
    notary.start("B")
    notary.halt("at work", "a")
    send(labs, "a")
    notary.hear("halts")
    send(labs, "b", "c", "end")
    notary.hear("end")
    notary.go_on()
    send(labs, "end")
    notary.hear("end")
    rl.observe.notary.until(lambda: all("a" in notary.done(way) for way in notary.ways))
    assert notary.tally(SENT).loc["late"].tolist() == [1, 1]


def test_times_are_told_at_the_end(notary, labs):
    """A message "t <ns>" is timed by the clock that all processes share, and isn't done."""
    import time

    send(labs, f"t {time.monotonic_ns()}", "end")
    notary.hear("end")
    assert (notary.times() >= 0).all(axis=None)
    assert notary.tally(SENT).loc["lost"].tolist() == [3, 3]
    notary.forget()
    assert notary.times().empty


def test_a_way_that_fails_says_why(labs):
    """Its error is heard at once, not a minute's silence."""
    office, lab = labs
    notary = Notary(office.url, lab.url, "def broken(r):\n    yield missing\n")
    notary.start()
    with pytest.raises(RuntimeError, match="NameError: name 'missing'"):
        notary.hear("end")
    notary.kill()
    office.flush()


def test_a_place_must_be_known(notary):
    """A consumer halts before it is done or after."""
    with pytest.raises(ValueError, match="at work, after it"):
        notary.halt("in the evening", "a")
