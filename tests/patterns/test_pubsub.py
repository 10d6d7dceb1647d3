"""Subscriber and publish on healthy servers: what arrives, as what, when it ends, bad input.

The bus of a Cluster is slow at times: a message that a test leaves unread may reach a subscriber of
the next one, so such tests have channels of their own.
"""

import logging
import threading
from itertools import islice

import pytest
from redis.exceptions import ConnectionError

import redis_lab as rl
from redis_lab import ValueTooLarge
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import Message, Subscriber, publish


def take(subscriber, count):
    """So many messages; the test's own timeout is what ends a wait in vain."""
    return list(islice(subscriber.listen(), count))


def receivers(lab, channel, sharded=False):
    """How many subscriptions the channel has on all nodes together."""
    command = "SHARDNUMSUB" if sharded else "NUMSUB"
    total = 0
    for node in lab.nodes:
        with node.client() as client:
            total += dict_of(client.execute_command("PUBSUB", command, channel))[channel]
    return total


def dict_of(reply):
    pairs = reply if reply and isinstance(reply[0], tuple) else zip(*[iter(reply)] * 2, strict=True)
    return {name: int(number) for name, number in pairs}


def collect(subscriber):
    """Run it in the background; the list that grows."""
    messages = []
    subscriber.run_in_background(messages.append)
    return messages


def soon(messages, count):
    wait_until(lambda: "" if len(messages) >= count else str(messages), 10, f"{count} messages")


# what arrives


def test_what_is_published_after_it_is_made_arrives(client):
    """Subscriptions are confirmed before the Subscriber is there: no message is too early."""
    with Subscriber(client, ["news", "weather"]) as subscriber:
        for number in range(20):
            publish(client, "news", f"n{number}")
        assert take(subscriber, 20) == [Message("news", None, f"n{n}") for n in range(20)]
        publish(client, "weather", "rain")
        assert take(subscriber, 1) == [Message("weather", None, "rain")]


def test_patterns_tell_which_one_matched(client):
    """A message by a pattern carries channel and pattern; other channels don't come."""
    with Subscriber(client, patterns=["news.*"]) as subscriber:
        publish(client, "other", "no")
        publish(client, "news.de", "ja")
        assert take(subscriber, 1) == [Message("news.de", "news.*", "ja")]


def test_sharded_channels(client):
    """Channels of many slots, each from the node that holds it; a plain publish isn't theirs."""
    names = [f"s{number}" for number in range(8)]
    with Subscriber(client, sharded=names) as subscriber:
        messages = collect(subscriber)
        publish(client, "s0", "to the plain channel")
        for name in names:
            assert publish(client, name, f"to {name}", sharded=True) == 1
        soon(messages, 8)
        assert sorted(m.channel for m in messages) == names
        assert {m.data for m in messages} == {f"to {name}" for name in names}
        assert {m.pattern for m in messages} == {None}


def test_all_three_kinds_at_once(client):
    """One Subscriber for channels, patterns and sharded channels, and each message once a kind."""
    with Subscriber(client, ["a"], ["a*"], ["a"]) as subscriber:
        messages = collect(subscriber)
        publish(client, "a", "plain")
        publish(client, "a", "sharded", sharded=True)
        soon(messages, 3)
        assert sorted((m.pattern or "", m.data) for m in messages) == [
            ("", "plain"),
            ("", "sharded"),
            ("a*", "plain"),
        ]


def test_every_kind_of_client(any_client):
    """Text or bytes, protocol 2 or 3: names are str, data is what the client decodes to."""
    decodes = any_client.get_encoder().decode_responses
    with Subscriber(any_client, ["näws"], ["w.*"], ["s"]) as subscriber:
        publish(any_client, "näws", "schön")
        publish(any_client, "w.1", b"rain")
        publish(any_client, "s", "x", sharded=True)
        expected = [("näws", None, "schön"), ("w.1", "w.*", "rain"), ("s", None, "x")]
        for message, (channel, pattern, data) in zip(take(subscriber, 3), expected, strict=True):
            assert message == Message(channel, pattern, data if decodes else data.encode())


def test_bytes_that_are_no_text_do_not_end_the_subscription(any_client):
    """What can't be decoded comes as bytes, channel or data, and the next message follows."""
    with Subscriber(any_client, ["news"], ["x*"]) as subscriber:
        publish(any_client, "news", b"\xff\xfe")
        any_client.publish(b"x\xff", "odd")
        publish(any_client, "news", "fine")
        first, second, third = take(subscriber, 3)
        assert first.data == b"\xff\xfe"
        assert (second.channel, second.pattern) == (b"x\xff", "x*")
        assert third.data in ("fine", b"fine")


