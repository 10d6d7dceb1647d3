"""Scripts by name, whatever the server has forgotten; libraries of functions, by version."""

import hashlib
import json

import pytest
import redis

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import FunctionLibrary, RedisLabError, Script, VersionConflict, script

COUNT = Script("count", "return redis.call('INCRBY', KEYS[1], ARGV[1])")


def library(version, answer=None, name="board"):
    """The source of a library with one function, `answer`."""
    return (
        f"#!lua name={name}\n-- version: {version}\n"
        f"redis.register_function('{name}_answer', function() return {answer or version} end)\n"
    )


def states(client, source):
    return [each.state for each in FunctionLibrary(client, source).status()]


# scripts


def test_packaged_scripts_are_found_by_name():
    """The source is the file's, the hash its SHA1; asked twice it is the same object."""
    found = script("gcra")
    assert found.source.startswith("-- GCRA") and "redis.call('TIME')" in found.source
    assert found.sha == hashlib.sha1(found.source.encode()).hexdigest()
    assert script("gcra") is found and "gcra" in repr(found)


def test_an_unknown_name_is_a_key_error_that_lists_the_names():
    """A typing mistake shows what there is; nothing outside the folder is read."""
    for name in ("grca", "", "../scripting", "gcra.lua"):
        with pytest.raises(KeyError, match=r"there are .*gcra.*token_bucket"):
            script(name)


def test_a_first_call_loads_the_script_and_later_ones_use_its_hash(client):
    """EVALSHA first, EVAL where the server does not know it: after that it does."""
    assert [COUNT(client, ["n"], [2]) for _ in range(3)] == [2, 4, 6]
    node = client.get_node_from_key("n") if isinstance(client, redis.RedisCluster) else None
    direct = client.get_redis_connection(node) if node else client
    assert direct.script_exists(COUNT.sha) == [True]


def test_script_flush_costs_one_more_trip_and_no_error(client):
    """After SCRIPT FLUSH the next call runs, once, and is remembered again."""
    COUNT(client, ["n"], [1])
    client.script_flush()
    assert [COUNT(client, ["n"], [1]) for _ in range(2)] == [2, 3]


def test_a_flush_between_all_calls_of_two_processes(server, r, beside):
    """Under a hail of SCRIPT FLUSH, each call of two processes happens exactly once."""
    program = """
count = Script("count", "return redis.call('INCRBY', KEYS[1], ARGV[1])")
for _ in range(500):
    count(client, ["n"], [1])
"""
    processes = [beside(server, program) for _ in range(2)]
    while any(process.poll() is None for process in processes):
        r.script_flush()
    assert [process.returncode for process in processes] == [0, 0]
    assert r.get("n") == "1000"


@pytest.mark.parametrize("transaction", [True, False])
def test_scripts_run_in_pipelines(client, transaction):
    """Also when the server has never seen them, and with SCRIPT FLUSH just before."""
    for expected in ([1, 3], [4, 6]):
        client.script_flush()
        with client.pipeline(transaction=transaction) as pipeline:
            COUNT(pipeline, ["{n}"], [1])
            COUNT(pipeline, ["{n}"], [2])
            assert pipeline.execute() == expected


def test_scripts_run_in_a_watched_transaction(r):
    """Within WATCH and MULTI too; a change by someone else stops them."""
    with r.pipeline() as pipeline:
        pipeline.watch("n")
        pipeline.multi()
        COUNT(pipeline, ["n"], [1])
        r.set("n", 5)
        with pytest.raises(redis.WatchError):
            pipeline.execute()
    assert r.get("n") == "5"


def test_each_node_of_a_cluster_learns_the_script(labs):
    """Keys on three primaries: each loads it for itself."""
    lab = labs("cluster")
    lab.flush()
    with lab.client() as client:
        assert [COUNT(client, [f"n{number}"], [1]) for number in range(30)] == [1] * 30
        assert all(node.client().script_exists(COUNT.sha) == [True] for node in lab.primaries)
        with pytest.raises((redis.RedisError, redis.exceptions.RedisClusterException)):
            COUNT(client, ["a", "b"], [1])


def test_every_kind_of_client_calls_scripts(any_client):
    """Replies decoded or not, protocol 2 or 3; text and bytes as arguments."""
    echo = Script("echo", "return {ARGV[1], tonumber(ARGV[2])}")
    first, second = echo(any_client, [], ["né".encode(), 7])
    assert first in ("né", "né".encode()) and second == 7


