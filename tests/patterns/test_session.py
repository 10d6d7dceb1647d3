"""SessionStore: ids, sliding and greatest age, versions, and that nothing dead comes back."""

import json
import threading
from dataclasses import FrozenInstanceError, replace

import pytest
import redis

import redis_lab as rl
from redis_lab.errors import ValueTooLarge, VersionConflict
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import Session, SessionStore

AGE = 30 * 86_400_000
GONE = (redis.ConnectionError, redis.TimeoutError)


@pytest.fixture
def store(client):
    return SessionStore(client)


def ttls(client):
    """The TTL in ms of every key there is."""
    return {key: client.pttl(key) for key in client.scan_iter(count=1000)}


def session_keys(client):
    return {key for key in ttls(client) if ":user:" not in key}


def index(store, user):
    """The ids that the store has noted for a user."""
    key = next((key for key in ttls(store.client) if key.endswith(f":user:{user}")), None)
    return set(store.client.smembers(key)) if key else set()


def ended(store, id):
    return "" if store.load(id) is None else "alive"


def test_a_session_is_created_and_read(client, store):
    """What was stored with a session is read back under its id."""
    data = {"cart": [1, 2], "name": "Grüße 東京", "none": None}
    id = store.create("ann", data)
    assert store.load(id) == Session(id=id, user="ann", data=data, version=1)
    assert store.load(store.create("bob")) == store.sessions("bob")[0]
    assert len(session_keys(client)) == 2


def test_every_key_has_a_ttl_on_every_path(client, store):
    """Created, read, saved, rotated, listed: no key is left without a TTL."""
    id = store.create("ann")
    keys = ttls(client)
    assert len(keys) == 2 and 1_700_000 < min(keys.values()) <= 1_800_000
    assert AGE < max(keys.values()) <= AGE + 1000
    store.save(store.load(id))
    new = store.rotate(id)
    store.sessions("ann")
    assert min(ttls(client).values()) > 1_700_000 and len(ttls(client)) == 2
    client.delete(next(key for key in ttls(client) if ":user:" in key))
    store.rotate(new.id)
    assert min(ttls(client).values()) > 1_700_000 and max(ttls(client).values()) > AGE - 60_000


def test_ids_cannot_be_guessed(store):
    """An id begins with 256 random bits, also a rotated one, and no repr writes it into a log."""
    ids = [store.create("ann") for _ in range(20)]
    ids.append(store.rotate(ids[0]).id)
    assert len({id[:43] for id in ids}) == 21
    assert ids[0] not in repr(store.load(ids[1])) + repr(store) + repr(store.sessions("ann"))


def test_a_load_slides_the_ttl(client):
    """Each load begins the TTL anew, whatever the ratio of TTL and greatest age."""
    for number, (ttl, max_age) in enumerate([(1800, 86400), (100, 120), (1800, 1800)]):
        store = SessionStore(client, f"store{number}", ttl=ttl, max_age=max_age)
        id = store.create("ann")
        (key,) = [key for key in session_keys(client) if id in key]
        client.pexpire(key, 5000)
        assert store.load(id).user == "ann"
        assert ttl * 1000 - 5000 < client.pttl(key) <= ttl * 1000


def test_a_load_slides_never_past_the_greatest_age(client):
    """However often it is read, a session ends at max_age after its creation."""
    store = SessionStore(client, ttl=100, max_age=1.5)
    id = store.create("ann")
    (key,) = session_keys(client)
    end = client.pexpiretime(key)
    for _ in range(10):
        assert store.load(id)
        assert client.pexpiretime(key) <= end
    wait_until(lambda: ended(store, id), 20, "the greatest age")
    assert not session_keys(client)


def test_no_rotation_lengthens_the_greatest_age(client):
    """A session keeps its end when it is given a new id."""
    store = SessionStore(client, ttl=100, max_age=50)
    id = store.create("ann")
    end = client.pexpiretime(session_keys(client).pop())
    for _ in range(3):
        id = store.rotate(id).id
        store.load(id)
        assert abs(client.pexpiretime(session_keys(client).pop()) - end) <= 2