def test_large_messages_and_many(client):
    """10 MB in one piece, and 5,000 small ones faster than they are read, in order."""
    with Subscriber(client, ["news"]) as subscriber:
        publish(client, "news", "x" * 10_000_000)
        assert len(take(subscriber, 1)[0].data) == 10_000_000
        for number in range(5000):
            client.publish("news", number)
        assert [message.data for message in take(subscriber, 5000)] == list(map(str, range(5000)))
        assert subscriber.reconnects == 0


def test_a_message_above_max_bytes_is_not_sent(any_client):
    """100 MB is a clear error by default, and max_bytes decides, to the byte of what is sent."""
    with pytest.raises(ValueTooLarge, match="message: 100000000 bytes"):
        publish(any_client, "news", b"x" * 100_000_000)
    with Subscriber(any_client, ["news"], sharded=["news"]) as subscriber:
        for sharded in (False, True):
            with pytest.raises(ValueTooLarge, match="message: 4 bytes, max_bytes is 3"):
                publish(any_client, "news", "üü", sharded=sharded, max_bytes=3)
        publish(any_client, "news", "ü1", max_bytes=3)
        assert take(subscriber, 1)[0].data in ("ü1", "ü1".encode())


def test_publish_counts_receivers(r):
    """On one server the count is true: none, then two."""
    assert publish(r, "news", "nobody") == 0
    with Subscriber(r, ["news"]), Subscriber(r, ["news"]):
        assert publish(r, "news", "both") == 2


def test_a_subscriber_needs_nothing_of_the_clients_pool(server):
    """Its connections are its own: a pool of one connection still serves."""
    with (
        server.client(max_connections=1) as client,
        Subscriber(client, ["news"]) as subscriber,
    ):
        messages = collect(subscriber)
        publish(client, "news", "1")
        soon(messages, 1)


def test_a_quiet_subscriber_outlasts_timeouts_and_asks_for_signs_of_life(lab, caplog):
    """Idle for longer than socket timeout and `silence`: PING keeps it, nothing is reconnected."""
    with (
        lab.client(socket_timeout=0.2) as client,
        caplog.at_level(logging.WARNING, "redis_lab.patterns.pubsub"),
        Subscriber(client, ["news"], sharded=["s"], silence=0.4) as subscriber,
    ):
        nodes = [node.client() for node in lab.nodes]
        for node in nodes:
            node.config_resetstat()
        messages = collect(subscriber)

        def pings():
            stats = [node.info("commandstats").get("cmdstat_ping", {}) for node in nodes]
            return sum(each.get("calls", 0) for each in stats)

        wait_until(lambda: "" if pings() >= 6 else f"{pings()} pings", 20, "signs of life")
        publish(client, "news", "still here")
        soon(messages, 1)
        assert subscriber.reconnects == 0
        assert not [each for each in caplog.records if each.name == "redis_lab.patterns.pubsub"]


# in the background


def test_the_thread_survives_its_handler(client, caplog):
    """An exception in the handler is logged with its traceback, and the next message follows."""
    seen = []

    def handler(message):
        seen.append(message.data)
        if message.data == "bad":
            raise RuntimeError("on purpose")

    with Subscriber(client, ["news"]) as subscriber:
        thread = subscriber.run_in_background(handler)
        for word in ("good", "bad", "good again"):
            publish(client, "news", word)
        soon(seen, 3)
        assert thread.is_alive()
    assert seen == ["good", "bad", "good again"]
    (record,) = [each for each in caplog.records if each.exc_info]
    assert "on purpose" in str(record.exc_info[1])
    assert record.name == "redis_lab.patterns.pubsub"


def test_close_joins_the_thread_and_leaves_no_subscription(lab, client):
    """After close() the thread has ended, the server has no subscriber; twice is fine."""
    subscriber = Subscriber(client, ["news"], ["n*"], ["s"])
    thread = subscriber.run_in_background(print)
    assert receivers(lab, "news") == receivers(lab, "s", sharded=True) == 1
    subscriber.close()
    assert not thread.is_alive()
    wait_until(
        lambda: str(receivers(lab, "news") + receivers(lab, "s", True) or ""), 10, "no subscriber"
    )
    subscriber.close()
    assert "closed" in repr(subscriber)
    assert list(subscriber.listen()) == []


