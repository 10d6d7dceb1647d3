"""Let a pooled client hear of a new primary, rather than write on to the old one."""

NOTEBOOK = "62"
TITLE = "Follow the switch"
SHAPE = "sentinel"
HINTS = (
    "redis-py asks the Sentinels when it opens a connection. What makes a client open a new one?",
    "`sentinel.pubsub()` and `subscribe`; the channel is `+switch-master`. Any one Sentinel may "
    "be dead, cut off or late.",
    "A subscriber waits: that is work for a thread. `subscribe(**{'+switch-master': handler})` and "
    "`run_in_thread(sleep_time=0.1, daemon=True)` make one.",
    "The handler takes a message and calls `r.connection_pool.disconnect()`. Return a function "
    "that calls `stop()` on each of the threads.",
)
WHY = (
    "A connection that never breaks never asks again, so a cut-off primary keeps its clients and "
    "loses their writes. News from all Sentinels ends that at the switch; what was written before "
    "it only `min-replicas-to-write` bounds."
)


def stub(r, sentinels):
    """Let r change over at each +switch-master, in the background; returns a function that ends it.

    sentinels: a client for each Sentinel.
    """


def solution(r, sentinels):
    import time

    def switched(message):
        r.connection_pool.disconnect()

    threads = []
    for sentinel in sentinels:
        pubsub = sentinel.pubsub()
        pubsub.subscribe(**{"+switch-master": switched})
        thread = pubsub.run_in_thread(
            0.1, daemon=True, exception_handler=lambda *_: time.sleep(0.1)
        )
        threads.append(thread)
    return lambda: [thread.stop() for thread in threads]


def wrong_one_sentinel(r, sentinels):
    """It heard one Sentinel alone"""

    def switched(message):
        r.connection_pool.disconnect()

    pubsub = sentinels[0].pubsub()
    pubsub.subscribe(**{"+switch-master": switched})
    return pubsub.run_in_thread(0.1, daemon=True, exception_handler=lambda *_: None).stop


def wrong_waits_here(r, sentinels):
    """did not come back"""
    pubsub = sentinels[0].pubsub()
    pubsub.subscribe("+switch-master")
    for message in pubsub.listen():
        if message["type"] == "message":
            r.connection_pool.disconnect()


def wrong_ping(r, sentinels):
    """kept its connection"""
    threads = []
    for sentinel in sentinels:
        pubsub = sentinel.pubsub()
        pubsub.subscribe(**{"+switch-master": lambda message: r.ping()})
        threads.append(pubsub.run_in_thread(0.1, daemon=True, exception_handler=lambda *_: None))
    return lambda: [thread.stop() for thread in threads]


def wrong_once(r, sentinels):
    """the next one was missed"""
    import threading

    import redis

    def listen(pubsub):
        try:
            while not (message := pubsub.get_message(timeout=0.1)) or message["type"] != "message":
                continue
            r.connection_pool.disconnect()
        except redis.RedisError:
            return

    for sentinel in sentinels:
        pubsub = sentinel.pubsub()
        pubsub.subscribe("+switch-master")
        threading.Thread(target=listen, args=[pubsub], daemon=True).start()
    return lambda: None


def wrong_at_random(r, sentinels):
    """nothing happened"""
    import threading

    ended = threading.Event()

    def reconnect():
        while not ended.wait(0.2):
            r.connection_pool.disconnect()

    threading.Thread(target=reconnect, daemon=True).start()
    return ended.set


def wrong_end_that_ends_nothing(r, sentinels):
    """and still listens"""

    def switched(message):
        r.connection_pool.disconnect()

    for sentinel in sentinels:
        pubsub = sentinel.pubsub()
        pubsub.subscribe(**{"+switch-master": switched})
        pubsub.run_in_thread(
            0.1, daemon=True, exception_handler=lambda error, pubsub, thread: thread.stop()
        )
    return lambda: None


