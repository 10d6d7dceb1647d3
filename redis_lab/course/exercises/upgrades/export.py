"""Data that goes back to an older server, which believes no payload."""

NOTEBOOK = "81"
TITLE = "Back, type by type"
SHAPE = "replicated"
HINTS = (
    "`SCAN` gives the keys, `TYPE` says how to read each: `GET`, `HGETALL`, `LRANGE`, `SMEMBERS`, "
    "`ZRANGE … WITHSCORES`.",
    "What is there already is in the way: `DEL` first. In one transaction nobody sees the gap.",
    "`PEXPIRETIME` is a moment, below 0 where there is none; `PEXPIREAT` sets it, after the value.",
    "A pipeline on `old` for each key: delete, then `set`, `hset(mapping=)`, `rpush`, `sadd` or "
    "`zadd(dict(…))`, then `pexpireat`, then `execute`.",
)
WHY = (
    "Commands are the one format that all versions share. A copy by commands is the rollback that "
    "is left when every file is refused, and worth having written before it is needed."
)


def stub(new, old):
    """Copy all keys of new to old: strings, hashes, lists, sets and sorted sets, with deadlines."""


def solution(new, old):
    for key in new.scan_iter(count=1000):
        kind = new.type(key)
        copy = old.pipeline(transaction=True).delete(key)
        if kind == "string":
            copy.set(key, new.get(key))
        elif kind == "hash":
            copy.hset(key, mapping=new.hgetall(key))
        elif kind == "list":
            copy.rpush(key, *new.lrange(key, 0, -1))
        elif kind == "set":
            copy.sadd(key, *new.smembers(key))
        elif kind == "zset":
            copy.zadd(key, dict(new.zrange(key, 0, -1, withscores=True)))
        if (at := new.pexpiretime(key)) > 0:
            copy.pexpireat(key, at)
        copy.execute()


def wrong_dump(new, old):
    """permissions to run the 'restore' command"""
    for key in new.scan_iter(count=1000):
        old.restore(key, max(new.pttl(key), 0), new.dump(key), replace=True)


def _copy(new, old, key):
    kind = new.type(key)
    if kind == "string":
        old.set(key, new.get(key))
    elif kind == "hash":
        old.hset(key, mapping=new.hgetall(key))
    elif kind == "list":
        old.rpush(key, *new.lrange(key, 0, -1))
    elif kind == "set":
        old.sadd(key, *new.smembers(key))
    elif kind == "zset":
        old.zadd(key, dict(new.zrange(key, 0, -1, withscores=True)))


def wrong_for_ever(new, old):
    """it lives for ever"""
    for key in new.scan_iter():
        old.delete(key)
        _copy(new, old, key)


def wrong_adds(new, old):
    """what was there before is in it still"""
    for key in new.scan_iter():
        _copy(new, old, key)
        if new.pttl(key) > 0:
            old.pexpire(key, new.pttl(key))


def wrong_backwards(new, old):
    """the other way round"""
    for key in new.scan_iter():
        old.delete(key)
        if new.type(key) == "list":
            old.lpush(key, *new.lrange(key, 0, -1))
        else:
            _copy(new, old, key)
        if new.pttl(key) > 0:
            old.pexpire(key, new.pttl(key))


def wrong_rounded(new, old):
    """a score is a double"""
    for key in new.scan_iter():
        old.delete(key)
        if new.type(key) == "zset":
            scores = new.zrange(key, 0, -1, withscores=True)
            old.zadd(key, {member: round(score, 2) for member, score in scores})
        else:
            _copy(new, old, key)
        if new.pttl(key) > 0:
            old.pexpire(key, new.pttl(key))


def wrong_moves(new, old):
    """a copy, not a move"""
    for key in new.scan_iter():
        old.delete(key)
        _copy(new, old, key)
        if new.pttl(key) > 0:
            old.pexpire(key, new.pttl(key))
        new.delete(key)


def wrong_tidies(new, old):
    """only old had"""
    for key in [*old.scan_iter()]:
        old.delete(key)
    for key in new.scan_iter():
        _copy(new, old, key)
        if new.pttl(key) > 0:
            old.pexpire(key, new.pttl(key))


def check(trial):
    new, old = trial.lab.nodes[0].client(), trial.lab.nodes[1].client()
    old.replicaof("NO", "ONE")
    for key in old.scan_iter():
        old.delete(key)
    new.mset({f"flight:{number}": "on time" for number in range(50)})  # more than one SCAN
    new.set("gate:UA1545", "C70")
    new.set("hold:14C", "ana", ex=900)
    new.hset("desk:C70", mapping={"open": "1", "crew": "kim", "flight": "UA1545"})
    new.expire("desk:C70", 1_800)
    new.rpush("queue:desk", "ana", "ben", "cem")
    new.sadd("standby:UA1545", "ana", "dina")
    new.zadd("delays", {"UA1545": 2, "B6725": 0.1 + 0.2, "DL461": -6})
    old.set("gate:UA1545", "B12", ex=60)
    old.rpush("queue:desk", "eve")
    old.sadd("standby:UA1545", "fay")
    old.set("note:night", "belt 2 is slow")
    old.acl_setuser("default", categories=[], commands=["-restore"])
    before = new.dbsize(), new.hgetall("desk:C70")

    trial.call(new, old)
    after = new.dbsize(), new.hgetall("desk:C70")
    trial.require(
        after == before,
        "new is as it was",
        f"new had (keys, desk:C70) {before}, and has {after}: a copy, not a move",
    )
    trial.expect(
        old.get("note:night") == "belt 2 is slow",
        "what only old has stays",
        "note:night, which only old had, is gone",
    )
    kept = old.get("gate:UA1545"), old.hgetall("desk:C70"), old.exists("flight:0", "flight:49")
    wanted = "C70", before[1], 2
    trial.require(
        kept == wanted,
        "strings and hashes are there",
        f"old has for gate:UA1545, desk:C70 and of flight:0 and flight:49 {kept}, not {wanted}",
    )
    queue, standby = old.lrange("queue:desk", 0, -1), old.smembers("standby:UA1545")
    older = "eve" in queue or "fay" in standby
    trial.expect(
        queue == ["ana", "ben", "cem"] and standby == {"ana", "dina"},
        "lists and sets are as on new",
        f"queue:desk is {queue}, standby {sorted(standby)}: "
        + (
            "what was there before is in it still"
            if older
            else "the other way round"
            if queue == ["cem", "ben", "ana"]
            else "not ana, ben, cem and ana, dina"
        ),
    )
    scores = dict(old.zrange("delays", 0, -1, withscores=True))
    trial.expect(
        scores == {"UA1545": 2.0, "B6725": 0.1 + 0.2, "DL461": -6.0},
        "sorted sets too, to the last digit",
        f"delays has {scores}, and new has 0.30000000000000004 in it: a score is a double",
    )
    for key in ("hold:14C", "desk:C70"):
        life, right = old.pttl(key), new.pttl(key)
        trial.expect(
            abs(life - right) < 5_000,
            "deadlines go along",
            f"{key} has {right} ms to live on new, and on old "
            + ("it lives for ever" if life == -1 else f"{life}"),
        )
    trial.expect(
        old.pttl("gate:UA1545") == -1,
        "and what has none gets none",
        "gate:UA1545 has no deadline on new, and on old it has one: of the value before?",
    )