def test_close_ends_a_listener_in_another_thread(client):
    """A loop over listen() ends when any thread closes the Subscriber."""
    subscriber = Subscriber(client, ["news"])
    seen = []

    def loop():
        for message in subscriber.listen():
            seen.append(message)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    publish(client, "news", "1")
    soon(seen, 1)
    subscriber.close()
    thread.join(10)
    assert not thread.is_alive()


def test_the_handler_may_close(client):
    """close() from inside the handler ends the thread after this message."""
    seen = []
    subscriber = Subscriber(client, ["closed by handler"])

    def handler(message):
        seen.append(message.data)
        subscriber.close()

    publish(client, "closed by handler", "1")
    publish(client, "closed by handler", "2")
    thread = subscriber.run_in_background(handler)
    thread.join(10)
    assert not thread.is_alive()
    assert seen == ["1"]


def test_close_between_two_messages(client):
    """A listener that closes in its loop gets no further message, from no slot."""
    names = [f"closed in loop {number}" for number in range(6)]
    subscriber = Subscriber(client, sharded=names)
    for name in names:
        publish(client, name, name, sharded=True)
    seen = []
    for message in subscriber.listen():
        seen.append(message.data)
        subscriber.close()
    assert len(seen) == 1


def test_it_runs_once(client):
    """A second thread for one Subscriber would split its messages: RuntimeError."""
    with Subscriber(client, ["news"]) as subscriber:
        subscriber.run_in_background(print)
        with pytest.raises(RuntimeError, match="already"):
            subscriber.run_in_background(print)


# bad input


@pytest.mark.parametrize(
    ("make", "error", "argument"),
    [
        (lambda c: Subscriber(c), ValueError, "channels"),
        (lambda c: Subscriber(c, "news"), TypeError, "channels"),
        (lambda c: Subscriber(c, b"news"), TypeError, "channels"),
        (lambda c: Subscriber(c, 7), TypeError, "channels"),
        (lambda c: Subscriber(c, [b"news"]), TypeError, "channels"),
        (lambda c: Subscriber(c, [["a"]]), TypeError, "channels"),
        (lambda c: Subscriber(c, patterns=[""]), ValueError, "patterns"),
        (lambda c: Subscriber(c, sharded=[None]), TypeError, "sharded"),
        (lambda c: Subscriber(c, ["a"], silence=0), ValueError, "silence"),
        (lambda c: Subscriber(c, ["a"], silence="5"), TypeError, "silence"),
        (lambda c: Subscriber(c, ["a"], on_reconnect=7), TypeError, "on_reconnect"),
        (lambda c: Subscriber(c, ["a"]).run_in_background(None), TypeError, "handler"),
        (lambda c: publish(c, "", "x"), ValueError, "channel"),
        (lambda c: publish(c, 7, "x"), TypeError, "channel"),
        (lambda c: publish(c, "a", {"no": "JSON"}), TypeError, "message"),
        (lambda c: publish(c, "a", None), TypeError, "message"),
        (lambda c: publish(c, "a", "x", max_bytes=0), ValueError, "max_bytes"),
    ],
)
def test_wrong_arguments_are_named(r, make, error, argument):
    """At the call, with the argument's name."""
    with pytest.raises(error, match=argument):
        make(r)


def test_a_name_given_twice_counts_once(client):
    """The same channel twice is one subscription, and one message."""
    with Subscriber(client, ["news", "news"], sharded=["s", "s"]) as subscriber:
        publish(client, "news", "1")
        publish(client, "news", "2")
        assert [message.data for message in take(subscriber, 2)] == ["1", "2"]


def test_names_with_spaces_braces_and_any_script(client):
    """Channel names go to the server as they are."""
    names = ["a b", "{tag}x", "ünï:cödé", "100%"]
    with Subscriber(client, names, sharded=names) as subscriber:
        messages = collect(subscriber)
        for name in names:
            publish(client, name, "plain")
            publish(client, name, "sharded", sharded=True)
        soon(messages, 8)
        assert sorted((m.channel, m.data) for m in messages) == sorted(
            (name, kind) for name in names for kind in ("plain", "sharded")
        )


def test_no_server_is_an_error_at_once():
    """A Subscriber that can't subscribe raises redis-py's error and leaves nothing behind."""
    with rl.standalone() as lab:
        client = lab.client()
        lab.kill(lab.nodes[0])
        with pytest.raises(ConnectionError):
            Subscriber(client, ["news"])
