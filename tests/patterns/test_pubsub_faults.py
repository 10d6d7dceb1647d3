"""Subscriber while the server is killed, paused, cut off and failed over, and slots move."""

import logging
import threading
from contextlib import contextmanager

import pytest
from redis.backoff import ConstantBackoff
from redis.exceptions import (
    ConnectionError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    TimeoutError,
)
from redis.retry import Retry

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import Subscriber, publish


class Log:
    """What a Subscriber in the background saw, in order: messages' data, and "GAP"."""

    def __init__(self, client, *names, silence=1.0, **kinds):
        self.entries = []
        self.subscriber = Subscriber(
            client,
            *names,
            silence=silence,
            on_reconnect=lambda names: self.entries.append("GAP"),
            **kinds,
        )
        self.thread = self.subscriber.run_in_background(lambda m: self.entries.append(m.data))

    def wait_for(self, entry):
        wait_until(lambda: "" if entry in self.entries else str(self.entries[-5:]), 20, repr(entry))


@contextmanager
def log(client, *names, **options):
    log = Log(client, *names, **options)
    yield log
    log.subscriber.close()
    assert not log.thread.is_alive()


def publish_until_heard(lab, log, word, **options):
    """Publish until one is heard: how long a way back takes is the server's business."""
    count = 0

    def missing():
        nonlocal count
        count += 1
        try:
            with lab.client() as client:
                publish(client, "news", f"{word}{count}", **options)
        except (RedisError, RedisClusterException, rl.LabUnavailable) as error:
            return str(error)
        heard = any(str(entry).startswith(word) for entry in log.entries)
        return "" if heard else f"{count} published, {log.entries[-5:]}"

    wait_until(missing, 30, word, every=0.05)


def cut(lab, subscriber):
    """Kill the connection of its first link."""
    port = subscriber._links[0].connection.port
    with next(node for node in lab.nodes if node.port == port).client() as admin:
        admin.client_kill_filter(_type="pubsub")


def test_a_cut_connection_comes_back_and_says_so(lab, client, caplog):
    """For each lost connection one return: counted, called back, logged, in order."""
    with (
        caplog.at_level(logging.WARNING, "redis_lab.patterns.pubsub"),
        log(client, ["news"], ["n*"]) as seen,
    ):
        for number in range(1, 6):
            cut(lab, seen.subscriber)
            wait_until(
                lambda n=number: "" if seen.entries.count("GAP") == n else str(seen.entries),
                10,
                "the return",
            )
            publish(client, "news", f"after {number}")
            seen.wait_for(f"after {number}")
        assert seen.subscriber.reconnects == 5
        wait_until(lambda: "" if len(seen.entries) == 15 else str(seen.entries), 10, "both kinds")
        assert seen.entries == [
            entry for n in range(1, 6) for entry in ("GAP", f"after {n}", f"after {n}")
        ]
        said = [record.getMessage() for record in caplog.records]
        assert sum("lost the subscription to news, n*" in line for line in said) == 5
        assert sum("subscribed to news, n* again" in line for line in said) == 5


def test_what_came_before_the_cut_is_heard_before_the_return(server, r):
    """Messages that had arrived when the connection died are handed out, then the gap is told."""
    told = []
    with Subscriber(r, ["news"], on_reconnect=lambda names: told.append(names)) as subscriber:
        for number in range(100):
            publish(r, "news", str(number))
        cut(server, subscriber)
        messages = subscriber.listen()
        assert [next(messages).data for _ in range(100)] == [str(n) for n in range(100)]
        assert told == []
        done = threading.Event()
        threading.Thread(target=lambda: repeat(done, lambda: publish(r, "news", "x"))).start()
        assert next(messages).data == "x"
        done.set()
        assert told == [("news",)]


def repeat(done, work):
    while not done.wait(0.02):
        work()


def test_pubsub_thread_survives_failing_reconnects(caplog):
    """redis-py's thread dies with the first reconnect that fails: ours tries on until one works.

    At its own pace: a client that would repeat every ten seconds does not slow it down.
    """
    patient = Retry(ConstantBackoff(10), 10)
    with rl.standalone() as lab, log(lab.client(retry=patient), ["news"]) as seen:
        lab.kill(lab.nodes[0])
        with caplog.at_level(logging.INFO, "redis_lab.patterns.pubsub"):

            def failures():
                return sum("no subscription to news yet" in r.getMessage() for r in caplog.records)

            wait_until(lambda: "" if failures() >= 4 else f"{failures()}", 20, "failed attempts")
        assert seen.thread.is_alive()
        lab.restart(lab.nodes[0])
        publish_until_heard(lab, seen, "back")
        assert seen.entries[0] == "GAP"
        assert seen.entries.count("GAP") == seen.subscriber.reconnects == 1


