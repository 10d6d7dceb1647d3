"""Office: programs that load a server from another process, and one of them is mended."""

import subprocess
import sys

import pytest

import redis_lab as rl
from redis_lab.course.office import Office
from redis_lab.course.programs import PROGRAMS
from redis_lab.lab.waiting import wait_until

LEFT = "import sys, redis, os; from redis_lab.course.office import Office\n"
LEFT += "Office(redis.Redis.from_url(sys.argv[1]), 'board').open(); os._exit(0)"


@pytest.fixture
def r():
    with rl.standalone() as lab:
        yield lab.client()


def names(r):
    return {each["name"] for each in r.client_list()} & set(PROGRAMS)


def calls(r, command):
    return r.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]


def gone(r):
    wait_until(lambda: f"{names(r)} are there" if names(r) else "", 10, "the office closes")


def test_programs_work_under_their_names_until_the_block_ends(r):
    """Each has had a turn when the block begins; none is left after it."""
    with Office(r, "board", "desk:UA"):
        clients = {each["name"] for each in r.client_list()}
        assert {"board", "UA"} <= clients
        assert calls(r, "get") >= 1 <= calls(r, "sadd")
    gone(r)


def test_a_mended_program_does_no_harm(r):
    """After mend() the script runs no more, and the program goes on."""
    with Office(r, "report", "lounge", "notices") as office:
        assert min(calls(r, name) for name in ("evalsha", "hgetall")) >= 1
        for name in ("report", "lounge", "notices"):
            office.mend(name)
        before = calls(r, "evalsha"), calls(r, "hgetall")
        seen = calls(r, "hmget")
        wait_until(lambda: "" if calls(r, "hmget") > seen + 2 else "no turn", 10, "it goes on")
        assert (calls(r, "evalsha"), calls(r, "hgetall")) == before


def test_what_the_archive_does_not_read_waits_in_the_server(r):
    """More than the buffers on the way take, which are some twenty megabytes in a container."""

    def waiting():
        return sum(int(each["omem"]) for each in r.client_list() if each["name"] == "archive")

    with Office(r, "archive"):
        wait_until(lambda: "" if waiting() > 30e6 else f"{waiting()} bytes", 10, "it waits")
    gone(r)


def test_one_that_is_killed_comes_back(r):
    """CLIENT KILL is no cure, in this office as in others."""
    with Office(r, "report"):
        (first,) = [each["id"] for each in r.client_list() if each["name"] == "report"]
        r.client_kill_filter(_id=first)
        wait_until(lambda: "" if "report" in names(r) else "away", 10, "it comes back")


def test_no_office_outlives_its_python(r):
    """A kernel that is killed leaves no load behind."""
    url = "redis://default:{password}@{host}:{port}".format(**r.connection_pool.connection_kwargs)
    subprocess.run([sys.executable, "-c", LEFT, url], check=True)
    gone(r)


def test_what_is_wrong_is_said(r):
    """A name that nobody has, and an office that is closed."""
    with pytest.raises(ValueError, match="tower"):
        Office(r, "tower")
    with Office(r, "board") as office:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        office.mend("board")


def test_whose_connection_is_killed_begins_anew(r):
    """Also the one that had left MONITOR running; the others don't notice."""
    with Office(r, "board", "debug"):
        seen = {each["name"]: each["id"] for each in r.client_list()}
        for name in ("board", "debug"):
            r.client_kill_filter(_id=seen[name])
        wait_until(
            lambda: "" if names(r) == {"board", "debug"} else f"{names(r)}", 10, "both are back"
        )
        assert {each["id"] for each in r.client_list()}.isdisjoint({seen["board"], seen["debug"]})
    gone(r)


def test_only_what_runs_is_mended(r):
    """A name that isn't there is told, and the others go on."""
    with Office(r, "board") as office:
        with pytest.raises(ValueError, match="'reprot' doesn't run; board do"):
            office.mend("reprot")
        before = calls(r, "get")
        wait_until(lambda: "" if calls(r, "get") > before else "no GET", 10, "the board works")


def test_an_office_closes_while_its_server_stands_still():
    """close() gives the programs a while, and ends them."""
    with rl.standalone() as lab:
        office = Office(lab.client(), "board", "report").open()
        process = office._process
        lab.pause("redis-1")
        office.close()
        lab.resume("redis-1")
        assert process.poll() is not None
