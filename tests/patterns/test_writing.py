"""Stores, and the three ways to write through a cache."""

import sqlite3
import threading
import time
from contextlib import closing, suppress

import pytest

from redis_lab.errors import ValueTooLarge
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns.cache import RedisCache
from redis_lab.patterns.multilevel import MultiLevelCache
from redis_lab.patterns.writing import ReadThrough, SQLiteStore, Store, WriteBehind, WriteThrough

LATER = 60.0  # seconds between two flushes, where a test decides itself when to flush


class Recording:
    """A store in memory that notes each save; `refuses` raises what it likes."""

    def __init__(self, refuses=lambda values: None):
        self.rows, self.saves, self.refuses = {}, [], refuses
        self.open = threading.Event()
        self.open.set()

    def load(self, key):
        return self.rows.get(key)

    def save(self, values, position=None):
        self.open.wait()
        if error := self.refuses(values):
            raise error
        self.saves.append(dict(values))
        self.rows.update(values)


@pytest.fixture
def store(tmp_path):
    with closing(SQLiteStore(tmp_path / "rows.db", "rows")) as store:
        yield store


@pytest.fixture
def cache(client):
    return RedisCache(client, "shop")


@pytest.fixture
def behind(cache):
    """Makes a WriteBehind that is closed at the end, flushed or not."""
    made = []

    def make(store, cache=cache, **options):
        made.append(WriteBehind(cache, store, **options))
        return made[-1]

    yield make
    for each in made:
        with suppress(TimeoutError):
            each.close(timeout=0.0)


def rows_of(path, table="rows"):
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute(f'SELECT key, value FROM "{table}"'))


# -- the store


def test_a_value_comes_back_as_it_was_saved(store):
    """Any JSON, under any key; what is not there is None."""
    values = {"a b": {"x": [1, None]}, "{é}:%": "ü\ud800", "": 0, "n": False}
    assert store.save(values)
    assert {key: store.load(key) for key in values} == values
    assert store.load("missing") is None
    assert isinstance(store, Store)


def test_what_is_no_json_is_not_saved(store):
    """A number that JSON has not is a ValueError, an object a TypeError, and no row is written."""
    for value, error in ((float("nan"), ValueError), (object(), TypeError)):
        with pytest.raises(error):
            store.save({"a": 1, "b": value})
    assert rows_of(store.path) == {}


def test_a_load_does_not_wait_for_another_process(store):
    """While somebody else's transaction is open, rows read as they were before it."""
    store.save({"a": 1})
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE rows SET value = '2'")
        assert store.load("a") == 1
        other.execute("COMMIT")
    assert store.load("a") == 2


def test_none_removes_the_row(store):
    """None means that there is no row."""
    store.save({"a": 1, "b": 2})
    store.save({"a": None})
    assert store.load("a") is None
    assert set(rows_of(store.path)) == {"b"}


def test_a_save_is_all_or_nothing(tmp_path):
    """One row that can't be written, and none is; the position does not move either."""
    with closing(sqlite3.connect(tmp_path / "rows.db")) as db:
        db.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, value TEXT CHECK (value <> '13'))")
    with closing(SQLiteStore(tmp_path / "rows.db", "rows")) as store:
        with pytest.raises(sqlite3.IntegrityError):
            store.save({"a": 1, "b": 13, "c": 3}, position="5-0")
        assert rows_of(store.path) == {}
        assert store.position is None
        with pytest.raises(TypeError):
            store.save({"a": 1, "b": {1, 2}}, position="5-0")
        assert store.save({"a": 1}, position="5-0")
        assert rows_of(store.path) == {"a": "1"}


def test_a_position_that_was_passed_changes_nothing(store):
    """Positions are compared as numbers, and kept with the rows."""
    assert store.save({"a": "new"}, position="1000-9")
    for older in ("1000-9", "1000-8", "999-10", "0-1"):
        assert not store.save({"a": older, "b": older}, position=older)
    assert rows_of(store.path) == {"a": '"new"'}
    assert store.save({"a": "newer"}, position="1000-10")
    assert store.position == "1000-10"
    with closing(SQLiteStore(store.path, "rows")) as reopened:
        assert reopened.position == "1000-10"


