"""Leaderboard under concurrency and faults: no change is lost or torn."""

import random

import pytest
import redis
from test_leaderboard import assert_whole, filled

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns.leaderboard import Entry, Leaderboard

INCREMENTER = """
board = Leaderboard(client, "game", ties=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(300):
    board.increment("both", 1)
    board.increment(f"{sys.argv[1]}-{number % 10}", 0.5)
"""
UNTIL_TOLD = """
import redis
board = Leaderboard(client, "game")
print("ready", flush=True)
answered = 0
try:
    for answered in range(100_000):
        board.increment("both", 1)
        board.add(f"{sys.argv[1]}-{answered % 50}", answered)
        if answered == 100:
            print("under way", flush=True)
except redis.RedisError:
    print(answered, flush=True)
"""


@pytest.fixture(params=["earlier", "name"])
def ties(request):
    return request.param


def test_a_server_that_is_full_changes_nothing(r, ties):
    """OOM under noeviction: redis-py's error, and no half of a change."""
    board = filled(Leaderboard(r, "game", ties=ties), {"ann": 1})
    r.config_set("maxmemory", 1)
    try:
        for member in ("ann", "bob"):
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                board.add(member, 2)
        assert board.top(9) == [Entry("ann", 1, 1)]
    finally:
        r.config_set("maxmemory", 0)
    assert ties == "name" or assert_whole(r) is None


def test_two_processes_lose_no_increment(lab, client, beside, ties):
    """Increments of two processes all count, also with SCRIPT FLUSH in the middle."""
    workers = [beside(lab, INCREMENTER, name, ties) for name in ("a", "b")]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()

    def running():
        client.script_flush()
        return ", ".join(str(worker.pid) for worker in workers if worker.poll() is None)

    wait_until(running, 60, "workers")
    assert [worker.wait() for worker in workers] == [0, 0]
    board = Leaderboard(client, "game", ties=ties)
    assert board.top(1) == [Entry("both", 600, 1)]
    assert [entry.score for entry in board.top(99)[1:]] == [15.0] * 20
    if ties == "earlier":
        assert_whole(client)


def test_a_killed_server_keeps_the_board_whole(beside):
    """After kill -9 in the middle of changes no answered one is missing, and no place is torn."""
    with rl.standalone(config={"appendonly": "yes", "appendfsync": "always"}) as lab:
        workers = [beside(lab, UNTIL_TOLD, name) for name in ("a", "b")]
        for said in ("ready\n", "under way\n"):
            for worker in workers:
                assert worker.stdout.readline() == said
        lab.kill(lab.primary)
        answered = sum(int(worker.stdout.readline()) for worker in workers)
        lab.restart(lab.nodes[0])
        lab.wait_healthy()
        with lab.client() as client:
            board = Leaderboard(client, "game")
            assert answered <= board.rank("both").score <= answered + 2
            assert_whole(client)
            assert board.increment("both", 1) == board.rank("both").score


def test_a_failover_keeps_the_board_whole():
    """A replica refuses changes and answers questions; promoted, it has the board and goes on."""
    with rl.sentinel(replicas=1, sentinels=3, down_after=0.5) as lab, lab.client() as client:
        scores = {f"m{n}": random.Random(n).randrange(5) for n in range(100)}
        before = filled(Leaderboard(client, "game"), scores).top(100)
        assert client.wait(1, 2000) == 1
        with lab.replicas[0].client() as replica:
            assert Leaderboard(replica, "game").around("m5", 200) == before
            with pytest.raises(redis.exceptions.ReadOnlyError):
                Leaderboard(replica, "game").add("ann", 1)
        lab.kill(lab.primary)
        lab.wait_healthy()
        with lab.client() as client:
            board = Leaderboard(client, "game")
            assert board.top(100) == before
            board.add("ann", 9)
            assert board.rank("ann") == Entry("ann", 9, 1)
            assert_whole(client)