def wrong_without_an_end(r, sentinels):
    """not a function that ends it"""

    def switched(message):
        r.connection_pool.disconnect()

    for sentinel in sentinels:
        pubsub = sentinel.pubsub()
        pubsub.subscribe(**{"+switch-master": switched})
        pubsub.run_in_thread(
            0.1, daemon=True, exception_handler=lambda error, pubsub, thread: thread.stop()
        )


def check(trial):
    import contextlib
    import time
    from functools import partial

    from redis.exceptions import RedisError

    from redis_lab.errors import LabUnavailable
    from redis_lab.lab.health import as_dict
    from redis_lab.lab.waiting import wait_until

    lab, r = trial.lab, trial.client()

    def listened_to():
        """The Sentinels that somebody has subscribed to."""
        lists = {node: node.tell("CLIENT", "LIST") for node in lab.sentinels if node.alive}
        return [node for node, text in lists.items() if " sub=1" in text or " psub=1" in text]

    def soon(so, seconds):
        with contextlib.suppress(LabUnavailable):
            wait_until(lambda: "" if so() else "not yet", seconds, "the exercise")
            return True
        return False

    # A connection of r may be closed in its hands, by the news of the next Sentinel.
    def r_writes_to(node):
        with contextlib.suppress(Exception):
            return r.info("server")["tcp_port"] == node.port

    def written(key):
        with contextlib.suppress(Exception):
            return r.set(key, "boarding")

    def switch():
        """Cut off the primary, let the other side promote at once; whether r follows."""
        old, watching = lab.primary, [node for node in lab.sentinels if node.alive]
        soon(lambda: written("flight"), 5)  # r has an open connection now
        lab.partition(old)

        def missing():
            seen = [as_dict(node.tell("SENTINEL", "MASTER", "mymaster")) for node in watching]
            if seen[0]["port"] == str(old.internal_port):
                with contextlib.suppress(RedisError):  # it is at it
                    watching[0].tell("SENTINEL", "FAILOVER", "mymaster")
            settled = {(each["flags"], each["port"] == str(old.internal_port)) for each in seen}
            return "" if settled == {("master", False)} else "the Sentinels have not switched"

        wait_until(missing, 20, "a failover", every=0.05)
        return soon(lambda: r_writes_to(lab.primary), 5)

    sentinels = [node.client() for node in lab.sentinels]
    stop = trial.call(r, sentinels)
    trial.require(
        callable(stop),
        "it returns at once, with a function that ends it",
        f"it returned {stop!r:.60}, not a function that ends it",
    )
    try:
        ids = set()
        with contextlib.suppress(Exception):
            for _ in range(20):
                ids.add(r.client_id())
                time.sleep(0.05)
        trial.require(
            len(ids) < 3,
            "while nobody is replaced, r keeps its connection",
            f"nothing happened, and in a second r had {len(ids)} connections one after another: "
            "each costs a question to the Sentinels",
        )
        soon(lambda: len(listened_to()) == 3, 1)
        heard = listened_to()
        lab.kill(heard[0] if len(heard) == 1 else lab.sentinels[-1])
        why = {
            0: "Nobody has subscribed to a Sentinel",
            1: "It heard one Sentinel alone, and that one died with the primary",
        }.get(len(heard), "The news came, and r kept its connection")
        trial.require(
            switch(),
            "the primary and a Sentinel are lost: r changes over to the new one",
            f"r writes on to the old primary, and all of that will be lost. {why}",
        )
        keys = [f"flight:{number}" for number in range(20)]
        acknowledged = [key for key in keys if soon(partial(written, key), 5)]
        kept = lab.primary.client().exists(*keys)
        trial.expect(
            kept == len(acknowledged) == 20,
            "where its writes are kept",
            f"of 20 writes {len(acknowledged)} were acknowledged, and {kept} are there",
        )
        trial.require(
            switch(),
            "the new one is lost as well: r changes over again",
            "r followed one switch, and the next one was missed",
        )
    finally:
        with contextlib.suppress(Exception):
            stop()
    trial.expect(
        soon(lambda: not listened_to(), 3),
        "when it is ended, nobody listens any more",
        f"it was ended, and still listens to {len(listened_to())} Sentinels",
    )