def test_an_unused_session_ends_after_its_ttl(client):
    """Without a load it is gone when the TTL is over."""
    store = SessionStore(client, ttl=0.05)
    id = store.create("ann")
    wait_until(lambda: "alive" if session_keys(client) else "", 20, "the TTL")
    assert store.load(id) is None and store.sessions("ann") == []
    assert not index(store, "ann")


@pytest.mark.parametrize("off", [3600, -3600])
def test_a_clock_an_hour_off_changes_nothing(lab, client, beside, off):
    """A process whose clock is an hour off slides and ends sessions as any other."""
    store = SessionStore(client, ttl=100, max_age=150)
    id = store.create("ann")
    theirs = beside(
        lab,
        """
real, off = time.time, float(sys.argv[2])
time.time = lambda: real() + off
store = SessionStore(client, ttl=100, max_age=150)
print(store.load(sys.argv[1]).user, store.create("bob"))
""",
        id,
        off,
    )
    user, other = theirs.stdout.read().split()
    assert user == "ann" and store.load(other).user == "bob" and store.load(id)
    kept = [ttl for key, ttl in ttls(client).items() if ":user:" not in key]
    assert len(kept) == 2 and min(kept) > 90_000 and max(kept) <= 100_100


def test_a_save_checks_the_version(store):
    """Of two that read the same version one saves, and the other is told which version there is."""
    id = store.create("ann", {"n": 0})
    mine = theirs = store.load(id)
    saved = store.save(replace(mine, data={"n": 1}))
    assert saved == Session(id, "ann", {"n": 1}, 2) == store.load(id)
    with pytest.raises(VersionConflict) as conflict:
        store.save(replace(theirs, data={"n": 1}))
    assert (conflict.value.expected, conflict.value.actual) == (1, 2)
    assert store.load(id) == saved
    for _ in range(12):
        saved = store.save(saved)
    assert saved.version == 14 == store.load(id).version


def test_no_update_is_lost_among_processes(lab, client, store, beside):
    """Processes that save, and read again at a conflict, count every step."""
    id = store.create("ann", {"n": 0})
    program = """
from dataclasses import replace
store = SessionStore(client)
for _ in range(30):
    while True:
        session = store.load(sys.argv[1])
        try:
            store.save(replace(session, data={"n": session.data["n"] + 1}))
            break
        except VersionConflict:
            pass
print("done")
"""
    others = [beside(lab, program, id) for _ in range(2)]
    while any(other.poll() is None for other in others):
        client.script_flush()
    assert [other.stdout.read() for other in others] == ["done\n"] * 2
    assert store.load(id).data == {"n": 60} and store.load(id).version == 61


def test_a_save_keeps_the_ttl(client, store):
    """Saving changes what is stored, not when it ends."""
    id = store.create("ann")
    session = store.load(id)
    (key,) = session_keys(client)
    client.pexpire(key, 5000)
    store.save(session)
    assert 0 < client.pttl(key) <= 5000


def test_saving_a_destroyed_session_never_brings_it_back(client, store):
    """Destroyed, rotated, expired or never there: a save is a VersionConflict and leaves no key."""
    destroyed, rotated, all_destroyed = (store.load(store.create("ann")) for _ in range(3))
    store.destroy(destroyed.id)
    store.rotate(rotated.id)
    store.destroy_all("ann")
    unknown = Session("no such id", "ann", {}, 1)
    for session in (destroyed, rotated, all_destroyed, unknown):
        with pytest.raises(VersionConflict) as conflict:
            store.save(session)
        assert conflict.value.actual == 0
        assert store.load(session.id) is None
    assert not ttls(client)


def test_a_session_keeps_its_user(client, store):
    """A save under another user's name is refused: `destroy_all` would miss it."""
    session = store.load(store.create("ann", {"n": 1}))
    for user in ("bob", 'ann",{"n":2}]', "an", ""):
        with pytest.raises(ValueError, match="user"):
            store.save(replace(session, user=user))
    assert store.load(session.id) == session


