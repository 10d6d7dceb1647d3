"""Read and delete in one, on any server: choose by what it lets us do, never by its version."""

NOTEBOOK = "82"
TITLE = "Take it, wherever you are"
HINTS = (
    "`r.getdel(key)`; if the server says no (`redis.ResponseError`), go on to the next way.",
    "A transaction needs neither: `GET` and `DEL` in one `MULTI` are one step, and the first reply "
    "is the value.",
    "`pipe = r.pipeline(transaction=True)`, then `pipe.get(key)`, `pipe.delete(key)`, `execute()`.",
    "`MULTI` is everywhere, so you could use nothing else: then the question is gone.",
)
WHY = (
    "The best check is the one that you don't need: a way that works everywhere, and costs a few "
    "microseconds. Where there is none, try, and fall back on an error that says no."
)


ATOMIC = {"exec", "eval", "evalsha", "fcall", "rename", "renamenx"}


def stub(r, key):
    """The value of key, which is gone afterwards; None if there is none. In one step."""


def solution(r, key):
    import redis

    try:
        return r.getdel(key)
    except redis.ResponseError:
        value, _ = r.pipeline(transaction=True).get(key).delete(key).execute()
        return value


def wrong_getdel(r, key):
    """may not use GETDEL"""
    return r.getdel(key)


def wrong_two_steps(r, key):
    """is lost, and nobody has seen it"""
    import redis

    try:
        return r.getdel(key)
    except redis.ResponseError:
        value = r.get(key)
        r.delete(key)
        return value


def wrong_a_pipeline(r, key):
    """isn't a transaction"""
    value, _ = r.pipeline(transaction=False).get(key).delete(key).execute()
    return value


def wrong_script_else(r, key):
    """nor scripts"""
    import redis

    try:
        return r.getdel(key)
    except redis.ResponseError:
        return r.eval("return {redis.call('GET', KEYS[1]), redis.call('DEL', KEYS[1])}", 1, key)[0]


def wrong_by_version(r, key):
    """decides by the version"""
    version = tuple(map(int, r.info("server")["redis_version"].split(".")[:2]))
    if version >= (6, 2):
        return r.getdel(key)
    value, _ = r.pipeline(transaction=True).get(key).delete(key).execute()
    return value


def check(trial):
    from redis_lab.course.answers import Refused
    from redis_lab.course.gaps import Gaps, watch

    r = trial.r
    rights = {
        "everything": ["+@all"],
        "no INFO": ["+@all", "-info", "-command"],
        "no GETDEL": ["+@all", "-getdel", "-command", "-acl|dryrun"],
        "neither GETDEL nor scripts": [
            "+@all", "-getdel", "-eval", "-eval_ro", "-evalsha", "-evalsha_ro", "-script", "-fcall",
            "-fcall_ro", "-function", "-command", "-info",
        ],
    }  # fmt: skip
    for number, rules in enumerate(rights.values()):
        r.acl_setuser(f"u{number}", enabled=True, passwords=["+u"], keys=["*"], commands=rules)

    def client(number, gaps):
        one = trial.lab.primary.client(username=f"u{number}", password="u")
        act, gaps.act = gaps.act, None
        watch(one, gaps)
        one.ping()
        gaps.trips, gaps.act = 0, act
        return one

    def taken(number, claim, gaps=None):
        one = client(number, gaps or Gaps())
        try:
            return trial.call(one, "gate:UA1545")
        except Refused as error:
            why = "its user may not use GETDEL" + (", nor scripts" if number == 3 else "")
            if "INFO" in str(error) or "'info'" in str(error):
                why = "it decides by the version, and INFO is closed"
            trial.require(False, claim, f"as a user with {list(rights)[number]}: {error}. {why}")
        finally:
            one.close()

    for number, name in enumerate(rights):
        claim = f"{name}: the value, and it is gone"
        r.set("gate:UA1545", "C121")
        said = taken(number, claim)
        trial.require(said == "C121", claim, f"as a user with {name}: it gave {said!r:.60}")
        trial.require(not r.exists("gate:UA1545"), claim, f"with {name}: the value is still there")
        said = taken(number, claim)
        trial.require(said is None, f"{name}: None when there is none", f"it gave {said!r:.60}")
    for number, name in enumerate(rights):
        for after in (1, 2, 3):
            r.set("gate:UA1545", "C121")
            gaps = Gaps(lambda: r.set("gate:UA1545", "A7"), after)
            said = taken(number, "nothing is lost", gaps)
            left = r.getdel("gate:UA1545")
            trial.require(
                said is not None,
                "there was a value, and it is told",
                f"with {name}: A7 was set over C121 meanwhile, and it gave None: there was a value",
            )
            trial.require(
                not gaps.acted or said == "A7" or left == "A7",
                "what was set meanwhile is taken, or is still there",
                f"with {name}: A7 was set meanwhile; it gave {said!r:.20}, and A7 is lost, and "
                "nobody has seen it",
            )
    for number, name in enumerate(rights):
        r.set("gate:UA1545", "C121")
        r.config_resetstat()
        taken(number, "in one step")
        ran = {each.removeprefix("cmdstat_") for each in r.info("commandstats")}
        loose = "get" in ran and ran & {"del", "unlink"} and not ran & ATOMIC
        trial.require(
            not loose,
            "in one step",
            f"with {name}: GET and DEL came in one parcel, but a parcel isn't a transaction: the "
            "server may serve another taker between them",
        )
