"""Write-behind with processes that die or sleep at the worst moment, and servers that go away."""

import os
import signal
import sqlite3
from contextlib import closing

import pytest
import redis

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns.cache import RedisCache
from redis_lab.patterns.writing import SQLiteStore, WriteBehind

KEYS, WRITES = 7, 60
# A flusher that does `what` to itself (SIGKILL, SIGSTOP) when it first comes to `where` with
# something to write. Each forced point is one line of write_behind.py or sqlite_store.py.
FLUSHER = """
import signal
where, what = sys.argv[2], getattr(signal, sys.argv[3])
done = []

def here(point):
    if point == where and not done:
        done.append(1)
        signal.pthread_kill(threading.get_ident(), what)  # this thread goes not one step further

class Store(SQLiteStore):
    def save(self, values, position=None):
        here("read")
        saved = super().save(values, position)
        print("saved", saved, flush=True)
        return saved
    def _advance(self, db, position):
        moved = super()._advance(db, position)
        here("in the transaction")
        return moved

class Behind(WriteBehind):
    def _drop(self, id, *reason):
        here("a bad row is known" if reason else "saved")
        super()._drop(id, *reason)
        here("a dead letter is written" if reason else "dropped")

store = Store(sys.argv[1], "rows")
writes = Behind(RedisCache(client, "shop"), store, batch=20, interval=3600)
print("ready", flush=True)
for line in sys.stdin:
    writes._wake.set()
"""


@pytest.fixture
def path(tmp_path):
    """A table that refuses 13 and notes every change of a row."""
    with closing(sqlite3.connect(tmp_path / "rows.db")) as db:
        db.executescript(
            "CREATE TABLE rows (key TEXT PRIMARY KEY, value TEXT CHECK (value <> '13'));"
            "CREATE TABLE log (at INTEGER PRIMARY KEY, key TEXT, value INTEGER);"
            "CREATE TRIGGER made AFTER INSERT ON rows"
            "  BEGIN INSERT INTO log (key, value) VALUES (new.key, new.value); END;"
            "CREATE TRIGGER changed AFTER UPDATE ON rows"
            "  BEGIN INSERT INTO log (key, value) VALUES (new.key, new.value); END;"
        )
    return tmp_path / "rows.db"


@pytest.fixture
def here(client, path):
    """A WriteBehind in this process that flushes only when it is asked to."""
    with closing(SQLiteStore(path, "rows")) as store:
        made = WriteBehind(RedisCache(client, "shop"), store, batch=20, interval=3600)
        wait_until(lambda: "" if client.exists(made._flusher) else "no flusher", 5, "flusher")
        client.delete(made._flusher)  # the place is free for the other process
        yield made
        made.close()