def test_rotate_kills_the_old_id_at_once(client, store):
    """After a rotation the new id alone leads to the session, in the index as well."""
    old = store.create("ann", {"n": 1})
    new = store.rotate(old)
    assert new == Session(new.id, "ann", {"n": 1}, 1) and new.id != old
    assert index(store, "ann") == {new.id}
    assert store.load(old) is None and store.rotate(old) is None and not store.destroy(old)
    assert store.load(new.id) == new and store.sessions("ann") == [new]
    assert len(session_keys(client)) == 1


def test_destroy(client, store):
    """A destroyed session is gone, alone; a second time says False."""
    one, two = store.create("ann"), store.create("ann")
    assert store.destroy(one) and not store.destroy(one)
    assert store.load(one) is None and [each.id for each in store.sessions("ann")] == [two]
    assert store.destroy(two) and not ttls(client)


def test_destroy_all_ends_one_users_sessions(client, store):
    """All sessions of the user end, and nobody else's: not even those in the same slot."""
    neighbour = next(name for name in map(str, range(100_000)) if _same_slot(name, "ann"))
    ids = [store.create("ann") for _ in range(5)]
    ids.append(store.rotate(ids.pop()).id)
    others = [store.create(neighbour), store.create("bob")]
    assert store.destroy_all("ann") == 5 and store.destroy_all("ann") == 0
    assert [store.load(id) for id in ids] == [None] * 5 and store.sessions("ann") == []
    assert all(store.load(id) for id in others)
    assert len(session_keys(client)) == 2


def _same_slot(name, other):
    from redis_lab.patterns.session import _shard

    return _shard(name) == _shard(other)


# Creates and rotates sessions of one user for ever. Prints what create() and rotate() gave.
BUSY = """
store, ids = SessionStore(client), []
while True:
    ids = [*ids[-4:], store.create("ann")]
    print(ids[-1], flush=True)
    new = store.rotate(ids[0])
    if new:
        ids[0] = new.id
        print(new.id, flush=True)
"""


def test_destroy_all_misses_none_while_another_process_creates_and_rotates(
    lab, client, store, beside
):
    """Whatever had been handed out when destroy_all began is dead when it returns."""
    busy, ids = beside(lab, BUSY), []
    reader = threading.Thread(
        target=lambda: ids.extend(line.strip() for line in busy.stdout), daemon=True
    )
    reader.start()
    wait_until(lambda: "" if len(ids) > 20 else f"{len(ids)} ids", 20, "some sessions")
    for _ in range(30):
        known = list(ids)
        store.destroy_all("ann")
        assert not any(store.load(id) for id in known[-20:])
    busy.kill()
    reader.join(10)

    def left():
        """Once more: a command of the killed process may still have been on its way."""
        store.destroy_all("ann")
        return ", ".join(ttls(client))

    wait_until(left, 20, "no session that the index does not know")


def test_destroy_all_misses_none_after_a_kill(beside):
    """A server killed while another process creates and rotates comes back with a whole index."""
    with rl.standalone(config={"appendonly": "yes"}) as lab:
        busy = beside(lab, BUSY)
        ids = [busy.stdout.readline() for _ in range(50)]
        threading.Thread(target=busy.stdout.read, daemon=True).start()  # it must not get stuck
        lab.kill(lab.primary)
        assert busy.wait(20) != 0, "the process saw the error"
        lab.restart(lab.nodes[0])
        store = SessionStore(lab.client())
        assert session_keys(store.client) and len(index(store, "ann")) >= 3 and ids
        store.destroy_all("ann")
        assert not ttls(store.client)


def test_the_index_outlives_every_session(client):
    """A store with a smaller greatest age does not shorten the life of the index."""
    old = SessionStore(client, max_age=86400).create("ann")
    short = SessionStore(client, max_age=10)
    short.create("ann")
    assert max(ttls(client).values()) > 80_000_000
    assert short.destroy_all("ann") == 2 and short.load(old) is None