def test_an_error_in_a_script_is_redis_pys_own(client):
    """A script that fails is not run again: only NOSCRIPT is answered with the source."""
    wrong = Script("wrong", "redis.call('INCR', KEYS[1]) return redis.error_reply('ERR enough')")
    for expected in ("1", "2"):
        with pytest.raises(redis.ResponseError, match="enough"):
            wrong(client, ["n"])
        assert client.get("n") == expected


def test_scripts_survive_a_restart():
    """A restarted server has forgotten its scripts; the data and the count go on."""
    with rl.standalone(config={"appendonly": "yes"}) as lab, lab.client() as client:
        COUNT(client, ["n"], [1])
        lab.kill(lab.primary)
        with pytest.raises(redis.ConnectionError):
            COUNT(client, ["n"], [1])
        lab.restart(lab.primary)
        lab.wait_healthy()
        assert client.script_exists(COUNT.sha) == [False]
        assert COUNT(client, ["n"], [1]) == 2


def test_scripts_and_functions_survive_a_sentinel_failover():
    """The new primary knows the functions from replication, and learns the script in the call."""
    with rl.sentinel(replicas=1, down_after=0.5) as lab, lab.client() as client:
        COUNT(client, ["n"], [1])
        FunctionLibrary(client, library(1)).load()
        assert client.wait(1, 5000) == 1
        lab.kill(lab.primary)
        wait_until(lambda: "" if counted(client, "n") else "no server", 20, "a new primary")
        assert client.get("n") == "2"
        assert client.fcall("board_answer", 0) == 1
        assert states(client, library(1)) == ["current"]


def counted(client, key):
    try:
        COUNT(client, [key], [1])
    except redis.RedisError:
        return False
    return True


def test_scripts_and_functions_survive_a_cluster_failover():
    """So on a Cluster, where a replica takes over; a pipeline finds it as well."""
    with rl.cluster(primaries=3, replicas=1) as lab, lab.client() as client:
        old = client.get_node_from_key("n").name
        COUNT(client, ["n"], [1])
        FunctionLibrary(client, library(3)).load()
        primary = next(node for node in lab.primaries if f"{node.host}:{node.port}" == old)
        assert primary.client().wait(1, 5000) == 1
        lab.failover(primary)
        assert COUNT(client, ["n"], [1]) == 2
        client.nodes_manager.initialize()
        assert client.get_node_from_key("n").name != old
        with client.pipeline() as pipeline:
            COUNT(pipeline, ["n"], [1])
            assert pipeline.execute() == [3]
        assert states(client, library(3)) == ["current"] * 3


# functions


def test_a_library_is_loaded_on_every_primary(client):
    """Missing before, current after, callable for keys on each primary; loading again is free."""
    ours = FunctionLibrary(client, library(1))
    nodes = 3 if isinstance(client, redis.RedisCluster) else 1
    client.function_flush()
    assert states(client, library(1)) == ["missing"] * nodes
    assert [each.state for each in ours.load()] == ["missing"] * nodes
    assert [each.state for each in ours.load()] == ["current"] * nodes
    assert len({each.node for each in ours.status()}) == nodes
    assert [client.fcall("board_answer", 1, f"key{number}") for number in range(9)] == [1] * 9


def test_a_newer_version_replaces_an_older(client):
    """The states say so on both sides, and what is called is the newer code."""
    client.function_flush()
    FunctionLibrary(client, library(9)).load()
    assert set(states(client, library(10))) == {"older"}
    found = FunctionLibrary(client, library(10)).load()
    assert {(each.state, each.version) for each in found} == {("older", 9)}
    assert client.fcall("board_answer", 1, "key") == 10


def test_an_older_version_never_replaces_a_newer_silently(client):
    """It is a VersionConflict with both numbers; only replace=True goes back."""
    client.function_flush()
    FunctionLibrary(client, library(10)).load()
    older = FunctionLibrary(client, library(9))
    assert set(states(client, library(9))) == {"newer"}
    with pytest.raises(VersionConflict) as error:
        older.load()
    assert (error.value.expected, error.value.actual) == (9, 10)
    assert client.fcall("board_answer", 1, "key") == 10
    older.load(replace=True)
    assert client.fcall("board_answer", 1, "key") == 9