def history(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT key, value FROM log ORDER BY at").fetchall()


def rows_of(path):
    with closing(sqlite3.connect(path)) as db:
        return {key: int(value) for key, value in db.execute("SELECT key, value FROM rows")}


def start_flusher(beside, lab, here, path, where, what):
    flusher = beside(lab, FLUSHER, path, where, what)
    assert flusher.stdout.readline() == "ready\n"
    wait_until(
        lambda: "" if here.client.get(here._flusher) else "not yet", 5, "the other is the flusher"
    )
    return flusher


def wake(flusher):
    flusher.stdin.write("\n")
    flusher.stdin.flush()


POINTS = ["read", "in the transaction", "saved", "dropped"]
BAD_POINTS = ["a bad row is known", "a dead letter is written"]


@pytest.mark.parametrize("where", POINTS + BAD_POINTS)
def test_a_flusher_killed_anywhere_loses_nothing_and_repeats_nothing(
    where, r, server, path, beside
):
    """kill -9 at each forced point: every row gets its last value, no change shows twice."""
    with closing(SQLiteStore(path, "rows")) as store:
        writes = WriteBehind(RedisCache(r, "shop"), store, batch=20, interval=3600)
        wait_until(lambda: "" if r.exists(writes._flusher) else "no flusher", 5, "flusher")
        r.delete(writes._flusher)
        flusher = start_flusher(beside, server, writes, path, where, "SIGKILL")
        bad = 13 if where in BAD_POINTS else 1013
        last = {f"once{number}": 2000 + number for number in range(5)}
        for key, value in last.items():
            writes.set(key, value)
        for number in range(WRITES):
            writes.set(f"k{number % KEYS}", bad if number == 13 else number + 100)
        wake(flusher)
        assert flusher.wait(10) == -signal.SIGKILL
        r.delete(writes._flusher)  # as its TTL does within 2 s
        writes.close()
        last |= {f"k{n % KEYS}": n + 100 for n in range(WRITES - KEYS, WRITES)}
        assert rows_of(path) == last
        seen = history(path)
        for key in last:
            values = [value for name, value in seen if name == key and value != 1013]
            assert values == sorted(set(values))
        dead = [fields["value"] for _, fields in r.xrange(writes.dead)]
        assert dead == (["13"] if where in BAD_POINTS else [])
        assert (writes.backlog(), r.exists(writes._newest)) == (0, 0)


@pytest.mark.parametrize("where", BAD_POINTS)
def test_a_flusher_killed_over_a_bad_row_leaves_no_refused_value_in_the_cache(
    where, lab, here, path, beside
):
    """Reads see the store's value, though the refused one was cached while it was queued."""
    here.store.save({"k": 1})
    flusher = start_flusher(beside, lab, here, path, where, "SIGKILL")
    here.set("k", 13)
    assert here.get("k") == 13
    wake(flusher)
    assert flusher.wait(10) == -signal.SIGKILL
    assert here.get("k") == 1
    here.client.delete(here._flusher)
    here.flush()
    assert (here.get("k"), here.client.xlen(here.dead), here.backlog()) == (1, 1, 0)


def test_a_flusher_that_was_paused_overwrites_nothing_newer(lab, here, path, beside):
    """It has read its batch, sleeps past its time, and saves: the store knows better."""
    flusher = start_flusher(beside, lab, here, path, "read", "SIGSTOP")
    for number in range(5):
        here.set("a", number)
    wake(flusher)
    wait_until(lambda: "" if stopped(flusher.pid) else "it runs", 5, "the other stops")
    wait_until(lambda: "alive" if here.client.exists(here._flusher) else "", 5, "its place lapses")
    for number in range(5, 10):
        here.set("a", number)
    here.flush()
    assert rows_of(path) == {"a": 9}
    os.kill(flusher.pid, signal.SIGCONT)
    assert flusher.stdout.readline() == "saved False\n"
    assert rows_of(path) == {"a": 9}
    assert [value for _, value in history(path)] == [9]


def stopped(pid):
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] in "Tt"


def test_the_next_process_takes_over_by_itself(client, lab, path, beside):
    """Nobody clears up after a flusher that was killed: its place lapses within 2 s."""
    flusher = beside(lab, FLUSHER, path, "read", "SIGKILL")
    assert flusher.stdout.readline() == "ready\n"
    cache = RedisCache(client, "shop")
    with closing(SQLiteStore(path, "rows")) as store:
        writes = WriteBehind(cache, store, interval=0.05)
        wait_until(lambda: "" if client.exists(writes._flusher) else "no flusher", 5, "flusher")
        flusher.kill()
        writes.set("a", 1)
        writes.flush()
        assert rows_of(path) == {"a": 1}
        writes.close()


WRITER = """
store = SQLiteStore(sys.argv[1], "rows")
with WriteBehind(RedisCache(client, "shop"), store, batch=5, interval=0.01) as writes:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(80):
        writes.set(f"{sys.argv[2]}{number % 3}", number)
"""


def test_several_processes_write_behind_with_one_flusher(client, lab, path, beside):
    """Each key's order holds whoever flushes, and the store has all when they are gone."""
    writers = [beside(lab, WRITER, path, name) for name in "ab"]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(20) for writer in writers] == [0, 0]
    assert rows_of(path) == {f"{name}{n % 3}": n for name in "ab" for n in (77, 78, 79)}
    seen = history(path)
    for key in {key for key, _ in seen}:
        values = [value for name, value in seen if name == key]
        assert values == sorted(set(values))
    assert client.xlen("{shop}:writes") == 0