def test_a_save_without_position_is_never_fenced(store):
    """Writing through has no queue, and so no order to keep."""
    store.save({"a": 1}, position="1000-0")
    assert store.save({"a": 2})
    assert (store.load("a"), store.position) == (2, "1000-0")


def test_a_row_that_has_its_value_is_left_alone(store):
    """A repeated save runs no trigger."""
    with closing(sqlite3.connect(store.path)) as db:
        db.executescript(
            "CREATE TABLE log (value TEXT);"
            "CREATE TRIGGER noted AFTER UPDATE ON rows"
            "  BEGIN INSERT INTO log VALUES (new.value); END"
        )
    for value in (1, 1, 2, 2):
        store.save({"a": value})
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT value FROM log").fetchall() == [("2",)]


def test_threads_share_a_store(store):
    """Saves of several threads do not mix."""

    def save(name):
        for number in range(20):
            store.save({f"{name}-{at}": number for at in range(5)})

    threads = [threading.Thread(target=save, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows_of(store.path) == {f"{name}-{at}": "19" for name in "abcd" for at in range(5)}


@pytest.mark.parametrize("table", ['odd "name"', "select", "tab le"])
def test_a_table_may_have_any_name(tmp_path, table):
    """Names are quoted."""
    with closing(SQLiteStore(tmp_path / "rows.db", table)) as store:
        store.save({"a": 1})
        assert store.load("a") == 1


@pytest.mark.parametrize("table, error", [("", ValueError), ("a\0", ValueError), (3, TypeError)])
def test_a_wrong_table_is_named(tmp_path, table, error):
    """The message names the argument."""
    with pytest.raises(error, match="table"):
        SQLiteStore(tmp_path / "rows.db", table)


# -- read-through and write-through


def test_reading_through_asks_the_store_once(cache):
    """A row is loaded once, and so is its absence."""
    store, asked = Recording(), []
    store.rows["a"] = 1
    load, store.load = store.load, lambda key: asked.append(key) or load(key)
    through = ReadThrough(cache, store)
    assert [through.get("a"), through.get("a"), through.get("b"), through.get("b")] == [
        *(1, 1, None, None)
    ]
    assert asked == ["a", "b"]
    assert cache.get("b", "a miss") is None


def test_writing_through_leaves_both_with_the_value(cache, store):
    """When set returns, the store has the value and so has the cache."""
    through = WriteThrough(cache, store)
    assert through.get("a") is None
    through.set("a", {"price": 3})
    assert (store.load("a"), cache.get("a")) == ({"price": 3}, {"price": 3})
    through.set("a", None)
    assert (through.get("a"), rows_of(store.path)) == (None, {})


def test_a_store_that_refuses_leaves_the_cache_as_it_was(cache):
    """The store comes first: its error is the caller's, and nothing has changed."""
    store = Recording(lambda values: ValueError("no") if 13 in values.values() else None)
    through = WriteThrough(cache, store)
    through.set("a", 1)
    with pytest.raises(ValueError, match="no"):
        through.set("a", 13)
    assert (through.get("a"), store.rows) == (1, {"a": 1})


WRITER = """
store = SQLiteStore(sys.argv[1], "rows")
through = WriteThrough(RedisCache(client, "shop"), store)
sys.stdin.readline()
for number in range(60):
    through.set(f"k{number % 3}", [sys.argv[2], number])
print("done", flush=True)
"""


def test_two_writers_never_leave_the_cache_behind_the_store(lab, cache, store, beside):
    """Writers in two processes, on the same keys: at the end both say the same, for every key."""
    writers = [beside(lab, WRITER, store.path, name) for name in "ab"]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.stdout.readline() for writer in writers] == ["done\n"] * 2
    through = WriteThrough(cache, store)
    for key in ("k0", "k1", "k2"):
        assert through.get(key) == store.load(key) is not None


@pytest.mark.parametrize("way", [WriteThrough, WriteBehind])
def test_a_local_tier_can_stand_before_the_store(cache, store, way):
    """Writing works through a MultiLevelCache, too: its process reads its own writes at once."""
    with MultiLevelCache(cache) as tier:
        writes = way(tier, store)
        for number in range(30):
            writes.set("a", number)
            assert writes.get("a") == number
        if way is WriteBehind:
            writes.close()
        assert store.load("a") == 29
        wait_until(lambda: "" if writes.get("a") == 29 and len(tier._tier) else "no", 5, "local")


# -- write-behind, as its own process sees it


def test_a_write_is_read_before_the_store_has_it(behind, store):
    """Reads through it see what is queued."""
    writes = behind(store, interval=LATER)
    wait_until(lambda: "" if writes.client.exists(writes._flusher) else "no flusher", 5, "flusher")
    assert writes.get("a") is None
    writes.set("a", 1)
    writes.set("a", {"n": 2})
    assert (writes.get("a"), store.load("a"), writes.backlog()) == ({"n": 2}, None, 2)
    writes.flush()
    assert (writes.get("a"), store.load("a"), writes.backlog()) == ({"n": 2}, {"n": 2}, 0)


def test_a_queued_write_outlives_its_place_in_the_cache(behind, cache, store):
    """A value that the cache has lost comes from the queue, never from the older row."""
    store.save({"a": "old"})
    writes = behind(store, interval=LATER)
    assert writes.get("a") == "old"
    wait_until(lambda: "" if writes.client.exists(writes._flusher) else "no flusher", 5, "flusher")
    writes.set("a", "new")
    cache.invalidate_all()
    assert (writes.get("a"), store.load("a")) == ("new", "old")


def test_nothing_is_flushed_twice_and_only_user_data_stays(behind, client):
    """After a flush the queue is empty, its index is gone, and the flusher's place has a TTL."""
    writes = behind(Recording())
    for number in range(250):
        writes.set(f"k{number % 7}", number)
    writes.flush()
    assert client.xlen(writes.queue) == 0
    assert client.exists(writes._newest) == client.exists(writes.dead) == 0
    assert 0 < client.pttl(writes._flusher) <= 2000
    values = [value for save in writes.store.saves for value in save.values()]
    assert len(values) == len(set(values))


def test_writes_of_a_key_keep_their_order_and_the_last_wins(behind):
    """The store never goes back, from batch to batch."""
    writes = behind(Recording(), batch=10, interval=0.01)
    for number in range(95):
        writes.set(f"k{number % 4}", number)
    writes.flush()
    for key in range(4):
        seen = [save[f"k{key}"] for save in writes.store.saves if f"k{key}" in save]
        assert seen == sorted(seen)
    assert writes.store.rows == {f"k{n % 4}": n for n in range(91, 95)}


def test_a_batch_is_one_transaction(behind, tmp_path):
    """What is queued reaches the store in as few saves as the batch size allows."""
    store = Recording()
    store.open.clear()
    writes = behind(store, batch=100, interval=LATER)
    for number in range(300):
        writes.set(f"k{number}", number)
    store.open.set()
    writes.flush()
    assert len(store.saves) <= 4
    assert sum(map(len, store.saves)) == 300


def test_a_full_backlog_holds_the_writers_back(behind, client):
    """set() waits while the bound is reached, gives up in time, and goes on once there is room."""
    store = Recording()
    store.open.clear()
    writes = behind(store, max_backlog=20, timeout=0.05)
    with pytest.raises(TimeoutError, match="20 writes wait"):
        for number in range(100):
            writes.set(f"k{number}", number)
    assert (number, client.xlen(writes.queue)) == (20, 20)
    writes.timeout = 10.0
    late = threading.Thread(target=writes.set, args=("late", 1))
    late.start()
    store.open.set()
    late.join()
    writes.flush()
    assert store.rows == {**{f"k{n}": n for n in range(20)}, "late": 1}


def test_a_row_that_cannot_be_written_becomes_a_dead_letter(behind, client, tmp_path):
    """With the reason, once, and without holding back or reordering the others."""
    with closing(sqlite3.connect(tmp_path / "rows.db")) as db:
        db.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, value TEXT CHECK (value <> '13'))")
    store = SQLiteStore(tmp_path / "rows.db", "rows")
    writes = behind(store, batch=8)
    for key, value in [("a", 1), ("b", 13), ("a", 2), ("c", 3), ("b", 4), ("d", 13)]:
        writes.set(key, value)
    writes.flush()
    assert rows_of(store.path) == {"a": "2", "b": "4", "c": "3"}
    dead = [fields for _, fields in client.xrange(writes.dead)]
    assert [(row["key"], row["value"]) for row in dead] == [("b", "13"), ("d", "13")]
    assert all("IntegrityError: CHECK constraint" in row["_error"] for row in dead)
    assert dead[0]["_id"] < dead[1]["_id"]
    assert writes.get("d") is None
    assert client.exists(writes._newest) == 0