def test_the_index_stays_near_the_living(client):
    """Sessions that ran out leave the index as others come: it does not grow with the past."""
    brief, store = SessionStore(client, ttl=0.001), SessionStore(client)
    kept = {store.create("ann") for _ in range(3)}
    for _ in range(200):
        brief.create("ann")
    assert kept <= index(store, "ann") and len(index(store, "ann")) < 40
    assert {each.id for each in store.sessions("ann")} >= kept
    wait_until(
        lambda: "" if len(store.sessions("ann")) == 3 else "more", 10, "the end of the brief ones"
    )
    assert index(store, "ann") == kept


def test_sessions_come_oldest_first_and_do_not_slide(client, store):
    """A list of a user's sessions changes none of them."""
    ids = [store.create("ann", {"n": n}) for n in range(3)]
    client.pexpire(min(session_keys(client)), 5000)
    listed = store.sessions("ann")
    assert {each.id for each in listed} == set(ids)
    assert [int(each.id[47:]) for each in listed] == sorted(int(id[47:]) for id in ids)
    assert min(ttls(client).values()) <= 5000


@pytest.mark.parametrize(
    "id",
    ["", "x", "user:ann", "x" * 60, "../" * 20, "{a}" * 20, "é" * 60, "0" * 43 + ".0a3" + "0" * 13],
)
def test_an_id_that_nobody_was_given_leads_nowhere(client, store, id):
    """Whatever a cookie holds, it is no session and no error."""
    store.create("ann")
    keys = ttls(client).keys()
    assert store.load(id) is None and store.rotate(id) is None and not store.destroy(id)
    assert ttls(client).keys() == keys


def test_a_changed_id_leads_nowhere(store):
    """Neither another slot nor a later end can be written into an id."""
    id = store.create("ann")
    shard = "000" if id[44:47] != "000" else "001"
    assert store.load(id[:44] + shard + id[47:]) is None
    assert store.load(id[:47] + str(int(id[47:]) + 1)) is None
    assert store.load(id + "\n") is None and store.load(id)


@pytest.mark.parametrize(
    "user", ["two words", "{tag}", "a:b", "Grüße 東京", "%7B", "user:ann", '"']
)
def test_any_user_has_sessions_of_their_own(client, user):
    """Names may hold anything; users and stores are kept apart."""
    store, other = SessionStore(client, user), SessionStore(client, "other")
    id = store.create(user)
    other.create(user)
    store.create("ann")
    assert store.load(id).user == user and other.load(id) is None
    assert store.destroy_all(user) == 1 and len(other.sessions(user)) == 1


def test_every_kind_of_client(any_client):
    """Text or bytes, protocol 2 or 3: the store works the same."""
    store = SessionStore(any_client)
    id = store.create("Grüße", {"n": "ü"})
    session = store.save(store.load(id))
    assert session.data == {"n": "ü"} and type(id) is str
    new = store.rotate(id)
    assert store.sessions("Grüße") == [new] and type(new.id) is str
    assert store.destroy(new.id) and store.destroy_all("Grüße") == 0


def test_a_session_is_frozen(store):
    """It is changed by making another one of it."""
    with pytest.raises(FrozenInstanceError):
        store.load(store.create("ann")).data = {}


@pytest.mark.parametrize(
    ("error", "argument", "options"),
    [
        (TypeError, "name", {"name": 1}),
        (ValueError, "name", {"name": ""}),
        (ValueError, "ttl", {"ttl": 0}),
        (TypeError, "ttl", {"ttl": None}),
        (ValueError, "max_age", {"max_age": -1}),
        (ValueError, "max_age", {"max_age": float("inf")}),
        (ValueError, "max_bytes", {"max_bytes": 0}),
    ],
)
def test_wrong_arguments_are_named(r, error, argument, options):
    """A wrong argument is a TypeError or ValueError that names it."""
    with pytest.raises(error, match=argument):
        SessionStore(r, **options)


