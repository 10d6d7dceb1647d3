"""Give the board a user of its own: its work, and nothing else."""

NOTEBOOK = "67"
TITLE = "Least privilege for the board"
HINTS = (
    "Don't think of what is dangerous. Which commands does the work consist of, and on what?",
    "A function runs with the rights of its caller: what it calls must be allowed as well, the "
    "channel that it publishes to among it.",
    "Rules add up to those that are there. Which one takes everything away first?",
    "`ACL SETUSER board reset on >… ~board:* &board:gates +hgetall +zrange …`: eight commands "
    "with `client|setinfo`, which a server of 7.0 doesn't know; it may be left out.",
)
WHY = (
    "A program that is taken over can do what its user may do, and nothing more. A list of allowed "
    "commands stays right when the server learns new ones; a list of forbidden ones does not."
)


def stub(r, password):
    """Make the user board, which logs in with this password and can do its work, nothing else."""


def solution(r, password):
    work = "+hgetall +zrange +fcall +hset +zadd +publish +subscribe"
    rules = ["reset", "on", f">{password}", "~board:*", "&board:gates", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_not_dangerous(r, password):
    """the names of all keys"""
    rules = ["reset", "on", f">{password}", "~board:*", "&board:*", "+@all", "-@dangerous"]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_prefix_without_colon(r, password):
    """boarding:"""
    work = "+hgetall +zrange +fcall +hset +zadd +publish +subscribe"
    rules = ["reset", "on", f">{password}", "~board*", "&board:*", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_adds_to_what_is_there(r, password):
    """the password of whoever was here before"""
    work = "+hgetall +zrange +fcall +hset +zadd +publish +subscribe"
    rules = ["on", f">{password}", "~board:*", "&board:*", "-@all", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_forgets_the_channel(r, password):
    """stopped half-way"""
    work = "+hgetall +zrange +fcall +hset +zadd +publish +subscribe"
    rules = ["reset", "on", f">{password}", "~board:*", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_forgets_what_the_function_does(r, password):
    """FCALL gate"""
    work = "+hgetall +zrange +fcall +subscribe"
    rules = ["reset", "on", f">{password}", "~board:*", "&board:*", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_categories(r, password):
    """delete its own flights"""
    work = "+@read +@write +@pubsub +fcall -@dangerous -scan -randomkey"
    rules = ["reset", "on", f">{password}", "~board:*", "&board:*", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_all_of_scripting(r, password):
    """scripts of its own"""
    work = "+hgetall +zrange +@scripting +hset +zadd +publish +subscribe"
    rules = ["reset", "on", f">{password}", "~board:*", "&board:*", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_every_channel(r, password):
    """listen to payments"""
    work = "+hgetall +zrange +fcall +hset +zadd +publish +subscribe"
    rules = ["reset", "on", f">{password}", "~board:*", "allchannels", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_no_password(r, password):
    """any password"""
    work = "+hgetall +zrange +fcall +hset +zadd +publish +subscribe"
    rules = ["reset", "on", "nopass", "~board:*", "&board:*", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_all_connections(r, password):
    """other programs' connections"""
    work = "+hgetall +zrange +fcall +hset +zadd +publish +subscribe +@connection"
    rules = ["reset", "on", f">{password}", "~board:*", "&board:*", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_more_than_the_work(r, password):
    """may run get, hget"""
    work = "+hgetall +zrange +fcall +hset +zadd +publish +subscribe +get +hget"
    rules = ["reset", "on", f">{password}", "~board:*", "&board:gates", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


def wrong_takes_flights_apart(r, password):
    """delete its own flights"""
    work = "+@hash +@sortedset +fcall +publish +subscribe"
    rules = ["reset", "on", f">{password}", "~board:*", "&board:gates", *work.split()]
    r.execute_command("ACL SETUSER", "board", *rules)


GATE = """#!lua name=board
redis.register_function('gate', function(keys, args)
  redis.call('HSET', keys[1], 'gate', args[1])
  redis.call('ZADD', keys[2], args[2], args[3])
  return redis.call('PUBLISH', 'board:gates', args[1])
end)"""
FLIGHT = "board:UA1545"
WORK = (
    f"HGETALL {FLIGHT}", "ZRANGE board:due 0 9", f"FCALL gate 2 {FLIGHT} board:due C120 515 UA1545",
    "SUBSCRIBE board:gates",
)  # fmt: skip
ATTACKS = {
    "read other programs' keys": (
        "HGETALL boarding:UA1545:1A:Ann", "GET payment:1", "HGETALL payment:2",
        "ZRANGE payments:due 0 9", "HSET boarding:UA1545:1A:Ann seat 1B", "HSET payment:2 card x",
        f"FCALL gate 2 boarding:UA1545 {FLIGHT} C1 1 x", "SORT board:due BY nosort GET payment:*",
    ),
    "learn the names of all keys": ("SCAN 0", "RANDOMKEY", "DBSIZE"),
    "listen to payments": ("SUBSCRIBE payments", "PUBLISH payments x", "PSUBSCRIBE *"),
    "run scripts of its own": (
        "EVAL 'return 1' 0", "EVAL \"return redis.call('GET', 'payment:1')\" 0", "SCRIPT FLUSH",
        "FUNCTION DELETE other", "FUNCTION DUMP",
    ),
    "watch or cut other programs' connections": (
        "CLIENT LIST", "CLIENT KILL TYPE pubsub", "MONITOR", "PUBSUB CHANNELS",
    ),
    "look into the server, or change it": (
        "CONFIG GET *", "CONFIG SET maxmemory 0", "INFO", "ACL LIST", "SLOWLOG GET",
        "MEMORY STATS", "SWAPDB 1 2",
    ),
    "delete its own flights, or fill the memory": (
        "HDEL board:spare gate", "DEL board:spare", "UNLINK board:spare", "EXPIRE board:spare 1",
        "SETBIT board:big 800000 1", "MOVE board:spare 1", "RENAME board:spare board:spare2",
    ),
}  # fmt: skip
NEEDED = {"hgetall", "zrange", "fcall", "hset", "zadd", "publish", "subscribe"}
# Everybody may log in and out; the rest is what clients send when they connect.
CONNECTING = {"auth", "hello", "quit", "reset", "ping", "echo", "select", "unsubscribe"} | {
    f"client|{each}" for each in ("setinfo", "setname", "getname", "id")
}
ASKED = ("KEYS *", "FLUSHALL", "FLUSHDB", "SHUTDOWN", "REPLICAOF NO ONE", "DEBUG SLEEP 0")


def check(trial):
    import redis

    from redis_lab.observe import attempts, permitted

    r, lab = trial.r, trial.lab
    r.hset(FLIGHT, "gate", "?")
    r.zadd("board:due", {"UA1545": 515})
    r.hset("boarding:UA1545:1A:Ann", "seat", "1A")
    r.set("payment:1", "card of Ann")
    r.hset("payment:2", "card", "of Bob")
    r.zadd("payments:due", {"1": 1})
    r.hset("board:spare", "gate", "?")
    r.function_load(GATE)
    r.function_load(GATE.replace("name=board", "name=other").replace("'gate',", "'other',"))
    before = ["reset", "on", ">sesame", "~boarding:*", "&spare", "+@all"]
    r.execute_command("ACL SETUSER", "board", *before)

    def logs_in(password):
        try:
            with lab.client(username="board", password=password) as client:
                client.execute_command("AUTH", "board", password)
        except redis.AuthenticationError:
            return False
        return True

    trial.run("first-word")
    trial.run("second-word")
    trial.require(
        logs_in("second-word"),
        "it logs in with the password",
        "board can't log in with the password that was asked for: is it on?",
    )
    trial.require(
        not logs_in("no-word"),
        "and with no other",
        "it logs in with any password: that is nopass",
    )
    trial.expect(
        not logs_in("sesame") and not logs_in("first-word"),
        "a user of that name who was there before is gone",
        "there was a board with another password and other rights, and it still logs in with the "
        "password of whoever was here before: rules add up",
    )
    client = lab.client(username="board", password="second-word")
    told = attempts(r, {"board": client}, WORK).set_index("command")
    gate = r.hget(FLIGHT, "gate")
    called = told.loc[WORK[2]]
    half = " The gate was set, and nobody was told: it stopped half-way" if gate == "C120" else ""
    trial.expect(
        bool(called.passed),
        "the function runs to its end",
        f"FCALL gate was refused: {called.said}.{half}",
    )
    others = told.drop(WORK[2])
    failed = others[~others.passed]
    trial.require(
        failed.empty,
        "the rest of its work passes",
        f"this is its work, and it was refused: {', '.join(failed.index)}",
    )
    agree = told.passed.tolist() == told.dryrun.tolist()
    for what, commands in ATTACKS.items():
        tried = attempts(r, {"board": client}, commands)
        through = tried[tried.passed].command.tolist()
        agree = agree and tried.passed.tolist() == tried.dryrun.tolist()
        trial.expect(
            not through,
            f"it can't {what}",
            f"it can {what}: {len(through)} of {len(tried)} tries passed, {', '.join(through[:3])}",
        )
    asked = {text: r.execute_command("ACL DRYRUN", "board", *text.split()) for text in ASKED}
    passed = [text for text, said in asked.items() if said in ("OK", True)]
    trial.expect(
        not passed,
        "nor harm everybody",
        f"ACL DRYRUN says that it may {', '.join(passed)}",
    )
    more = sorted(permitted(r, "board") - NEEDED - CONNECTING)
    trial.expect(
        not more,
        "and runs no other command",
        f"none of its work needs it, and it may run {', '.join(more[:4])}"
        + (f" and {len(more) - 4} others" if more[4:] else ""),
    )
    if called.passed:
        trial.expect(
            agree,
            "ACL DRYRUN says the same about all of it",
            "ACL DRYRUN calls something allowed that is refused when it runs",
        )
