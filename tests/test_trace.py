"""trace(client): what it counts, what it leaves out, and that it leaves no trace itself."""

import queue
import threading
import time

import pytest
import redis
import redis.asyncio
from redis._parsers import _RESP2Parser, _RESP3Parser
from redis.backoff import NoBackoff
from redis.retry import Retry

import redis_lab as rl
from redis_lab.observe import trace

_METHODS = ("send_packed_command", "read_response", "connect_check_health", "_send_ping", "re_auth")


@pytest.fixture(scope="module")
def lab():
    with rl.standalone() as lab:
        yield lab


@pytest.fixture
def r(lab):
    lab.client().flushall()
    return lab.client()


@pytest.fixture(scope="module")
def cluster():
    with rl.cluster(primaries=3, replicas=0) as lab:
        yield lab


def until(reached, patience=10.0):
    """Poll a state; the deadline is for a broken test, not a measurement."""
    deadline = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < deadline, "state not reached"
        time.sleep(0.01)  # leave the interpreter to the threads under test


def names(t):
    return list(t.frame().command)


def parser_socket(connection):
    parser = connection._parser
    holder = parser if hasattr(parser, "_reader") else parser._buffer
    return holder._sock


def test_commands_are_listed_in_order_with_arguments_and_replies(r):
    """The frame has one row a command, in the order they left, with short arguments and replies."""
    with trace(r) as t:
        r.set("a", "hello world")
        r.get("a")
        r.get("nothing")
        r.config_get("maxmemory")
    frame = t.frame()
    assert names(t) == ["SET", "GET", "GET", "CONFIG GET"]
    assert list(frame.trip) == [1, 2, 3, 4]
    assert list(frame.args) == ['a "hello world"', "a", "nothing", "maxmemory"]
    assert list(frame.reply) == ["OK", '"hello world"', "nil", "1 item"]


def test_totals_are_the_bytes_on_the_wire(r):
    """sent and received are the bytes of the commands and of their replies, exactly."""
    r.ping()
    with trace(r) as t:
        r.set("a", "x" * 10)
        r.get("a")
    assert t.sent == len(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10\r\nxxxxxxxxxx\r\n") + len(
        b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
    )
    assert t.received == len(b"+OK\r\n") + len(b"$10\r\nxxxxxxxxxx\r\n")
    assert t.frame().sent.sum() == t.sent


def test_a_pipeline_is_one_trip(r):
    """n commands of a pipeline travel in one round trip."""
    with trace(r) as t:
        pipe = r.pipeline(transaction=False)
        for number in range(100):
            pipe.set(f"k{number}", number)
        pipe.execute()
    assert (t.commands, t.trips) == (100, 1)


def test_a_transaction_shows_multi_and_exec(r):
    """MULTI and EXEC are commands like any other, and the whole of it is one trip."""
    with trace(r) as t, r.pipeline() as pipe:
        pipe.incr("n").incr("n").execute()
    assert names(t) == ["MULTI", "INCRBY", "INCRBY", "EXEC"]
    assert list(t.frame().reply) == ["OK", "QUEUED", "QUEUED", "2 items"]
    assert t.trips == 1


def test_scripts_are_shown_by_the_head_of_their_digest(r):
    """EVALSHA leaves room for its keys."""
    sha = r.script_load("return redis.call('GET', KEYS[1])")
    with trace(r) as t:
        r.evalsha(sha, 1, "a")
    assert t.frame().args[0] == f"{sha[:7]}… 1 a"


def test_error_replies_are_shown(r):
    """An error is a reply too."""
    r.set("a", "text")
    with trace(r) as t, pytest.raises(redis.ResponseError):
        r.incr("a")
    assert t.frame().reply[0].startswith("ResponseError: value is not an integer")


def test_arguments_are_shortened_and_readable(r):
    """Long values, many arguments and binary ones stay within 60 printable characters."""
    with trace(r) as t:
        r.set("b", b"\x00\xff\n")
        r.mset({f"key{number}": "x" * 1000 for number in range(50)})
    assert t.frame().args[0] == r"b \x00\xff\n"
    assert t.frame().args.str.len().max() <= 60


def test_other_clients_are_not_counted(lab, r):
    """What another client does meanwhile is in neither commands nor trips nor bytes."""
    other = lab.client()
    with trace(r) as t:
        other.set("a", 1)
        r.get("a")
        other.get("a")
    assert names(t) == ["GET"]


def test_setting_up_a_connection_is_not_counted(lab):
    """HELLO, AUTH, CLIENT SETINFO and SELECT of a new connection are no commands of the block."""
    r = lab.client(db=1, client_name="fresh")
    with trace(r) as t:
        r.get("a")
        r.connection_pool.disconnect()
        r.get("a")
    assert names(t) == ["GET", "GET"]
    assert t.received == 2 * len(b"_\r\n")


