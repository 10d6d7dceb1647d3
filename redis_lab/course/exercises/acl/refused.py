"""Find out from ACL LOG which program was deployed with too few rights, and which are missing."""

NOTEBOOK = "67"
TITLE = "Who lacks what"
HINTS = (
    "The server keeps a log of refusals. What does it call the user, the reason and the object?",
    "How many entries does `ACL LOG` show if you don't say how many you want?",
    "A refusal of the reason `auth` is about a password, every other one about a right; where it "
    "happened (`context`) makes no difference.",
    '`for entry in r.acl_log(count=…)`: `entry["username"]`, `entry["reason"]`, `entry["object"]`.',
)
WHY = (
    "The server knows who was refused what, while the program's own log often says no more than "
    "NOPERM. Read soon: the log is short, and whoever guesses user names pushes the rest out."
)


def stub(r):
    """A dict: for each user with refused commands, keys or channels, the set of these."""


def solution(r):
    lacks = {}
    for entry in r.acl_log(count=10_000):
        if entry["reason"] != "auth":
            lacks.setdefault(entry["username"], set()).add(entry["object"])
    return lacks


def wrong_ten_entries(r):
    """entries of the log"""
    lacks = {}
    for entry in r.acl_log():
        if entry["reason"] != "auth":
            lacks.setdefault(entry["username"], set()).add(entry["object"])
    return lacks


def wrong_a_hundred_entries(r):
    """entries of the log"""
    lacks = {}
    for entry in r.acl_log(count=100):
        if entry["reason"] != "auth":
            lacks.setdefault(entry["username"], set()).add(entry["object"])
    return lacks


def wrong_guesses_too(r):
    """no right is missing"""
    lacks = {}
    for entry in r.acl_log(count=10_000):
        lacks.setdefault(entry["username"], set()).add(entry["object"])
    return lacks


def wrong_commands_only(r):
    """keys and channels"""
    lacks = {}
    for entry in r.acl_log(count=10_000):
        if entry["reason"] == "command":
            lacks.setdefault(entry["username"], set()).add(entry["object"])
    return lacks


def wrong_not_in_scripts(r):
    """inside a function or a transaction"""
    lacks = {}
    for entry in r.acl_log(count=10_000):
        if entry["reason"] != "auth" and entry["context"] == "toplevel":
            lacks.setdefault(entry["username"], set()).add(entry["object"])
    return lacks


def wrong_last_one_only(r):
    """it names 1"""
    return {
        entry["username"]: {entry["object"]}
        for entry in r.acl_log(count=10_000)
        if entry["reason"] != "auth"
    }


def check(trial):
    import contextlib

    import redis

    r, lab = trial.r, trial.lab
    users = {
        "screens": "~board:* &board:gates +hgetall +subscribe",
        "gates": "~board:* +hset +hgetall +eval",
        "desks": "~boarding:* +hset +hget +multi +exec",
        "cleaner": "~* +@read",
    }

    def acts(user, *commands, password="word"):
        with contextlib.suppress(redis.RedisError):
            client = lab.client(username=user, password=password)
            for command in commands:
                with contextlib.suppress(redis.RedisError):
                    client.execute_command(*command)

    for name, rules in users.items():
        rules = ["reset", "on", ">word", "+@connection", *rules.split()]
        r.execute_command("ACL SETUSER", name, *rules)
    r.acl_log_reset()
    trial.require(
        trial.run() == {},
        "an empty log: nobody lacks anything",
        "nobody has been refused anything yet: an empty dict says so",
    )
    seats = [f"payment:{number}" for number in range(15)]
    acts("desks", ["HSET", "boarding:1", "seat", "1A"], *(["HGET", seat, "x"] for seat in seats))
    acts("gates", ["HSET", "board:1", "gate", "C1"])
    acts("gates", ["EVAL", "return redis.call('ZADD', KEYS[1], 1, 'x')", 1, "board:due"])
    acts("gates", ["EVAL", "return redis.call('HGETALL', 'payment:99')", 0])
    acts("screens", ["HGETALL", "board:1"], ["SUBSCRIBE", "payments"], ["KEYS", "*"])
    acts("cleaner", ["GET", "payment:1"])
    for number in range(95):
        acts(f"admin{number}", ["PING"], password="guess")
    acts("cleaner", ["PING"], password="guess")
    acts("gates", ["PING"], password="guess")
    wanted = {
        "desks": set(seats),
        "gates": {"zadd", "payment:99"},
        "screens": {"payments", "keys"},
    }
    found = trial.run()
    shaped = isinstance(found, dict) and all(
        isinstance(each, set | frozenset | list | tuple) for each in found.values()
    )
    trial.require(shaped, "a dict of sets", f"that is no dict of sets: {found!r}")
    found = {str(name): set(each) for name, each in found.items()}
    extra = sorted(found.keys() - wanted.keys())
    trial.expect(
        not extra and not any(each & {"AUTH", "HELLO", "auth", "hello"} for each in found.values()),
        "guessed passwords are another matter",
        f"it names {(extra or ['HELLO'])[0]}, one of {max(len(extra), 1)} that stand there for a "
        "wrong password: no right is missing",
    )
    lua = {"zadd", "payment:99"}
    trial.expect(
        lua <= found.get("gates", set()),
        "what was refused inside a script counts",
        f"of gates it says {sorted(found.get('gates', ()))}; it was refused {sorted(lua)} inside a "
        "function or a transaction, which is as bad",
    )
    trial.expect(
        found.get("screens") == wanted["screens"],
        "commands and channels alike",
        f"of screens it says {sorted(found.get('screens', ()))}, and it was refused a command and "
        f"a channel, {sorted(wanted['screens'])}: commands, keys and channels are all rights",
    )
    told = len(found.get("desks", ()))
    trial.expect(
        found.get("desks") == wanted["desks"],
        "the whole log is read",
        f"desks was refused 15 keys, and it names {told}: there are {len(r.acl_log(count=1000))} "
        "entries of the log, and ACL LOG shows no more than it is asked for, ten if it isn't",
    )
