"""Hear of these and no others: OPTIN, NOLOOP, one connection, and no gap before the read."""

NOTEBOOK = "35"
TITLE = "Hear of these and no others"
HINTS = (
    "`OPTIN` remembers what you ask for and nothing else; `NOLOOP` leaves out your own writes.",
    "`CLIENT CACHING YES` holds for the next command only: read all keys with one.",
    "Tracking belongs to a connection, and two calls of `r` may use two. A pipeline holds one.",
    "`CLIENT TRACKING ON REDIRECT <listener> OPTIN NOLOOP`, `CLIENT CACHING YES` and `MGET`, in "
    "this order, in `r.pipeline(transaction=False)`.",
)
WHY = (
    "Tracking switched on through a pool is tracking of whichever connection was free: it works on "
    "the desk, where there is one thread. And who reads before he listens has a gap in which a "
    "change is told to nobody."
)


def stub(r, listener, keys):
    """The values of keys; from then on the connection `listener` hears when one changes."""


def solution(r, listener, keys):
    with r.pipeline(transaction=False) as pipe:
        pipe.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", listener, "OPTIN", "NOLOOP")
        pipe.execute_command("CLIENT", "CACHING", "YES")
        pipe.mget(keys)
        return pipe.execute()[-1]


def wrong_everything_read(r, listener, keys):
    """was read later"""
    with r.pipeline(transaction=False) as pipe:
        pipe.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", listener, "NOLOOP")
        pipe.mget(keys)
        return pipe.execute()[-1]


def wrong_prefixes(r, listener, keys):
    """begins like one"""
    names = [part for key in keys for part in ("PREFIX", key)]
    with r.pipeline(transaction=False) as pipe:
        pipe.execute_command("CLIENT", "TRACKING", "OFF")
        pipe.execute_command(
            "CLIENT", "TRACKING", "ON", "REDIRECT", listener, "BCAST", "NOLOOP", *names
        )
        pipe.mget(keys)
        return pipe.execute()[-1]


def wrong_caching_once(r, listener, keys):
    """the next command only"""
    with r.pipeline(transaction=False) as pipe:
        pipe.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", listener, "OPTIN", "NOLOOP")
        pipe.execute_command("CLIENT", "CACHING", "YES")
        for key in keys:
            pipe.get(key)
        return pipe.execute()[2:]


def wrong_loop(r, listener, keys):
    """on its own connection"""
    with r.pipeline(transaction=False) as pipe:
        pipe.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", listener, "OPTIN")
        pipe.execute_command("CLIENT", "CACHING", "YES")
        pipe.mget(keys)
        return pipe.execute()[-1]


def wrong_any_connection(r, listener, keys):
    """another connection"""
    r.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", listener, "NOLOOP")
    return r.mget(keys)


def wrong_read_first(r, listener, keys):
    """neither"""
    values = r.mget(keys)
    with r.pipeline(transaction=False) as pipe:
        pipe.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", listener, "OPTIN", "NOLOOP")
        pipe.execute_command("CLIENT", "CACHING", "YES")
        pipe.mget(keys)
        pipe.execute()
    return values


def check(trial):
    from redis_lab.course.gaps import Gaps

    ear = trial.lab.client(protocol=2).pubsub()
    try:
        ear.execute_command("CLIENT", "ID")
        me = ear.parse_response()
        ear.subscribe("__redis__:invalidate")
        _look(trial, ear, me, Gaps)
    finally:
        ear.close()


def _look(trial, ear, me, gaps):
    keys = ["gate:UA15", "gate:B6725", "gate:DL1"]
    gates = ["C120", "20", "A7"]

    def told():
        """The names in all messages that have come."""
        ear.ping()
        names = []
        while (message := ear.get_message(timeout=5)) and message["type"] != "pong":
            if message["type"] == "message":
                names += message["data"]
        return names

    def asked(wanted, act=None, after=1):
        """What the answer gave, and the connections it used, each only once."""
        trial.r.mset({**dict(zip(keys, gates, strict=True)), "gate:UA1545": "B1"})
        told()
        client, used = trial.client(gaps(act, after)), []
        pool = client.connection_pool
        take, give = pool.get_connection, pool.release

        def get_connection(*args, **kwargs):
            used.append(take(*args, **kwargs))
            return used[-1]

        pool.get_connection, pool.release = get_connection, lambda connection: None
        try:
            return trial.call(client, me, wanted), used
        finally:
            pool.get_connection, pool.release = take, give

    def on(connection, *command):
        connection.send_command(*command)
        return connection.read_response()

    given, used = asked(keys)
    trial.require(
        isinstance(given, list) and given == gates,
        "it returns the values in the order of the keys",
        f"wanted was {gates}, and it gave {given!r:.100}",
    )
    early = told()
    trial.expect(not early, "nothing is told before something changes", f"it was told {early}")
    heard = []
    for key in keys:
        trial.r.set(key, "C1")
        heard.append(key in told())
    reason = (
        "nothing was heard: was the tracking on another connection of the pool than the read, or "
        "switched on after it?"
        if not any(heard)
        else f"only of {', '.join(key for key, yes in zip(keys, heard, strict=True) if yes)}: "
        "CLIENT CACHING YES holds for the next command only"
    )
    trial.require(all(heard), "the listener hears of each of the keys", reason)

    given, used = asked(keys)
    trial.r.set("gate:UA1545", "B2")
    extra = told()
    trial.expect(
        not extra,
        "it hears of no key that was not asked for",
        f"it heard of {', '.join(sorted(set(extra)))}, which begins like one of yours",
    )
    for connection in used:
        on(connection, "GET", "gate:UA1545")
    trial.r.set("gate:UA1545", "B3")
    extra = told()
    trial.expect(
        not extra,
        "nor if that is read later on the same connection",
        f"it heard of {', '.join(sorted(set(extra)))}, which was read later on your connection, "
        "by one who had not asked for messages",
    )
    for connection in used:
        on(connection, "SET", keys[0], "own")
    extra = told()
    trial.expect(
        not extra,
        "what is written on its own connection is not told",
        f"it wrote {', '.join(extra)} on its own connection, and was told so",
    )
    asked(keys[:1])
    given, _ = asked(keys[1:])
    trial.r.set(keys[1], "C2")
    heard = told()
    trial.expect(
        given == gates[1:] and keys[1] in heard,
        "it can be called again for other keys",
        f"called again it gave {given}, and a change of {keys[1]} made it hear {heard}",
    )
    for after in (1, 2, 3, 4):
        given, _ = asked(keys, lambda: trial.r.set(keys[0], "late"), after)
        now, heard = trial.r.get(keys[0]), told()
        trial.expect(
            bool(given) and (given[0] == now or keys[0] in heard),
            f"no change is missed after {after} trip{'s' if after > 1 else ''}",
            f"{keys[0]} changed after {after} of your trips, and it was neither in your answer "
            "nor told: a gap between reading and listening",
        )
