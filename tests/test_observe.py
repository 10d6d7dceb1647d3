"""Tables of what servers hold, what they say of themselves, and how long calls take."""

import pytest

import redis_lab as rl
from redis_lab.observe import bench, encodings, info, latency, memory, slowlog


@pytest.fixture(params=[True, False], ids=["text", "bytes"])
def r(request):
    """A client of a fresh server that decodes replies, or not."""
    with rl.standalone() as lab:
        yield lab.client(decode_responses=request.param)


@pytest.fixture
def filled(r):
    """One key of each type."""
    r.set("text", "x" * 100)
    r.set("number", 42)
    r.rpush("list", *range(10))
    r.hset("hash", mapping={f"f{n}": n for n in range(600)})
    r.sadd("set", *range(20))
    r.zadd("board", {f"m{n}": n for n in range(5)})
    r.xadd("stream", {"a": 1})
    return r


def test_memory_tells_each_key_with_its_type_encoding_items_and_bytes(filled):
    """The bytes are those of MEMORY USAGE, the items those of the type's own counting command."""
    frame = memory(filled).set_index("key")
    assert set(frame.index) == {"text", "number", "list", "hash", "set", "board", "stream"}
    assert frame.loc["hash", ["type", "encoding", "items"]].tolist() == ["hash", "hashtable", 600]
    assert frame.loc["number", "encoding"] == "int"
    assert frame.loc["text", "items"] == 100
    for key in frame.index:
        assert frame.loc[key, "bytes"] == filled.memory_usage(key, samples=0)
    assert frame["bytes"].is_monotonic_decreasing
    assert frame.loc["set", "bytes_per_item"] == frame.loc["set", "bytes"] / 20


def test_memory_is_told_of_the_matching_keys_only(filled):
    """A pattern as in SCAN; none that matches is an empty table with the same columns."""
    assert set(memory(filled, "*st*").key) == {"list", "stream"}
    assert list(memory(filled, "nothing").columns) == list(memory(filled).columns)
    assert memory(filled, "nothing").empty


def test_encodings_are_summed_by_type(filled):
    """A row for each type and encoding, with the number of keys and the sum of bytes."""
    frame = encodings(filled).set_index(["type", "encoding"])
    assert frame["keys"].sum() == 7
    assert frame.loc[("hash", "hashtable"), "items"] == 600
    assert frame["bytes"].sum() == memory(filled)["bytes"].sum()


def test_a_cluster_is_asked_on_every_primary():
    """Keys of all slots are told."""
    with rl.cluster(primaries=3, replicas=0) as lab:
        r = lab.client()
        for key in "abcdef":
            r.set(key, key)
        assert set(memory(r).key) == set("abcdef")


def test_more_keys_than_a_batch_are_told_once_each(r):
    """SCAN may repeat keys; the table doesn't."""
    r.mset({f"k{n}": n for n in range(2500)})
    frame = memory(r)
    assert len(frame) == frame.key.nunique() == 2500


def test_info_is_a_series_of_numbers_and_text(r):
    """Numbers can be reckoned with; an unknown section is an error that names it."""
    said = info(r, "memory")
    assert said["used_memory"] > 100_000
    assert said["mem_allocator"]
    with pytest.raises(ValueError, match="nonsense"):
        info(r, "nonsense")


def test_latency_tells_the_servers_times_by_command(r):
    """Calls, mean and percentiles, and how many failed."""
    for n in range(50):
        r.set(f"k{n}", n)
    with pytest.raises(Exception, match="WRONGTYPE"):
        r.lpush("k1", 1)
    frame = latency(r).set_index("command")
    assert frame.loc["set", "calls"] == 50
    assert 0 < frame.loc["set", "p50_us"] <= frame.loc["set", "p99_us"]
    assert frame.loc["lpush", "failed"] == 1


def test_slowlog_tells_what_was_slow(r):
    """Newest first, with the time and the command as it was sent."""
    r.config_set("slowlog-log-slower-than", 0)
    r.set("slow", b"\xff\x00")
    r.config_set("slowlog-log-slower-than", -1)
    frame = slowlog(r)
    assert frame.command.str.startswith("SET slow").sum() == 1
    assert (frame.us >= 0).all() and frame["at"].dt.tz is not None
    assert frame.id.is_monotonic_decreasing


def test_bench_measures_side_by_side():
    """Each way has its calls, its speed and its percentiles; the first is 1.0."""

    def slow():
        sum(range(2000))

    frame = bench({"fast": lambda: None, "slow": slow}, seconds=0.05)
    assert list(frame.index) == ["fast", "slow"]
    assert frame.loc["fast", "relative"] == 1.0 > frame.loc["slow", "relative"]
    assert (frame.calls > 0).all() and frame.loc["fast", "p50_us"] < frame.loc["slow", "p50_us"]


def test_bench_takes_any_names():
    """A name may be a tuple, and stays one."""
    table = bench({("get", 1): int, "two": int}, seconds=0.01)
    assert table.index.tolist() == [("get", 1), "two"]
    assert table.index.name == "way"


def test_bench_tells_no_percentile_of_a_few_calls():
    """p99 of a hundred calls would be one call."""
    frame = bench({"rare": lambda: sum(range(100_000))}, seconds=0.02)
    assert frame.p99_us.isna().all()


@pytest.mark.parametrize("wrong", [{"ways": {}}, {"ways": {"a": int}, "seconds": 0}])
def test_bench_refuses_what_can_not_be_measured(wrong):
    """No way, or no time."""
    with pytest.raises(ValueError, match=r"ways|seconds"):
        bench(**wrong)