def test_wrong_arguments_of_calls_are_named(r):
    """So it is with those of calls, which then store nothing."""
    store = SessionStore(r, max_bytes=1000)
    for error, argument, call in [
        (TypeError, "user", lambda: store.create(7)),
        (ValueError, "user", lambda: store.create("")),
        (TypeError, "data", lambda: store.create("ann", [1])),
        (TypeError, "data", lambda: store.create("ann", {"when": {1, 2}})),
        (ValueError, "data", lambda: store.create("ann", {"n": float("nan")})),
        (ValueTooLarge, "max_bytes", lambda: store.create("ann", {"n": "x" * 1000})),
        (TypeError, "id", lambda: store.load(None)),
        (TypeError, "id", lambda: store.load(b"x")),
        (TypeError, "session", lambda: store.save({"id": "x"})),
        (TypeError, "user", lambda: store.destroy_all(None)),
        (ValueError, "user", lambda: store.sessions("")),
    ]:
        with pytest.raises(error, match=argument):
            call()
    assert not ttls(r)
    session = store.load(store.create("ann"))
    with pytest.raises(ValueTooLarge):
        store.save(replace(session, data={"n": "x" * 1000}))
    assert store.load(session.id) == session


def test_nothing_stored_is_run(client, store):
    """What is stored is JSON and nothing else: no pickle."""
    store.create("ann", {"n": 1})
    (key,) = session_keys(client)
    assert json.loads(client.get(key)) == [1, "ann", {"n": 1}]


def test_a_full_server_stores_no_session_and_ends_them(r):
    """Out of memory: create and save raise redis-py's error, load and destroy work."""
    store = SessionStore(r)
    id = store.create("ann")
    r.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.OutOfMemoryError):
            store.create("bob")
        with pytest.raises(redis.OutOfMemoryError):
            store.save(store.load(id))
        assert len(ttls(r)) == 2 and store.destroy_all("ann") == 1
    finally:
        r.config_set("maxmemory", 0)


def test_server_gone_and_back():
    """While the server is away, each call raises redis-py's error; after a restart all is there."""
    with rl.standalone(config={"appendonly": "yes", "appendfsync": "always"}) as lab:
        store = SessionStore(lab.client())
        id, dead = store.create("ann", {"n": 1}), store.create("ann")
        session = store.load(id)
        store.destroy(dead)
        lab.kill(lab.primary)
        for call in (
            lambda: store.load(id),
            lambda: store.create("ann"),
            lambda: store.save(session),
            lambda: store.rotate(id),
            lambda: store.destroy(id),
            lambda: store.destroy_all("ann"),
            lambda: store.sessions("ann"),
        ):
            with pytest.raises(GONE):
                call()
        lab.restart(lab.nodes[0])
        assert store.load(id) == session and store.load(dead) is None
        assert store.sessions("ann") == [session]
        assert 0 < min(ttls(store.client).values()) <= 1_800_000


def test_failover_and_read_only_replica():
    """A replica refuses; after a failover sessions, their TTL and the index are there."""
    with rl.sentinel(replicas=1, down_after=0.5) as lab:
        client = lab.client()
        store = SessionStore(client)
        ids = [store.create("ann", {"n": n}) for n in range(5)]
        store.destroy(ids[4])
        client.wait(1, 5000)
        for call in (lambda s: s.load(ids[0]), lambda s: s.create("ann")):
            with pytest.raises(redis.ReadOnlyError):
                call(SessionStore(lab.replicas[0].client()))
        lab.kill(lab.primary)
        lab.wait_healthy()
        wait_until(lambda: _unanswered(client), 30, "the new primary")
        assert [bool(store.load(id)) for id in ids] == [True] * 4 + [False]
        assert all(0 < ttl <= AGE + 1000 for ttl in ttls(client).values())
        assert store.destroy_all("ann") == 4 and not ttls(client)


def _unanswered(client):
    try:
        client.ping()
    except redis.RedisError as error:
        return repr(error)
    return ""