def test_health_checks_are_not_counted(lab):
    """redis-py's own PING before a command is not the block's."""
    r = lab.client(health_check_interval=1e-9)
    r.get("a")
    with trace(r) as t:
        r.get("a")
        r.get("a")
    assert names(t) == ["GET", "GET"]


def test_passwords_are_not_shown(lab, r):
    """Where a password may stand in a command there is "(hidden)"."""
    password = lab.client().connection_pool.connection_kwargs["password"]
    with trace(r) as t:
        r.execute_command("AUTH", password)
        r.execute_command("HELLO", 3, "AUTH", "default", password)
        r.execute_command("ACL SETUSER", "bob", "on", ">geheim123", "+get")
        r.config_set("masterauth", "geheim123")
        r.set("auth", "shown")
    shown = repr(t) + t._repr_html_() + t.frame().to_string()
    assert password not in shown and "geheim123" not in shown
    assert list(t.frame().args) == [
        "(hidden)",
        "3 AUTH (hidden)",
        "bob on >(hidden) +get",
        "masterauth (hidden)",
        "auth shown",
    ]


def test_a_retry_is_counted_again(lab, r):
    """A command that redis-py sends again after a timeout is one more command and trip."""
    retrying = lab.client(socket_timeout=0.1, retry=Retry(NoBackoff(), 50))
    r.client_pause(1000, all=False)  # writes wait for a second
    with trace(retrying) as t:
        assert retrying.incr("retried") >= 1
    assert set(names(t)) == {"INCRBY"}
    assert t.commands == t.trips > 1
    assert set(t.frame().reply[:-1]) == {"TimeoutError"}


@pytest.mark.parametrize("broken", [False, True])
def test_the_client_is_as_before(r, broken):
    """After the block, and after an exception in it, nothing of the trace is left."""
    r.ping()
    pool = r.connection_pool
    connection = pool.get_connection()
    pool.release(connection)
    before, own = dict(vars(pool)), set(vars(connection))
    try:
        with trace(r):
            r.get("a")
            assert set(_METHODS) <= vars(connection).keys()
            if broken:
                raise KeyError
    except KeyError:
        pass
    assert vars(pool).keys() == before.keys()
    assert set(vars(connection)) == own
    assert type(parser_socket(connection)).__module__ == "socket"
    assert r.get("a") is None


def test_traces_nest_and_overlap(r):
    """Each of two overlapping traces has the commands between its own start and end."""
    outer, inner = trace(r), trace(r)
    outer.__enter__()
    r.set("a", 1)
    inner.__enter__()
    r.get("a")
    outer.__exit__(None, None, None)
    r.incr("a")
    inner.__exit__(None, None, None)
    r.decr("a")
    assert names(outer) == ["SET", "GET"]
    assert names(inner) == ["GET", "INCRBY"]
    assert "get_connection" not in vars(r.connection_pool)


def test_a_trace_is_for_one_block(r):
    """Entering a trace again is a mistake that is told."""
    with trace(r) as t:
        r.ping()
    with pytest.raises(RuntimeError, match="one block"):
        t.__enter__()


def test_threads_share_the_client(r):
    """Eight threads on one client: every command is counted once, every reply is the right one."""
    wrong = queue.Queue()

    def work(name):
        for number in range(50):
            r.set(name, number)
            if r.get(name) != str(number):
                wrong.put((name, number))

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(8)]
    with trace(r) as t:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong.empty()
    assert t.frame().command.value_counts().to_dict() == {"SET": 400, "GET": 400}
    gets = t.frame().query("command == 'GET'")
    assert set(gets.reply) == {str(number) for number in range(50)}


def test_a_call_that_outlives_the_trace_gets_its_reply(lab, r):
    """A trace that begins and ends while another thread waits for a reply does not disturb it."""
    got = queue.Queue()
    waiter = threading.Thread(target=lambda: got.put(r.blpop("jobs", timeout=1.5)))
    waiter.start()
    other = lab.client()
    until(lambda: other.info("clients")["blocked_clients"])
    with trace(r) as t:
        r.ping()
    other.rpush("jobs", "one")
    waiter.join()
    assert got.get() == ["jobs", "one"]
    assert names(t) == ["PING"]


def test_a_connection_taken_before_is_traced(r):
    """A pipeline that watches since before the block is traced in it."""
    with r.pipeline() as pipe:
        pipe.watch("a")
        with trace(r) as t:
            pipe.multi()
            pipe.set("a", 1)
            pipe.execute()
    assert names(t) == ["MULTI", "SET", "EXEC"]


@pytest.mark.parametrize("parser", [_RESP2Parser, _RESP3Parser])
def test_without_hiredis_the_count_is_the_same(lab, parser):
    """redis-py's own parsers read the socket elsewhere; bytes are counted there too."""
    kwargs = lab.client().connection_pool.connection_kwargs
    kwargs |= {"parser_class": parser, "protocol": 2 if parser is _RESP2Parser else 3}
    with redis.Redis(connection_pool=redis.ConnectionPool(**kwargs)) as r, trace(r) as t:
        r.set("a", "x" * 10)
        r.get("a")
    assert t.received == len(b"+OK\r\n") + len(b"$10\r\nxxxxxxxxxx\r\n")