@pytest.mark.parametrize(
    ("theirs", "version"),
    [(library(2, answer=7), 2), (library(2).replace("-- version: 2\n", ""), None)],
)
def test_other_code_under_one_version_is_drift(client, theirs, version):
    """The same version with other code, or code without one, is told and left in its place."""
    client.function_flush()
    for node in primaries(client):
        node.function_load(theirs)
    ours = FunctionLibrary(client, library(2))
    assert {(each.state, each.version) for each in ours.status()} == {("drifted", version)}
    with pytest.raises(RedisLabError, match=r"board on .* has other code"):
        ours.load()
    assert set(states(client, library(2))) == {"drifted"}
    ours.load(replace=True)
    assert client.fcall("board_answer", 1, "key") == 2


def primaries(client):
    if not isinstance(client, redis.RedisCluster):
        return [client]
    return [client.get_redis_connection(node) for node in client.get_primaries()]


def test_one_node_that_differs_stops_the_load_on_all(labs):
    """Node by node it is told who has what; with one newer among them, none is changed."""
    lab = labs("cluster")
    lab.flush()
    with lab.client() as client:
        client.function_flush()
        first, second, third = primaries(client)
        first.function_load(library(1))
        third.function_load(library(5))
        assert states(client, library(2)) == ["older", "missing", "newer"]
        with pytest.raises(VersionConflict):
            FunctionLibrary(client, library(2)).load()
        assert states(client, library(2)) == ["older", "missing", "newer"]
        FunctionLibrary(client, library(6)).load()
        assert [node.fcall("board_answer", 0) for node in (first, second, third)] == [6, 6, 6]


def test_two_processes_never_replace_a_newer_by_an_older(lab, client, beside):
    """Odd and even versions raced by two processes: each is replaced once at most, by a newer."""
    client.function_flush()
    program = f"""
{__import__("inspect").getsource(library)}
print("ready", flush=True)
sys.stdin.readline()
steps = []
for version in range(int(sys.argv[1]), 60, 2):
    try:
        found = FunctionLibrary(client, library(version)).load()
        steps += [(each.node, each.version or 0, version) for each in found]
    except VersionConflict:
        pass
print(json.dumps(steps), flush=True)
"""
    processes = [beside(lab, program, first) for first in (1, 2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    steps = [tuple(s) for p in processes for s in json.loads(p.communicate(timeout=60)[0])]
    assert all(before < after for _, before, after in steps)
    assert len({(node, before) for node, before, _ in steps}) == len(steps)
    assert set(states(client, library(59))) == {"current"}


def test_code_that_does_not_compile_leaves_the_library_as_it_was(r):
    """The error is the server's; the old library goes on."""
    r.function_flush()
    FunctionLibrary(r, library(1)).load()
    with pytest.raises(redis.ResponseError):
        FunctionLibrary(r, library(2) + "this is no Lua").load()
    assert r.fcall("board_answer", 0) == 1
    assert all(r.pttl(key) > 0 for key in r.scan_iter())


def test_every_kind_of_client_manages_libraries(any_client):
    """Replies decoded or not, protocol 2 or 3; code beyond ASCII is compared as text."""
    any_client.function_flush()
    source = library(1) + "-- né 飛行\n"
    assert states(any_client, source) == ["missing"]
    FunctionLibrary(any_client, source).load()
    assert states(any_client, source) == ["current"]
    assert states(any_client, library(1)) == ["drifted"]


def test_a_library_on_a_replica_is_refused(server):
    """FUNCTION LOAD on a read-only replica is redis-py's error; status can be read there."""
    with rl.replicated(replicas=1) as lab, lab.client() as client:
        FunctionLibrary(client, library(1)).load()
        assert client.wait(1, 5000) == 1
        (replica,) = lab.replicas
        assert states(replica.client(), library(1)) == ["current"]
        with pytest.raises(redis.exceptions.ReadOnlyError):
            FunctionLibrary(replica.client(), library(2)).load()


def test_sources_without_name_or_version_are_refused(r):
    """The error says which line is missing."""
    for source in ("", "return 1", "#!lua\n-- version: 1\n", "\n" + library(1)):
        with pytest.raises(ValueError, match="#!lua name"):
            FunctionLibrary(r, source)
    for line in ("", "-- version: two", "-- version 1", "x -- version: 1"):
        with pytest.raises(ValueError, match="version"):
            FunctionLibrary(r, library(1).replace("-- version: 1", line))
    with pytest.raises(TypeError, match="source"):
        FunctionLibrary(r, library(1).encode())