def test_a_callback_that_found_redis_away_is_called_again(server, r):
    """What it was to read anew it has not read: the connection is opened again until it has."""
    outcomes = [ConnectionError("away"), TimeoutError("slow"), None]
    looks = []

    def look(names):
        looks.append(names)
        if error := outcomes[len(looks) - 1]:
            raise error

    with Subscriber(r, ["news"], on_reconnect=look) as subscriber:
        heard = []
        subscriber.run_in_background(lambda message: heard.append(message.data))
        cut(server, subscriber)
        wait_until(lambda: "" if len(looks) == 3 else f"{len(looks)} looks", 20, "three looks")
        wait_until(lambda: "" if publish(r, "news", "late") else "nobody", 20, "a subscription")
        wait_until(lambda: "" if "late" in heard else f"{heard}", 20, "the message")
    assert subscriber.reconnects == 3
    assert looks == [("news",)] * 3


def test_a_callback_that_fails_is_logged(server, r, caplog):
    """An exception in on_reconnect ends nothing."""
    with Subscriber(r, ["news"], on_reconnect=lambda names: 1 / 0) as subscriber:
        messages = []
        thread = subscriber.run_in_background(messages.append)
        cut(server, subscriber)
        wait_until(lambda: "" if subscriber.reconnects else "none", 10, "the return")
        publish(r, "news", "on it goes")
        wait_until(lambda: "" if messages else "none", 10, "a message")
        assert thread.is_alive()
    assert "on_reconnect failed" in caplog.text


def test_a_paused_server_is_noticed(caplog):
    """A server that answers no PING within `silence` is left, and found again when it is back."""
    with rl.standalone() as lab, log(lab.client(), ["news"], silence=0.5) as seen:
        lab.pause(lab.nodes[0])
        wait_until(lambda: "" if "no answer" in caplog.text else "quiet", 20, "the loss")
        lab.resume(lab.nodes[0])
        publish_until_heard(lab, seen, "back")
        assert seen.entries[0] == "GAP"


def test_close_while_the_server_is_away():
    """close() joins the thread though there is nothing to connect to."""
    with rl.standalone() as lab, log(lab.client(), ["news"]) as seen:
        lab.kill(lab.nodes[0])
        wait_until(
            lambda: "" if not seen.subscriber._links[0].connection else "there", 10, "the loss"
        )
    assert not seen.thread.is_alive()


def test_sentinel_failover_is_followed():
    """It leaves a primary when Sentinel demotes it, and one that was killed, and hears the new."""
    with (
        rl.sentinel(replicas=2, sentinels=3, down_after=0.5) as lab,
        log(lab.client(), ["news"], ["n*"]) as seen,
    ):
        lab.failover()
        lab.wait_healthy()
        wait_until(lambda: "" if seen.subscriber.reconnects else "none", 30, "the demotion")
        publish_until_heard(lab, seen, "handed over")
        before = seen.subscriber.reconnects
        lab.kill(lab.primary)
        wait_until(lambda: "" if seen.subscriber.reconnects > before else "none", 30, "the kill")
        publish_until_heard(lab, seen, "killed")
        assert seen.entries[0] == "GAP"


def test_cluster_failover_is_followed():
    """The node of a sharded channel is killed, then hands over: the channel is followed.

    Plain channels and patterns go on at whichever node is left.
    """
    with rl.cluster(primaries=3, replicas=1, node_timeout=0.5) as lab:
        with (
            log(lab.client(), ["news"]) as plain,
            log(lab.client(), sharded=["news", "other", "third"]) as sharded,
        ):
            lab.kill(owner(lab, "news"))
            publish_until_heard(lab, sharded, "sharded after a kill", sharded=True)
            publish_until_heard(lab, plain, "plain after a kill")
            lab.wait_healthy()
            heir = next(node for node in lab.replicas if node.alive)
            lab.failover(heir)
            publish_until_heard(lab, sharded, "sharded after a handover", sharded=True)
            publish_until_heard(lab, plain, "plain after a handover")
        assert "GAP" in sharded.entries


def owner(lab, name):
    with lab.client() as client:
        node = client.get_node_from_key(name)
    return next(each for each in lab.primaries if each.port == node.port)