def test_server_time_is_what_commandstats_says(r):
    """Alone on the server, server_us is the time in INFO commandstats, to the microsecond."""
    r.config_resetstat()
    with trace(r) as t:
        r.eval("for i = 1, 1000000 do end", 0)
        r.get("a")
    stats = r.info("commandstats")
    assert t.server_us == stats["cmdstat_eval"]["usec"] + stats["cmdstat_get"]["usec"]
    assert t.server_us > 100
    assert "≈" not in repr(t)


def test_server_time_of_a_transaction_is_counted_once(r):
    """EXEC's time includes that of the queued commands, which are not added again."""
    r.config_resetstat()
    with trace(r) as t, r.pipeline() as pipe:
        pipe.eval("for i = 1, 1000000 do end", 0).execute()
    stats = r.info("commandstats")
    assert t.server_us == stats["cmdstat_exec"]["usec"] + stats["cmdstat_multi"]["usec"]


def test_server_time_is_shared_with_others_and_says_so(lab, r):
    """When others ran the same command, our share of its time is given, marked as about."""
    with trace(r) as t:
        r.eval("for i = 1, 1000000 do end", 0)
        lab.client().eval("for i = 1, 1000000 do end", 0)
    assert "≈" in repr(t)


def test_server_time_is_unknown_after_a_kill():
    """A server that died in the block can't be asked, and the trace says so, not a number."""
    with rl.standalone() as lab:
        r = lab.client()
        with trace(r) as t:
            r.set("a", 1)
            lab.kill(lab.nodes[0])
    assert t.server_us is None
    assert "server time unknown" in repr(t)


def test_a_cluster_client_is_summed_over_its_nodes(cluster):
    """On a Cluster each node's commands count; a pipeline is a trip to every node it concerns."""
    r = cluster.client()
    keys = [f"k{number}" for number in range(30)]
    with trace(r) as t:
        for key in keys:
            r.set(key, 1)
    assert t.commands == t.trips == 30
    assert t.frame().node.nunique() == 3
    assert t.server_us is not None
    with trace(r) as t:
        pipe = r.pipeline()
        for key in keys:
            pipe.get(key)
        pipe.execute()
    assert (t.commands, t.trips) == (30, 3)
    for node in r.get_nodes():
        assert "get_connection" not in vars(node.redis_connection.connection_pool)
    assert "create_redis_node" not in vars(r.nodes_manager)


def test_a_node_that_a_cluster_client_learns_of_is_traced(cluster):
    """A node that the client first meets inside the block counts as well."""
    r = cluster.client()
    r.set("a", 1)
    owner = r.get_node_from_key("a")
    with trace(r) as t:
        r.nodes_manager.startup_nodes.pop(owner.name)
        r.nodes_manager.nodes_cache.pop(owner.name, None)
        r.nodes_manager.initialize()
        assert r.get_node_from_key("a") is not owner
        r.set("a", 2)
    assert t.frame().query("command == 'SET'").node.tolist() == [owner.name]
    assert "get_connection" not in vars(r.get_node_from_key("a").redis_connection.connection_pool)


def test_a_sentinel_client_is_traced_without_its_questions_to_sentinels():
    """master_for: the commands to the primary, not the discovery behind a new connection."""
    with rl.sentinel(replicas=1, sentinels=1) as lab:
        r = lab.client()
        with trace(r) as t:
            r.set("a", 1)
            r.get("a")
        assert names(t) == ["SET", "GET"]
        assert t.frame().node.unique().tolist() == [f"127.0.0.1:{lab.primary.port}"]
        assert t.server_us is not None


def test_the_repr_has_totals_and_escapes(r):
    """Text and HTML open with the totals; values are escaped; long traces are cut."""
    with trace(r) as t:
        assert "still running" in repr(t)
        r.set("a", "<script>")
        for _ in range(30):
            r.get("a")
    assert repr(t).startswith("31 commands in 31 round trips: ")
    assert "and 11 more" in repr(t)
    html = t._repr_html_()
    assert "31 commands in 31 round trips" in html
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_an_empty_block(r):
    """A block that ran nothing has nothing, and can be shown."""
    with trace(r) as t:
        pass
    assert (t.commands, t.trips, t.sent, t.received, t.server_us) == (0, 0, 0, 0, 0.0)
    assert t.frame().empty
    assert "0 commands" in repr(t) + t._repr_html_()


def test_asyncio_clients_are_refused():
    """A client whose calls the trace cannot see is refused at once."""
    with pytest.raises(TypeError, match="client"):
        trace(redis.asyncio.Redis())
