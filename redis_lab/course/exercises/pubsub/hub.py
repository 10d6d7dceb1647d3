"""One connection, many listeners: who joins first subscribes, who leaves last unsubscribes."""

import contextlib

NOTEBOOK = "50"
TITLE = "One connection, many listeners"
HINTS = (
    "One `r.pubsub()` can hold thousands of channels. Who hears what is yours to remember: a "
    "dictionary of lists.",
    "redis-py keeps one handler for a channel; a second `subscribe(**{channel: handler})` replaces "
    "the first.",
    "Among what `get_message` gives are confirmations: only the type `message` is one to hand out.",
    "Hand out over a copy of the list, since who hears may leave; and catch what a listener "
    "raises around each call, not around the loop.",
)
WHY = (
    "A server process with a thousand open pages needs one connection to Redis, not a thousand: "
    "each has a buffer of its own, and `maxclients` is 10,000. The price is that one slow "
    "listener makes all the others of its process wait."
)


class stub:
    """Many listeners of many channels in one process, on one connection."""

    def __init__(self, r):
        """r: the client to use."""

    def join(self, channel, hear):
        """From now on hear(message) is called with each message of this channel."""

    def leave(self, channel, hear):
        """It is called no more for this channel, which is left by its last listener."""

    def turn(self):
        """Hand out what has come, without waiting for more."""

    def close(self):
        """Hang up."""


class solution:
    def __init__(self, r):
        self.sub, self.listeners = r.pubsub(), {}

    def join(self, channel, hear):
        self.listeners.setdefault(channel, []).append(hear)
        self.sub.subscribe(channel)  # a second time does no harm

    def leave(self, channel, hear):
        self.listeners[channel].remove(hear)
        if not self.listeners[channel]:
            del self.listeners[channel]
            self.sub.unsubscribe(channel)

    def turn(self):
        import contextlib

        while message := self.sub.get_message():
            if message["type"] == "message":
                for hear in list(self.listeners.get(message["channel"], ())):
                    with contextlib.suppress(Exception):
                        hear(message["data"])

    def close(self):
        self.sub.close()


class wrong_connection_each:
    """connections"""

    def __init__(self, r):
        self.r, self.subs = r, {}

    def join(self, channel, hear):
        self.subs[channel, hear] = self.r.pubsub()
        self.subs[channel, hear].subscribe(channel)

    def leave(self, channel, hear):
        self.subs.pop((channel, hear)).close()

    def turn(self):
        for (_, hear), sub in list(self.subs.items()):
            while message := sub.get_message():
                if message["type"] == "message":
                    hear(message["data"])

    def close(self):
        for sub in self.subs.values():
            sub.close()


class wrong_handler(solution):
    """the last to join"""

    def join(self, channel, hear):
        self.listeners.setdefault(channel, []).append(hear)
        self.sub.subscribe(**{channel: lambda message: hear(message["data"])})

    def turn(self):
        while self.sub.get_message(timeout=0.01):
            pass


class wrong_first_to_leave(solution):
    """those who stayed"""

    def leave(self, channel, hear):
        self.listeners[channel].remove(hear)
        self.sub.unsubscribe(channel)


class wrong_stays(solution):
    """nobody listens"""

    def leave(self, channel, hear):
        self.listeners[channel].remove(hear)


class wrong_one_try(solution):
    """raised"""

    def turn(self):
        import contextlib

        while message := self.sub.get_message():
            if message["type"] == "message":
                with contextlib.suppress(Exception):
                    for hear in list(self.listeners.get(message["channel"], ())):
                        hear(message["data"])


class wrong_one_at_a_time(solution):
    """handed out"""

    def turn(self):
        import contextlib

        message = self.sub.get_message()
        if message and message["type"] == "message":
            for hear in list(self.listeners.get(message["channel"], ())):
                with contextlib.suppress(Exception):
                    hear(message["data"])


class wrong_without_a_copy(solution):
    """skipped"""

    def turn(self):
        import contextlib

        while message := self.sub.get_message():
            if message["type"] == "message":
                for hear in self.listeners.get(message["channel"], ()):
                    with contextlib.suppress(Exception):
                        hear(message["data"])


def check(trial):
    hub = trial.call(trial.client())
    try:
        _judge(trial, hub)
    finally:
        with contextlib.suppress(Exception):
            hub.close()
        _until(lambda: not trial.r.client_list(_type="pubsub"))


