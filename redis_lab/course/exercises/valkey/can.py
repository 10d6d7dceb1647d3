"""Find out by trying, on a scratch key, whether a server runs something for this user."""

NOTEBOOK = "82"
TITLE = "Write a capability check"
HINTS = (
    "Try it: `r.execute_command(*step)`. `COMMAND INFO` knows neither this user's rights nor what "
    "an option is worth, and may be refused itself.",
    "A scratch key must be nobody else's: `uuid.uuid4().hex` in its name. The same key in all "
    "steps of one call.",
    "`finally:` is reached whatever happened: delete the key there. A user without `DEL` may have "
    "`UNLINK`, but you may count on `DEL`.",
    "`redis.exceptions.NoPermissionError` is `denied`. Of the other `redis.ResponseError`s, those "
    "that say `unknown command`, `unknown subcommand` or `syntax error` are `unknown`.",
)
WHY = (
    "What a program may do depends on the family, the version, the build, the user and the "
    "landlord. One question has all five in its answer: try it, there, as yourself."
)


def stub(r, *steps):
    """ "yes" if this server runs these commands for us, one after the other; else why not.

    A step is a list of words, "KEY" among them stands for a scratch key, one for all steps. Why
    not: "denied", "unknown" (command, subcommand or option), "refused". The key is gone afterwards.
    """


def solution(r, *steps):
    import uuid

    import redis
    from redis.exceptions import NoPermissionError

    key = f"can:{uuid.uuid4().hex}"
    try:
        for step in steps:
            r.execute_command(*(key if word == "KEY" else word for word in step))
    except NoPermissionError:
        return "denied"
    except redis.ResponseError as error:
        text = str(error).lower()
        unknown = ("unknown command", "unknown subcommand", "syntax error")
        return "unknown" if any(words in text for words in unknown) else "refused"
    finally:
        r.delete(key)
    return "yes"


def wrong_command_info(r, *steps):
    """may not run it"""
    known = {name.lower() for name in r.command()}
    return "yes" if all(step[0].lower() in known for step in steps) else "unknown"


def wrong_leaves_the_key(r, *steps):
    """is left behind"""
    import uuid

    import redis
    from redis.exceptions import NoPermissionError

    key = f"can:{uuid.uuid4().hex}"
    try:
        for step in steps:
            r.execute_command(*(key if word == "KEY" else word for word in step))
    except NoPermissionError:
        return "denied"
    except redis.ResponseError as error:
        return "unknown" if "unknown" in str(error) or "syntax" in str(error) else "refused"
    r.delete(key)
    return "yes"


def wrong_a_key_of_somebody(r, *steps):
    """somebody's key"""
    import redis
    from redis.exceptions import NoPermissionError

    try:
        for step in steps:
            r.execute_command(*("test" if word == "KEY" else word for word in step))
    except NoPermissionError:
        return "denied"
    except redis.ResponseError as error:
        return "unknown" if "unknown" in str(error) or "syntax" in str(error) else "refused"
    finally:
        r.delete("test")
    return "yes"


def wrong_keeps_one_of_its_own(r, *steps):
    """isn't what it was"""
    import redis
    from redis.exceptions import NoPermissionError

    try:
        r.delete("test")
        for step in steps:
            r.execute_command(*("test" if word == "KEY" else word for word in step))
    except NoPermissionError:
        return "denied"
    except redis.ResponseError as error:
        return "unknown" if "unknown" in str(error) or "syntax" in str(error) else "refused"
    finally:
        r.set("test", "free")
    return "yes"


def wrong_all_errors_alike(r, *steps):
    """neither yes nor unknown"""
    import uuid

    import redis

    key = f"can:{uuid.uuid4().hex}"
    try:
        for step in steps:
            r.execute_command(*(key if word == "KEY" else word for word in step))
    except redis.ResponseError:
        return "unknown"
    finally:
        r.delete(key)
    return "yes"


def wrong_text_of_one_version(r, *steps):
    """CONFIG has no NOSUCH"""
    import uuid

    import redis
    from redis.exceptions import NoPermissionError

    key = f"can:{uuid.uuid4().hex}"
    try:
        for step in steps:
            r.execute_command(*(key if word == "KEY" else word for word in step))
    except NoPermissionError:
        return "denied"
    except redis.ResponseError as error:
        return "unknown" if str(error).startswith("unknown command") else "refused"
    finally:
        r.delete(key)
    return "yes"


def check(trial):
    r = trial.r
    rights = {
        "tenant": ["-getdel", "-config"],
        "stranger": ["-info", "-command", "-acl", "-client"],
    }
    for name, rules in rights.items():
        r.acl_setuser(
            name, enabled=True, passwords=["+rented"], keys=["*"], commands=["+@all", *rules]
        )
    for key in ("test", "KEY", "key", "scratch", "tmp", "can", "can:test", "foo"):
        r.set(key, "somebody's")
    before = trial.keyspace()
    mine = trial.client()
    theirs, blind = (trial.lab.primary.client(username=name, password="rented") for name in rights)
    cases = [
        (mine, [["SET", "KEY", "1"], ["GET", "KEY"]], "yes", "", "a plain command: yes"),
        (mine, [["HSET", "KEY", "f", "1"], ["HINCRBY", "KEY", "f", "1"]], "yes",
         "its steps use one scratch key, and all run", "two steps on one key: yes"),
        (theirs, [["SET", "KEY", "1"], ["GETDEL", "KEY"]], "denied",
         "this user may not run it: that is denied, neither yes nor unknown",
         "GETDEL for this user: denied"),
        (theirs, [["CONFIG", "GET", "maxmemory"]], "denied", "this user may not run it",
         "a subcommand of a closed command: denied"),
        (mine, [["SET", "KEY", "1"], ["NOSUCH", "KEY"]], "unknown", "no server has NOSUCH",
         "a command that isn't there: unknown"),
        (mine, [["CONFIG", "NOSUCH"]], "unknown", "CONFIG has no NOSUCH",
         "a subcommand that isn't there: unknown"),
        (mine, [["SET", "KEY", "1", "NOSUCH", "2"]], "unknown",
         "NOSUCH is an option that SET doesn't have here", "an option that isn't there: unknown"),
        (mine, [["SET", "KEY", "1"], ["LPUSH", "KEY", "1"]], "refused",
         "the server knows it and lets us, and still says no (WRONGTYPE)", "all else: refused"),
        (blind, [["SADD", "KEY", "unknown command"], ["SCARD", "KEY"]], "yes",
         "both run", "without INFO, COMMAND and ACL as well: yes"),
    ]  # fmt: skip
    try:
        for client, steps, wanted, why, claim in cases:
            said = trial.call(client, *steps)
            trial.require(
                said == wanted, claim,
                f"{' then '.join(' '.join(step) for step in steps)}: it says {said!r:.40}. {why}",
            )  # fmt: skip
            after = trial.keyspace()
            lost, more = sorted(set(before) - set(after)), sorted(set(after) - set(before))
            trial.require(not lost, "nobody's key is touched", f"{lost} was somebody's key")
            trial.require(
                not more, "nothing is left behind",
                f"{more} is left behind, after it said {said!r:.40}",
            )  # fmt: skip
        changed = [key for key in before if r.type(key) != "string" or r.get(key) != "somebody's"]
        trial.expect(
            not changed, "nobody's key is touched",
            f"{changed} was somebody's key, and isn't what it was",
        )  # fmt: skip
    finally:
        theirs.close()
        blind.close()
