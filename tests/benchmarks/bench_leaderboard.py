"""Leaderboard with a million members, beside a plain sorted set (which breaks ties backwards)."""

import random
from itertools import cycle

import pytest

import redis_lab as rl
from redis_lab.patterns.leaderboard import LARGEST, Leaderboard
from redis_lab.patterns.scripting import script
from tests.benchmarks.side_by_side import compare, peer

MEMBERS, CHUNK = 1_000_000, 10_000
NAMES = [f"player {n}" for n in range(MEMBERS)]


def used(client):
    return client.info("memory")["used_memory"]


@pytest.fixture(scope="module")
def client():
    with rl.standalone() as lab, lab.client(socket_timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def boards(client):
    """The two kinds of board and the plain set, each with the million; says what they weigh."""
    rng = random.Random(1)
    scores = [rng.randrange(100_000) for _ in NAMES]
    ours = {ties: Leaderboard(client, "bench", ties=ties) for ties in ("earlier", "name")}
    put = script("leaderboard_put")
    client.script_load(put.source)
    print(f"\n{MEMBERS:,} members, 100,000 scores")
    for what, board in {"plain": None, **ours}.items():
        before = used(client)
        for at in range(0, MEMBERS, CHUNK):
            pipe = client.pipeline(transaction=False)
            if board is None:
                pipe.zadd("plain", dict(zip(NAMES[at : at + CHUNK], scores[at:], strict=False)))
            else:
                keys = (len(board._keys), *board._keys)
                for name, score in zip(NAMES[at : at + CHUNK], scores[at:], strict=False):
                    pipe.evalsha(put.sha, *keys, name, score, "set", LARGEST)
            pipe.execute()
        print(f"  {what:34} {(used(client) - before) / MEMBERS:9.0f} bytes a member")
    return ours


def walrus_set(client):
    walrus = peer("walrus")
    if walrus is None:
        return None
    return walrus.Database(connection_pool=client.connection_pool).ZSet("plain")


def test_a_million_members(client, boards):
    """Each verb beside the nearest command of a plain sorted set."""
    earlier, name = boards["earlier"], boards["name"]
    rng = random.Random(2)
    some = cycle(rng.sample(NAMES, 5000))
    zset = walrus_set(client)
    missing = "walrus is not installed"

    def plain_rank():
        pipe, member = client.pipeline(transaction=False), next(some)
        pipe.zrevrank("plain", member)
        pipe.zscore("plain", member)
        pipe.execute()

    def plain_around():
        rank = client.zrevrank("plain", next(some))
        client.zrange("plain", max(0, rank - 5), rank + 5, desc=True, withscores=True)

    def at_random():
        return rng.randrange(100_000)

    tables = {
        "add: a new score": {
            "ZADD": lambda: client.zadd("plain", {next(some): at_random()}),
            "earlier": lambda: earlier.add(next(some), at_random()),
            "name": lambda: name.add(next(some), at_random()),
            "walrus ZSet.add": (lambda: zset.add({next(some): at_random()})) if zset else missing,
        },
        "increment": {
            "ZINCRBY": lambda: client.zincrby("plain", 1, next(some)),
            "earlier": lambda: earlier.increment(next(some), 1),
            "name": lambda: name.increment(next(some), 1),
            "walrus ZSet.incr": (lambda: zset.incr(next(some), 1)) if zset else missing,
        },
        "rank and score": {
            "ZREVRANK and ZSCORE, pipeline": plain_rank,
            "earlier": lambda: earlier.rank(next(some)),
            "name": lambda: name.rank(next(some)),
        },
        "around: 5 on each side": {
            "ZREVRANK, then ZRANGE": plain_around,
            "earlier": lambda: earlier.around(next(some), 5),
            "name": lambda: name.around(next(some), 5),
        },
        "top 10": {
            "ZRANGE REV": lambda: client.zrange("plain", 0, 9, desc=True, withscores=True),
            "earlier": lambda: earlier.top(10),
            "name": lambda: name.top(10),
        },
        "page 25,000, of 20": {
            "ZRANGE REV": lambda: client.zrange("plain", 499_980, 499_999, True, withscores=True),
            "earlier": lambda: earlier.page(25_000, 20),
            "name": lambda: name.page(25_000, 20),
        },
    }
    for title, ways in tables.items():
        compare(f"leaderboard of {MEMBERS:,}, {title}", next(iter(ways)), ways, blocks=200)


def test_trim_and_the_middle(client, boards):
    """Trimming goes in steps of a thousand: how long the server is busy with one."""
    board = boards["earlier"]
    middle = board.page(MEMBERS // 2, 1)[0]
    assert board.rank(middle.member) == middle
    client.config_resetstat()
    assert board.trim(MEMBERS - 20_000) == 20_000
    stats = client.info("commandstats")
    spent = {n: stats[n] for n in ("cmdstat_evalsha", "cmdstat_eval") if n in stats}
    calls = sum(each["calls"] for each in spent.values())
    print(f"\n  trim: {sum(e['usec'] for e in spent.values()) / calls / 1000:.2f} ms a step")