FORKER = """
store = SQLiteStore(sys.argv[1], "rows")
writes = WriteBehind(RedisCache(client, "shop"), store, interval=0.02)
writes.set("before", 1)
writes.flush()
if os.fork() == 0:
    writes.set("child", 2)
    writes.flush()
    writes.close()
    os._exit(0)
_, status = os.wait()
writes.set("parent", 3)
writes.flush()
print(status, writes.backlog(), flush=True)
"""


def test_a_forked_child_flushes_by_itself(server, r, path, beside):
    """The parent's thread and SQLite connection stay with the parent."""
    parent = beside(server, FORKER, path)
    assert parent.stdout.readline() == "0 0\n"
    assert rows_of(path) == {"before": 1, "child": 2, "parent": 3}


THREADS_OF_A_CHILD = """
import sqlite3
store = SQLiteStore(sys.argv[1], "rows")
store.save({"a": 1})
with store._database() as of_parent:
    pass
if os.fork() == 0:
    connect, all_there, seen = sqlite3.connect, threading.Barrier(4), []
    def together(*arguments, **options):
        all_there.wait(10)  # four threads are opening the file at once
        return connect(*arguments, **options)
    def use():
        with store._database() as db:
            seen.append(db is of_parent or db.in_transaction)
        store.save({threading.current_thread().name: store.load("a")})
    sqlite3.connect = together
    threads = [threading.Thread(target=use, name=name) for name in "bcde"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    os._exit(any(seen))
_, status = os.wait()
print(status, store.load("e"), flush=True)
"""


def test_no_thread_of_a_forked_child_uses_the_parents_connection(server, r, path, beside):
    """Also while another one is opening the file: SQLite forbids it, and a database could break."""
    parent = beside(server, THREADS_OF_A_CHILD, path)
    assert parent.stdout.readline() == "0 1\n"
    assert rows_of(path) == dict.fromkeys("abcde", 1)


def test_a_server_that_dies_and_returns_has_lost_no_write(path):
    """set() raises redis-py's error meanwhile; every acknowledged write reaches the store."""
    with rl.standalone(config={"appendonly": "yes", "appendfsync": "always"}) as lab:
        client = lab.client()
        with closing(SQLiteStore(path, "rows")) as store:
            writes = WriteBehind(RedisCache(client, "shop"), store, batch=5, interval=0.02)
            acknowledged = {}
            for number in range(60):
                if number == 30:
                    lab.kill(lab.primary)
                if number == 35:
                    lab.restart(lab.nodes[0])
                    lab.wait_healthy()
                key = f"k{number % KEYS}"
                try:
                    writes.set(key, number)
                    acknowledged[key] = number
                except redis.ConnectionError:
                    assert 30 <= number < 35
            writes.close()
            assert rows_of(path) == acknowledged
            assert writes.backlog() == 0


def test_a_failover_goes_on_where_it_was(path):
    """The flusher follows the new primary; what that one has queued reaches the store."""
    with rl.sentinel(replicas=1, sentinels=3, down_after=0.5) as lab:
        client = lab.client()
        with closing(SQLiteStore(path, "rows")) as store:
            writes = WriteBehind(RedisCache(client, "shop"), store, interval=0.02)
            writes.set("a", 1)
            client.wait(1, 1000)
            lab.kill(lab.primary)
            lab.wait_healthy()
            wait_until(lambda: written(writes, "b", 2), 10, "a write after the failover")
            writes.close()
            assert rows_of(path) == {"a": 1, "b": 2}


def written(writes, key, value):
    try:
        writes.set(key, value)
    except redis.RedisError as error:
        return repr(error)
    return ""


def test_a_full_server_still_flushes(path):
    """Under noeviction a full memory refuses new writes, but the queue drains into the store."""
    with rl.standalone(config={"maxmemory-policy": "noeviction"}) as lab:
        client = lab.client()
        with closing(SQLiteStore(path, "rows")) as store:
            writes = WriteBehind(RedisCache(client, "shop"), store, interval=3600)
            wait_until(lambda: "" if client.exists(writes._flusher) else "no flusher", 5, "flusher")
            for number in range(30):
                writes.set("a", number)
            client.config_set("maxmemory", 1)
            with pytest.raises(redis.OutOfMemoryError):
                writes.set("a", 30)
            client.delete(writes._flusher)
            writes.flush()
            assert rows_of(path) == {"a": 29}
            client.config_set("maxmemory", 0)
            writes.close()