def test_a_store_that_is_away_is_waited_for(behind, client, caplog):
    """An OSError, a locked database, or what the caller names: nothing is given up."""
    away = [OSError("cable"), sqlite3.OperationalError("locked"), KeyError("theirs")]
    store = Recording(lambda values: away.pop() if away else None)
    writes = behind(store, interval=0.01, retry_on=(KeyError,))
    for number in range(5):
        writes.set(f"k{number}", number)
    writes.flush()
    assert (store.rows, away) == ({f"k{n}": n for n in range(5)}, [])
    assert client.exists(writes.dead) == 0
    assert "tries again" in caplog.text


def test_closing_the_store_first_loses_nothing(behind, client, store):
    """A closed store is away, not full of bad rows."""
    writes = behind(store, interval=0.01)
    store.close()
    writes.set("a", 1)
    with pytest.raises(TimeoutError, match="1 writes still wait"):
        writes.flush(timeout=0.2)
    assert (client.xlen(writes.queue), client.exists(writes.dead)) == (1, 0)


def test_close_flushes_and_gives_the_place_away(cache, store, client):
    """After `with` the store has all, and the next flusher need not wait."""
    with WriteBehind(cache, store, interval=LATER) as writes:
        writes.set("a", 1)
    assert store.load("a") == 1
    wait_until(lambda: "still there" if client.exists(writes._flusher) else "", 1, "flusher")
    writes.close()


