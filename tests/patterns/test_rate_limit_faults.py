"""Rate limiters among processes, bad clocks and servers that fail; each known fault by name."""

import json
import logging

import pytest
import redis

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import (
    GCRA,
    Decision,
    FixedWindow,
    SlidingCounter,
    SlidingLog,
    TokenBucket,
)

KINDS = (FixedWindow, SlidingLog, SlidingCounter, TokenBucket, GCRA)
LIMIT = 60
SLOW = 1e9  # seconds: of windows, the present one lasts until 2033

LIMITERS = """
LIMIT, SLOW = 60, 1e9
limiters = [kind(client, "api", LIMIT, SLOW) for kind in (FixedWindow, SlidingLog, SlidingCounter)]
limiters += [kind(client, "api", LIMIT / SLOW, LIMIT) for kind in (TokenBucket, GCRA)]
"""

# Hits each limiter more often than its limit allows; prints what was admitted, refused, failed.
GREEDY = (
    LIMITERS
    + """
offset = float(sys.argv[1])
real = time.time
time.time = lambda: real() + offset
time.time_ns = lambda: int((real() + offset) * 1e9)
print("ready", flush=True)
sys.stdin.readline()
admitted, refused, failed = [0] * 5, [0] * 5, 0
while min(refused) < 5:
    for number, limiter in enumerate(limiters):
        try:
            decision = limiter.hit("ann")
            admitted[number] += decision.allowed
            refused[number] += not decision.allowed
        except redis.exceptions.RedisError as error:
            assert not isinstance(error, redis.exceptions.ResponseError), error
            failed += 1
            if failed == 1:
                print("failed", flush=True)
    if sum(admitted) == 50:
        print("midway", flush=True)
print(json.dumps({"admitted": admitted, "failed": failed}), flush=True)
"""
)


def five(client, **options):
    """One of each kind, whose quota does not come back during a test."""
    windows = [kind(client, "api", LIMIT, SLOW, **options) for kind in KINDS[:3]]
    return windows + [kind(client, "api", LIMIT / SLOW, LIMIT, **options) for kind in KINDS[3:]]


def greedy(beside, lab, *offsets):
    """Two processes that are about to hit; go(process) lets one begin."""
    processes = [beside(lab, "import redis\n" + GREEDY, offset) for offset in offsets]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    return processes


def go(processes):
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def result(process):
    """The process's last line, as read JSON."""
    return json.loads(process.communicate(timeout=60)[0].splitlines()[-1])


def test_two_processes_share_one_quota(lab, beside):
    """All limiters, on a server and on a cluster: together they are admitted the limit exactly."""
    processes = greedy(beside, lab, 0, 0)
    go(processes)
    results = [result(process)["admitted"] for process in processes]
    assert [sum(pair) for pair in zip(*results, strict=True)] == [LIMIT] * 5


def test_two_clients_clocks_an_hour_off_do_not_admit_twice_the_quota(server, beside):
    """limits' moving window trusts each client's clock; ours asks the server's alone."""
    processes = greedy(beside, server, -3600, 3600)
    go(processes)
    results = [result(process)["admitted"] for process in processes]
    assert [sum(pair) for pair in zip(*results, strict=True)] == [LIMIT] * 5


def test_noscript_after_script_flush_is_not_seen(server, r, beside):
    """pyrate fails with NOSCRIPT after SCRIPT FLUSH; ours go on, and lose no count."""
    processes = greedy(beside, server, 0, 0)
    go(processes)
    while any(process.poll() is None for process in processes):
        r.script_flush()
    results = [result(process) for process in processes]
    assert [each["failed"] for each in results] == [0, 0]
    admitted = [each["admitted"] for each in results]
    assert [sum(pair) for pair in zip(*admitted, strict=True)] == [LIMIT] * 5


def test_a_server_killed_midway_admits_no_more(beside):
    """kill -9, then restart: clients see errors meanwhile, never more than the limit."""
    config = {"appendonly": "yes", "appendfsync": "always"}
    with rl.standalone(config=config) as lab:
        processes = greedy(beside, lab, 0, 0)
        go(processes)
        assert processes[0].stdout.readline() == "midway\n"
        lab.kill(lab.primary)
        assert processes[0].stdout.readline() == "failed\n"
        lab.restart(lab.primary)
        lab.wait_healthy()
        results = [result(process) for process in processes]
        admitted = [sum(pair) for pair in zip(*(each["admitted"] for each in results), strict=True)]
        assert sum(each["failed"] for each in results) > 0
        # a hit whose reply was lost with the server may have been counted: one a process
        assert all(LIMIT - 2 <= count <= LIMIT for count in admitted)


def test_a_failover_keeps_what_was_replicated():
    """After the primary's death the next one refuses, with scripts it has never run before."""
    with rl.sentinel(replicas=1, down_after=0.5) as lab, lab.client() as client:
        limiters = five(client)
        for limiter in limiters:
            assert limiter.hit("ann", LIMIT).allowed
        assert client.wait(1, 5000) == 1
        lab.kill(lab.primary)
        wait_until(lambda: "" if served(limiters[0]) else "no server", 20, "a new primary")
        assert not any(limiter.hit("ann").allowed for limiter in limiters)
        assert all(client.pttl(key) > 0 for key in client.scan_iter())


