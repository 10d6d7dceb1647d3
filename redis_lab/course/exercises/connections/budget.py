"""A client with a budget: it gives up in time, forgives a lost reply, and a slow server."""

NOTEBOOK = "24"
TITLE = "A second, and no more"
SECONDS = 10.0
HINTS = (
    "A call takes its timeout as often as it is tried: (retries + 1) times the timeout must fit "
    "into the budget, with something left for the pauses.",
    "One lost reply needs one retry. How many tries of at least a fifth of the budget fit into it?",
    "`Retry(ConstantBackoff(seconds / 50), 2)` and a `socket_timeout` of a quarter make 0.79.",
    "`socket_connect_timeout` is a thing of its own: where you don't give it, it is 5 seconds.",
)
WHY = (
    "A page that waits a minute for its cache is worse off than one without a cache. Timeouts come "
    "from what the caller can wait, and retries are paid out of the same purse."
)


def stub(url, seconds):
    """A redis.Redis for this URL whose calls take no longer than so many seconds.

    One lost reply is made good; a reply that takes a tenth of the seconds is waited for.
    """


def solution(url, seconds):
    import redis
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        url,
        socket_timeout=seconds / 4,
        socket_connect_timeout=seconds / 4,
        retry=Retry(ConstantBackoff(seconds / 50), 2),
    )


def wrong_defaults(url, seconds):
    """still waiting"""
    import redis

    return redis.Redis.from_url(url)


def wrong_timeout_is_the_budget(url, seconds):
    """each of 4 tries"""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 3),
    )


def wrong_no_retry(url, seconds):
    """one reply was lost"""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        url,
        socket_timeout=seconds / 2,
        socket_connect_timeout=seconds / 2,
        retry=Retry(NoBackoff(), 0),
    )


def wrong_hasty(url, seconds):
    """a slow server"""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        url,
        socket_timeout=seconds / 40,
        socket_connect_timeout=seconds / 4,
        retry=Retry(NoBackoff(), 20),
    )


def wrong_forgets_to_connect(url, seconds):
    """to connect"""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(url, socket_timeout=seconds / 4, retry=Retry(NoBackoff(), 2))


def check(trial):
    import redis

    from redis_lab.lab import Proxy

    with Proxy(trial.lab.primary) as proxy:
        node, clients = trial.lab.primary, []
        there = f"{proxy.host}:{proxy.port}"
        url = node.url.replace(f"{node.host}:{node.port}", there)

        def make():
            client = trial.call(url, 0.8)
            trial.require(
                isinstance(client, redis.Redis),
                "it is a redis.Redis",
                f"it returned {client!r:.80}, not a redis.Redis",
            )
            clients.append(client)
            return client

        try:
            _spend(trial, proxy, make, 0.8)
        finally:
            for client in clients:
                client.connection_pool.disconnect()


def _spend(trial, proxy, make, seconds):
    client = make()
    if not _works(trial, client, "on a good line it answers"):
        return
    proxy.swallow()
    lost = _in_time(proxy, lambda: client.set("gate:UA1545", "C120"))
    proxy.swallow(0)
    trial.expect(
        lost == "" and trial.r.get("gate:UA1545") == "C120",
        "a lost reply is made good",
        f"one reply was lost, and the caller heard {lost}",
    )
    proxy.delay = seconds / 20
    slow = [_in_time(proxy, make().ping) for _ in range(3)]
    proxy.delay = 0.0
    trial.require(
        "" in slow,
        "a server that takes a tenth of the budget is in order",
        f"a slow server took {seconds / 10:g} s of {seconds:g} to answer, and the caller heard "
        f"{slow[0]}",
    )
    known = client.connection_pool.connection_kwargs
    tries = known["retry"].get_retries() + 1 if known.get("retry") else 1
    patience, connecting = known.get("socket_timeout"), known.get("socket_connect_timeout")
    for what, client in (("with an open connection", make()), ("without one", make())):
        if what == "with an open connection":
            client.ping()
        late, took = _stalled(trial.lab, client, 2 * seconds)
        said = f"it was still waiting after {took:.1f} s" if late else f"it took {took:.1f} s"
        sum_of = f"each of {tries} tries may take {patience} s, and the budget is {seconds:g} s"
        trial.require(
            not late and (patience is None or tries * patience <= seconds * 1.001),
            f"a server that hangs costs no more than the budget, {what}",
            f"the server hung, {what}; {said}: {sum_of}",
        )
    waits = "5 s, the default," if connecting is None else f"{connecting:g} s"
    trial.expect(
        connecting is not None and 0 < connecting <= seconds,
        "and so does an address where nobody answers",
        f"it may take {waits} to connect: packets that vanish are another timeout than "
        "replies that don't come",
    )


def _works(trial, client, claim):
    heard = _outcome(client.ping)
    return trial.expect(heard == "", claim, f"the server is in order, and a PING raised {heard}")


def _outcome(call):
    """What it raised, or an empty string."""
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _in_time(proxy, call, limit=3.0):
    """What it raised, or an empty string; after so long its connection is closed."""
    from concurrent.futures import ThreadPoolExecutor
    from concurrent.futures import TimeoutError as Late

    with ThreadPoolExecutor(1) as caller:
        heard = caller.submit(_outcome, call)
        try:
            return heard.result(limit)
        except Late:
            proxy.swallow(0)
            proxy.hang_up()
            return f"nothing for {limit:g} s"


def _stalled(lab, client, limit):
    """Whether a PING to a server that hangs was not over by then, and how long it took."""
    import threading
    import time

    lab.pause(lab.primary)
    try:
        caller = threading.Thread(target=_outcome, args=[client.ping], daemon=True)
        started = time.monotonic()
        caller.start()
        caller.join(limit)
        late, took = caller.is_alive(), time.monotonic() - started
    finally:
        lab.resume(lab.nodes[0])
    caller.join(5)
    return late, took