def test_a_slot_that_moves_takes_its_subscribers_along():
    """CLUSTER SETSLOT hands the slot to another node: the gap is told, and messages come again."""
    with rl.cluster(primaries=3, replicas=0) as lab:
        client = lab.client()
        with log(client, sharded=["news", "{news}2", "elsewhere"]) as seen:
            source = owner(lab, "news")
            target = next(node for node in lab.primaries if node is not source)
            slot = client.keyslot("news")
            identity = target.tell("CLUSTER", "MYID")
            for node in (target, source, *lab.primaries):
                node.tell("CLUSTER", "SETSLOT", slot, "NODE", identity)
            publish_until_heard(lab, seen, "moved", sharded=True)
            assert seen.entries.count("GAP") == seen.subscriber.reconnects == 1
            with target.client() as there:
                channels = there.execute_command("PUBSUB", "SHARDCHANNELS")
            assert {"news", "{news}2"} <= set(channels)
        with lab.client() as stale:
            stale.nodes_manager.slots_cache[slot] = [client.get_node(source.host, source.port)]
            with Subscriber(stale, sharded=["news"]) as subscriber:
                publish(client, "news", "found", sharded=True)
                assert next(subscriber.listen()).data == "found"


def test_a_slot_without_a_node_leaves_plain_channels_alone():
    """Where the node that it was with is gone for good, a plain channel is heard from another."""
    with (
        rl.cluster(primaries=3, replicas=0) as lab,
        log(lab.client(), ["news"]) as seen,
    ):
        home = owner(lab, "news")
        lab.kill(home)
        other = next(node for node in lab.nodes if node.alive)

        def missing():
            with other.client() as client:
                client.publish("news", "heard")
            return "" if "heard" in seen.entries else "nothing"

        wait_until(missing, 20, "another node", every=0.05)
        assert seen.entries[0] == "GAP"


def test_a_refused_channel_is_an_error_at_once_and_a_failed_attempt_later(server, r):
    """Without permission it raises; when it is taken away later, it tries until it is back."""
    r.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">pw", "+@all")
    with server.client(username="reader", password="pw") as client:
        with pytest.raises(NoPermissionError):
            Subscriber(client, ["news"])
        r.execute_command("ACL", "SETUSER", "reader", "&news")
        with log(client, ["news"]) as seen:
            r.execute_command("ACL", "SETUSER", "reader", "resetchannels")
            wait_until(
                lambda: "" if not seen.subscriber._links[0].connection else "there", 10, "the loss"
            )
            r.execute_command("ACL", "SETUSER", "reader", "&news")
            publish_until_heard(server, seen, "allowed again")
    r.acl_deluser("reader")


FORKER = """
import signal
with Subscriber(client, ["news"]) as subscriber:
    listening = subscriber.listen()
    publish(client, "news", "before")
    next(listening)
    if os.fork() == 0:
        signal.alarm(20)  # one that hangs ends by itself
        for attempt in (lambda: next(listening), lambda: next(subscriber.listen()),
                        lambda: subscriber.run_in_background(print)):
            try:
                attempt()
            except RuntimeError as error:
                print(error, flush=True)
        subscriber.close()
        os._exit(0)
    os.wait()
    for number in range(6):
        publish(client, "news", str(number))
    print([next(listening).data for _ in range(6)], subscriber.reconnects, flush=True)
"""


def test_a_forked_child_takes_no_message_from_its_parent(server, r, beside):
    """listen() and run_in_background() raise there; close() there costs the parent nothing."""
    said, _ = beside(server, FORKER).communicate(timeout=30)
    *child, parent = said.splitlines()
    assert child == ["this Subscriber is the parent process's: make another in the child"] * 3
    assert parent == "['0', '1', '2', '3', '4', '5'] 0"


PUBLISHER = """
for number in range(int(sys.argv[1])):
    publish(client, "news", f"{sys.argv[2]}{number}")
"""


def test_two_publishers_in_other_processes(lab, client, beside):
    """Each process's messages arrive once and in its order."""
    with log(client, ["news"]) as seen:
        for process in [beside(lab, PUBLISHER, 500, name) for name in "ab"]:
            process.wait(30)
        wait_until(lambda: "" if len(seen.entries) >= 1000 else f"{len(seen.entries)}", 20, "all")
        for name in "ab":
            mine = [entry for entry in seen.entries if entry[0] == name]
            assert mine == [f"{name}{number}" for number in range(500)]
        assert len(seen.entries) == 1000