def served(limiter):
    try:
        limiter.peek("ann")
    except redis.RedisError:
        return False
    return True


def test_a_read_only_replica_answers_peek_alone():
    """hit raises redis-py's ReadOnlyError there; peek says what the primary would."""
    with rl.replicated(replicas=1) as lab, lab.client() as client:
        for limiter in five(client):
            limiter.hit("ann", 20)
        assert client.wait(1, 5000) == 1
        (replica,) = lab.replicas
        for limiter in five(replica.client()):
            assert limiter.peek("ann") == Decision(True, LIMIT - 20, 0.0, LIMIT)
            with pytest.raises(redis.exceptions.ReadOnlyError):
                limiter.hit("ann")


def test_peek_could_not_write_if_it_tried(r):
    """The server itself forbids its script to write: asked for cost 1, it is refused."""
    for limiter in five(r):
        with pytest.raises(redis.ResponseError, match="read-only script"):
            limiter._peek(r, (limiter._key("ann"),), (*limiter._arguments, 1))
    assert r.dbsize() == 0


def test_limits_do_not_pass_silently_when_redis_is_down(caplog):
    """cashews lets all pass; ours raise, or, where the caller wrote "bypass", log and pass."""
    with rl.standalone() as lab, lab.client(socket_timeout=0.2) as client:
        strict, lenient = five(client), five(client, on_error="bypass")
        for break_it, error in ((lab.pause, redis.TimeoutError), (lab.kill, redis.ConnectionError)):
            break_it(lab.primary)
            with pytest.raises(error):
                strict[0].hit("ann")
            with pytest.raises(error):
                strict[0].peek("ann")
        for limiter in strict:
            with pytest.raises(redis.ConnectionError):
                limiter.hit("ann")
        with caplog.at_level(logging.WARNING, "redis_lab.patterns.rate_limit"):
            for limiter in lenient:
                assert limiter.hit("ann") == Decision(True, 0, 0.0, LIMIT)
                assert limiter.limited(identity="ann")(lambda: "done")() == "done"
                with pytest.raises(ValueError, match="cost"):
                    limiter.hit("ann", LIMIT + 1)
        assert len(caplog.records) == 10
        assert "not limited" in caplog.text


def test_a_cluster_that_is_down_can_be_bypassed_too(caplog):
    """redis-py's errors of a Cluster are no RedisError all; "raise" and "bypass" know them."""
    with rl.cluster(primaries=3, replicas=0) as lab:
        client = lab.client(socket_timeout=0.2)
        for node in lab.nodes:
            lab.kill(node)
        with pytest.raises((redis.RedisError, redis.exceptions.RedisClusterException)):
            GCRA(client, "api", 1.0, 5).hit("ann")
        assert GCRA(client, "api", 1.0, 5, on_error="bypass").hit("ann").allowed


def test_a_full_server_refuses_hits_and_answers_peek(r):
    """Under noeviction an OutOfMemoryError, nothing half written; peek goes on."""
    limiters = five(r)
    r.config_set("maxmemory", 1)
    try:
        for limiter in limiters:
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                limiter.hit("ann")
            assert limiter.peek("ann").remaining == LIMIT
        assert r.dbsize() == 0
    finally:
        r.config_set("maxmemory", 0)
    assert all(limiter.hit("ann", LIMIT).allowed for limiter in limiters)


def test_a_key_of_someone_else_is_an_error(r):
    """What is no state of ours raises redis-py's ResponseError; it is neither used nor replaced."""
    for limiter in five(r):
        limiter.hit("ann")
        (key,) = r.keys()
        r.delete(key)
        r.xadd(key, {"someone": "else"})
        with pytest.raises(redis.ResponseError):
            limiter.hit("ann")
        assert r.type(key) == "stream"
        r.delete(key)


def test_a_missing_ttl_is_never_left_behind(r, clock):
    """throttled, pyrate and cashews' incr leave keys without TTL on some path; ours on none."""
    now = clock.microseconds
    for limiter in five(r):
        clock.microseconds = now
        for step in (0, 1, SLOW, -SLOW, -1, 2.5 * SLOW, -3 * SLOW):
            clock.advance(step)
            for cost in (1, LIMIT, LIMIT - 1):
                limiter.peek("ann")
                limiter.hit("ann", cost)
                assert all(r.pttl(key) > 0 for key in r.scan_iter())
        r.flushdb()


@pytest.mark.parametrize("kind", [TokenBucket, GCRA])
@pytest.mark.parametrize(("rate", "burst"), [(1000, 1), (1000, 10), (20, 3), (0.3, 1)])
def test_a_burst_smaller_than_half_the_rate_limits(r, clock, kind, rate, burst):
    """throttled never limits then, and loses fractions of a second; ours admit burst + rate * t."""
    limiter = kind(r, "api", rate, burst)
    began = clock.microseconds
    for admitted in range(1, 50):
        decision = limiter.hit("ann")
        if not decision.allowed:
            clock.microseconds += round(decision.retry_after * 1_000_000)
            assert limiter.hit("ann").allowed
        elapsed = (clock.microseconds - began) / 1_000_000
        late = elapsed - max(0, admitted - burst) / rate
        assert -1e-6 < late < admitted * 1e-6  # a wait is rounded up to the next microsecond