def test_a_lost_queue_and_a_slow_clock_hide_no_write(behind, client, store):
    """Where Redis was wiped and its clock is behind the store's position, writes still count."""
    store.save({"a": "old"}, position="9999999999999-5")
    writes = behind(store, interval=0.01)
    writes.set("a", "new")
    writes.set("b", 1)
    writes.flush()
    assert (store.load("a"), store.load("b")) == ("new", 1)
    client.delete(writes.queue)
    writes.set("a", "newest")
    writes.flush()
    assert store.load("a") == "newest"


def test_a_flusher_that_comes_late_does_not_take_the_floor_back(behind, client, store):
    """IDs of new writes stay above all that this process has seen, whichever of its threads comes
    last: else the store takes a later write for an old one, and drops it."""

    class Slow(Recording):
        def save(self, values, position=None):
            store.save(values, position)
            saved.set()
            self.open.wait()

    saved, dropped, slow = threading.Event(), threading.Event(), Slow()
    slow.open.clear()
    client.xadd("{shop}:writes", {"key": "x", "value": "0"}, id="9999999999999-0")
    writes = behind(slow, interval=0.01)
    drop = writes._drop
    writes._drop = lambda *what: drop(*what) or dropped.set()
    assert saved.wait(10)
    for number in range(3):
        writes.set("a", number)
    highest = writes._floor
    client.delete(writes._flusher)  # as its TTL does: another one takes over, and does it all
    behind(store, interval=0.01).flush()
    slow.open.set()
    assert dropped.wait(10)
    client.delete(writes.queue, writes._newest)  # a failover lost them
    writes.set("a", "acknowledged")
    writes.flush()
    assert writes._floor > highest
    assert store.load("a") == "acknowledged"


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_an_hour_off_changes_nothing(behind, client, store, monkeypatch, hours):
    """A client's own is not asked; a server's that goes back, or was ahead before: the order of
    writes holds, the last one wins."""
    real, ahead = time.time, round(time.time() * 1000) + 3_600_000
    monkeypatch.setattr("time.time", lambda: real() + hours * 3600)
    writes = behind(store, interval=LATER)
    writes.set("a", 1)
    client.xadd(writes.queue, {"key": "a", "value": "2"}, id=f"{ahead}-0")
    for number in range(3, 9):
        writes.set("a", number)
    assert writes.get("a") == 8
    writes.flush()
    assert (store.load("a"), writes.get("a"), writes.backlog()) == (8, 8, 0)
    writes.set("a", 9)
    writes.flush()
    assert store.load("a") == 9


