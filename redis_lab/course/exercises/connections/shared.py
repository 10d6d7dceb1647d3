"""One client for many threads: a bound on its connections, and a bound on waiting for one."""

NOTEBOOK = "24"
TITLE = "Enough for a hundred threads"
SECONDS = 15.0
HINTS = (
    "A pool that is full can refuse or wait. Which class of redis-py waits?",
    "`redis.BlockingConnectionPool.from_url(url, …)` takes the same options as a client.",
    "`max_connections` is the bound, `timeout` (20 s by default) the wait for a connection.",
    "A client around a pool is `redis.Redis(connection_pool=pool)`.",
)
WHY = (
    "A bound protects the server from the crowd, and waiting for a moment protects the crowd from "
    "the bound. Without a limit to that wait a slow server would stop all threads at once."
)


def stub(url, limit, patience):
    """A redis.Redis for many threads, with at most so many connections to this URL.

    When all are busy, a call waits up to patience seconds, then raises redis.ConnectionError.
    """


def solution(url, limit, patience):
    import redis

    pool = redis.BlockingConnectionPool.from_url(url, max_connections=limit, timeout=patience)
    return redis.Redis(connection_pool=pool)


def wrong_refuses(url, limit, patience):
    """were refused"""
    import redis

    return redis.Redis.from_url(url, max_connections=limit)


def wrong_no_bound(url, limit, patience):
    """at the same time"""
    import redis

    return redis.Redis.from_url(url, socket_timeout=patience)


def wrong_waits_as_it_likes(url, limit, patience):
    """still waiting"""
    import redis

    pool = redis.BlockingConnectionPool.from_url(url, max_connections=limit)
    return redis.Redis(connection_pool=pool)


def wrong_for_the_reply(url, limit, patience):
    """a call that had its connection"""
    import redis

    pool = redis.BlockingConnectionPool.from_url(
        url, max_connections=limit, timeout=patience, socket_timeout=patience
    )
    return redis.Redis(connection_pool=pool)


def wrong_one_for_all(url, limit, patience):
    """their turn"""
    import redis

    pool = redis.BlockingConnectionPool.from_url(url, max_connections=1, timeout=patience)
    return redis.Redis(connection_pool=pool)


def check(trial):
    import redis

    from redis_lab.lab import Proxy

    with Proxy(trial.lab.primary) as proxy:
        node, clients = trial.lab.primary, []
        there = f"{proxy.host}:{proxy.port}"
        url = node.url.replace(f"{node.host}:{node.port}", there)

        def make(limit, patience):
            client = trial.call(url, limit, patience)
            trial.require(
                isinstance(client, redis.Redis),
                "it is a redis.Redis",
                f"it returned {client!r:.80}, not a redis.Redis",
            )
            clients.append(client)
            return client

        try:
            _crowd(trial, proxy, make(5, 10.0))
            _full(trial, make)
        finally:
            trial.r.rpush("calls", *range(20))  # whoever still waits for one
            for client in clients:
                client.connection_pool.disconnect()


def _outcome(call):
    """What it raised, or an empty string; the seconds it took."""
    import time

    started = time.monotonic()
    try:
        call()
    except Exception as error:
        return error, time.monotonic() - started
    return "", time.monotonic() - started


def _crowd(trial, proxy, client):
    """Thirty threads at once, on a line that takes its time."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    start, before = threading.Barrier(30), len(proxy.arrivals)

    def ask(_):
        start.wait()
        return _outcome(client.ping)[0]

    proxy.delay = 0.01
    with ThreadPoolExecutor(30) as crowd:
        refused = [error for error in crowd.map(ask, range(30)) if error]
    proxy.delay = 0.0
    opened = len(proxy.arrivals) - before
    trial.require(
        not refused,
        "thirty threads at once are all served",
        f"thirty threads asked at once, with a limit of 5; {len(refused)} of them were refused: "
        f"{refused[:1]}",
    )
    trial.require(
        opened <= 5,
        "over 5 connections at most",
        f"thirty threads asked at the same time, the limit was 5, and {opened} connections were "
        "opened",
    )


def _full(trial, make):
    """Three who hold a connection, and a fourth."""
    import time
    from concurrent.futures import ThreadPoolExecutor

    import redis

    def fill(client, desks):
        held = [desks.submit(_outcome, lambda: client.blpop("calls", 0)) for _ in range(3)]
        _until(lambda: trial.r.info("clients")["blocked_clients"] >= 3)
        return held

    hasty, patient = make(3, 0.4), make(3, 10.0)
    with ThreadPoolExecutor(8) as desks:
        held = fill(hasty, desks)
        blocked = trial.r.info("clients")["blocked_clients"]
        fourth = desks.submit(_outcome, hasty.ping)
        deadline = time.monotonic() + 3
        while not fourth.done() and time.monotonic() < deadline:
            time.sleep(0.01)
        late = not fourth.done()
        cut = [call for call in held if call.done()]
        trial.r.rpush("calls", "one", "two", "three")
        error, took = fourth.result()
        errors = [call.result()[0] for call in held]
    trial.r.delete("calls")
    trial.require(
        blocked == 3,
        "three who wait for a call hold its three connections",
        f"three threads wait with BLPOP, the limit is 3, and {blocked} of them came to wait: the "
        "others did not get their turn",
    )
    trial.require(
        not cut and not any(errors),
        "patience is for a connection, not for a reply",
        f"a call that had its connection was waiting for its reply, and was cut off: {errors[:1]}",
    )
    trial.require(
        not late and isinstance(error, redis.ConnectionError),
        "a fourth waits, and is refused when its patience ends",
        "all connections were busy, its patience was 0.4 s, and it was still waiting after 3 s"
        if late
        else f"all connections were busy; the fourth heard {error!r} after {took:.2f} s",
    )
    trial.expect(
        took > 0.2,
        "and not at once",
        f"its patience was 0.4 s, and it was refused after {took:.3f} s",
    )
    with ThreadPoolExecutor(8) as desks:
        held = fill(patient, desks)
        fourth = desks.submit(_outcome, patient.ping)
        trial.r.rpush("calls", "one", "two", "three")
        error, _ = fourth.result()
    trial.r.delete("calls")
    trial.expect(
        not error,
        "who has the patience gets a connection that is given back",
        f"a connection was given back in time, and the one who waited for it heard {error!r}",
    )


def _until(state):
    import time

    deadline = time.monotonic() + 3
    while not state() and time.monotonic() < deadline:
        time.sleep(0.01)
