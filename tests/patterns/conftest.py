"""What the tests of patterns share: a clean server or cluster, any kind of client, a clock."""

import os
import subprocess
import sys

import pytest

import redis_lab as rl
from redis_lab.patterns import scripting

PRELUDE = """
import json, os, sys, threading, time
import redis_lab as rl
from redis_lab.patterns import *
client = rl.attach(os.environ["LAB_URL"]).client()
"""


@pytest.fixture(scope="session")
def labs():
    """The labs of this test process by shape, each started when it is first asked for."""
    started = {}

    def get(shape):
        if shape not in started:
            options = {"primaries": 3, "replicas": 0} if shape == "cluster" else {}
            started[shape] = getattr(rl, shape)(**options)
        return started[shape]

    yield get
    for lab in started.values():
        lab.stop()


@pytest.fixture(params=["standalone", "cluster"])
def lab(request, labs):
    """An empty standalone server, then an empty cluster of three primaries; no test breaks it."""
    lab = labs(request.param)
    lab.flush()
    return lab


@pytest.fixture
def client(lab):
    """A client of that lab, as the course hands it out."""
    with lab.client() as client:
        yield client


@pytest.fixture
def server(labs):
    """An empty standalone server, for what need not be shown on a cluster as well."""
    lab = labs("standalone")
    lab.flush()
    return lab


@pytest.fixture
def r(server):
    """A client of that server."""
    with server.client() as client:
        yield client


@pytest.fixture(
    params=[(decode, protocol) for decode in (True, False) for protocol in (2, 3)],
    ids=lambda kind: f"{'text' if kind[0] else 'bytes'}-resp{kind[1]}",
)
def any_client(request, server):
    """Every kind of client: replies decoded or not, protocol 2 or 3."""
    decode, protocol = request.param
    with server.client(decode_responses=decode, protocol=protocol) as client:
        yield client


@pytest.fixture
def beside(tmp_path):
    """Call it with a lab and a program to run that in another process, with `client` at hand.

    The process writes to its stdout and reads from its stdin, as text; it is killed at the end.
    """
    started = []

    def start(lab, program, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "LAB_URL": lab.url},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


class Clock:
    """The time that scripts read while it is in force. microseconds: since 1970."""

    def __init__(self, microseconds):
        self.microseconds = microseconds

    def advance(self, seconds):
        self.microseconds += round(seconds * 1_000_000)


@pytest.fixture
def clock(monkeypatch):
    """Scripts take the time from this clock: `local now = redis.call('TIME')` reads arguments."""
    clock = Clock(1_700_000_000_000_000)
    line = "local now = redis.call('TIME')"
    call, seams = scripting.Script.__call__, {}

    def with_time(script, client, keys=(), args=()):
        if line not in script.source:
            return call(script, client, keys, args)
        if script.name not in seams:
            argument = "local now = {ARGV[#ARGV - 1], ARGV[#ARGV]}"
            seams[script.name] = scripting.Script(
                script.name, script.source.replace(line, argument)
            )
        now = divmod(clock.microseconds, 1_000_000)
        return call(seams[script.name], client, keys, [*args, *now])

    monkeypatch.setattr(scripting.Script, "__call__", with_time)
    return clock