FOREIGN = [{"key": "x"}, {"a": "b", "c": "1"}, {"key": "x", "value": "{"}, {"v": "1"}]


def test_what_somebody_else_queued_is_a_dead_letter(behind, client, store):
    """An entry that is no write holds nobody back: it is kept with the reason, and what is queued
    before and behind it reaches the store."""
    writes = behind(store, interval=LATER)
    for number, fields in enumerate(FOREIGN):
        writes.set(f"k{number}", number)
        client.xadd(writes.queue, fields)
    writes.set("last", 1)
    writes.flush()
    assert rows_of(store.path) == {**{f"k{n}": str(n) for n in range(4)}, "last": "1"}
    dead = [fields for _, fields in client.xrange(writes.dead)]
    assert [{k: v for k, v in each.items() if k[0] != "_"} for each in dead] == FOREIGN
    assert all(each["_error"].startswith("no write of ours") for each in dead)
    assert client.exists(writes._newest) == 0


def test_a_closed_one_takes_no_write(cache, store, client):
    """Nobody would flush it: set() raises, and nothing is queued; reads go on."""
    with WriteBehind(cache, store) as writes:
        writes.set("a", 1)
    with pytest.raises(RuntimeError, match="closed"):
        writes.set("a", 2)
    assert (writes.get("a"), writes.backlog()) == (1, 0)


def test_scripts_may_be_flushed_in_between(behind, client, store):
    """SCRIPT FLUSH costs nothing but a trip."""
    writes = behind(store, interval=0.01)
    for number in range(30):
        writes.set("a", number)
        if number % 10 == 0:
            client.script_flush()
    writes.flush()
    assert (store.load("a"), writes.get("a")) == (29, 29)


def test_every_kind_of_client_can_write_behind(any_client, behind, store):
    """Replies decoded or not, protocol 2 or 3."""
    writes = behind(store, RedisCache(any_client, "sh{o}p é"), interval=0.01)
    writes.set("ké {y}", "valué")
    assert writes.get("ké {y}") == "valué"
    writes.flush()
    assert (store.load("ké {y}"), writes.get("ké {y}")) == ("valué", "valué")


@pytest.mark.parametrize(
    "options, error, name",
    [
        ({"batch": 0}, ValueError, "batch"),
        ({"batch": 1.5}, TypeError, "batch"),
        ({"interval": 0}, ValueError, "interval"),
        ({"interval": "1"}, TypeError, "interval"),
        ({"max_backlog": 0}, ValueError, "max_backlog"),
        ({"timeout": -1}, ValueError, "timeout"),
    ],
)
def test_wrong_options_are_named(r, options, error, name):
    """The message names the argument, and no thread is left behind."""
    before = threading.active_count()
    with pytest.raises(error, match=name):
        WriteBehind(RedisCache(r, "shop"), Recording(), **options)
    assert threading.active_count() == before


def test_a_wrong_key_or_value_queues_nothing(behind, r):
    """It is the caller's error, at once."""
    writes = behind(Recording(), RedisCache(r, "shop"), interval=LATER)
    changed = [("a", value, TypeError) for value in ({1}, (1,), {1: 2}, [{None: 1}])]
    wrong = [(3, 1, TypeError), ("", 1, ValueError), ("a", float("nan"), ValueError)]
    for key, value, error in [*changed, *wrong, ("a", "x" * 2**24, ValueTooLarge)]:
        with pytest.raises(error):
            writes.set(key, value)
    assert r.xlen(writes.queue) == 0