def _judge(trial, hub):
    heard = {}
    channels = [f"gates:{number}" for number in range(20)]

    def listener(name, then=None):
        def hear(message):
            heard.setdefault(name, []).append(message)
            if then:
                then()

        return hear

    def subscribed(*names):
        return {name: count for name, count in trial.r.pubsub_numsub(*names)}

    def turned(reached):
        """Turn until it is so, for two seconds; whether it is."""
        return _until(lambda: (trial.ask(hub.turn), reached())[1])

    def tell(channel, message, *wanted):
        """Publish, and turn until all of these have heard something, and once more."""
        heard.clear()
        trial.r.publish(channel, message)
        turned(lambda: set(wanted) <= set(heard))
        trial.ask(hub.turn)
        return {name: messages for name, messages in heard.items() if messages}

    trial.ask(hub.turn)
    ears = {(channel, n): listener((channel, n)) for channel in channels for n in range(3)}
    for (channel, _), hear in ears.items():
        trial.ask(hub.join, channel, hear)
    _until(lambda: (trial.ask(hub.turn), trial.r.client_list(_type="pubsub"))[1], 0.3)
    turned(lambda: all(subscribed(*channels).values()) or not trial.r.client_list(_type="pubsub"))
    clients = trial.r.client_list(_type="pubsub")
    trial.require(
        len(clients) == 1,
        "60 listeners of 20 channels share a connection",
        f"60 listeners of 20 channels, and the server counts {len(clients)} connections that are "
        "subscribed",
    )
    silent = [name for name, count in subscribed(*channels).items() if not count]
    trial.require(
        not silent,
        "every channel is subscribed to",
        f"PUBSUB NUMSUB counts no subscriber for {len(silent)} of 20 channels"
        + (
            ": it listens by a pattern, which costs every PUBLISH on the server and hears what "
            "nobody here wants"
            if trial.r.pubsub_numpat()
            else ""
        ),
    )
    for channel in channels[:3]:
        wanted = {(channel, n): ["C120"] for n in range(3)}
        got = tell(channel, "C120", *wanted)
        trial.require(
            got == wanted,
            "each listener of a channel hears each message once, as text",
            f"one message to {channel}, which three listen to; called were {_told(got)}"
            + (": only the last to join" if list(got) == [(channel, 2)] else ""),
        )
    heard.clear()
    with trial.r.pipeline() as pipe:  # in one MULTI: they come together
        for number in range(5):
            pipe.publish(channels[3], f"C{number}")
        pipe.execute()
    turned(lambda: heard)
    trial.ask(hub.turn)
    some = heard.get((channels[3], 0), [])
    trial.require(
        some == [f"C{number}" for number in range(5)],
        "a turn hands out all that has come",
        f"five messages came at once; two turns handed out {some} to a listener",
    )
    quiet = channels[0]
    trial.ask(hub.leave, quiet, ears[quiet, 0])
    _until(lambda: not subscribed(quiet)[quiet], 0.2)
    got = tell(quiet, "C132", (quiet, 1), (quiet, 2))
    trial.require(
        got == {(quiet, 1): ["C132"], (quiet, 2): ["C132"]},
        "who leaves hears no more, the others do",
        f"one of three has left; called were {_told(got)}: "
        + ("those who stayed must hear it" if len(got) < 2 else "who has left must not"),
    )
    for n in (1, 2):
        trial.ask(hub.leave, quiet, ears[quiet, n])
    gone = turned(lambda: not subscribed(quiet)[quiet])
    trial.expect(
        gone,
        "the last one to leave takes the subscription along",
        "all three have left, nobody listens, and the server still delivers the channel to it",
    )
    trial.ask(hub.join, quiet, ears[quiet, 0])
    turned(lambda: subscribed(quiet)[quiet])
    got = tell(quiet, "C140", (quiet, 0))
    trial.expect(
        got == {(quiet, 0): ["C140"]},
        "and who comes back hears again",
        f"one came back to a channel that was left; called were {_told(got)}",
    )

    def fail():
        raise ValueError("a page that was closed")

    busy = "gates:busy"
    for name, then in (("first", None), ("fails", fail), ("last", None)):
        trial.ask(hub.join, busy, listener(name, then))
    turned(lambda: subscribed(busy)[busy])
    got = tell(busy, "C150", "first", "fails", "last")
    trial.expect(
        set(got) == {"first", "fails", "last"},
        "a listener that fails keeps nobody from hearing",
        f"the second of three raised an exception; called were {', '.join(got)}",
    )
    door = "gates:door"
    leaver = listener("leaver", lambda: hub.leave(door, leaver))
    for hear in (leaver, listener("next"), listener("after")):
        trial.ask(hub.join, door, hear)
    turned(lambda: subscribed(door)[door])
    got = tell(door, "C160", "leaver", "next", "after")
    trial.expect(
        set(got) == {"leaver", "next", "after"},
        "a listener may leave while it hears",
        f"the first of three left while it heard; called were {', '.join(got)}: one was skipped",
    )
    trial.ask(hub.close)
    trial.expect(
        _until(lambda: not trial.r.client_list(_type="pubsub")),
        "close() hangs up",
        "it was closed, and the server still sends messages to it",
    )


def _told(got):
    """Listeners with what they heard."""
    return ", ".join(f"{name}: {messages}" for name, messages in got.items()) or "none"


def _until(reached, seconds=2.0):
    """Ask until it is so; whether it is."""
    import time

    end = time.monotonic() + seconds
    while not (found := reached()) and time.monotonic() < end:
        time.sleep(0.002)
    return bool(found)
