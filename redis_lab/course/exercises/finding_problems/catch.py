"""Catch every command of a while in the slow log, and leave the server as it was found."""

NOTEBOOK = "70"
TITLE = "Leave no trace"
HINTS = (
    "`slowlog-log-slower-than` 0 logs everything. Note what it was: `config_get` gives text.",
    "`slowlog-max-len` is 128: of 1,000 commands you would see the last ones. Make room first.",
    "Don't `RESET`: entries have an `id` that only rises. Which is the last one before you begin?",
    "`try: wait() finally:` sets both back, whatever happens in `wait`. Read the log before you "
    "make it short again.",
)
WHY = (
    "A threshold of 0 that somebody forgot costs every command a little, and a RESET takes away "
    "the evidence of the night: whoever looks for a fault should not leave another."
)


def stub(r, wait):
    """The commands that others ran while wait() did, oldest first, as text: "GET flight:1".

    They are 2,000 at most, however fast. The server's settings are afterwards what they were, also
    if wait() raises (then so do you), and its slow log still has what it had.
    """


def solution(r, wait):
    names = ("slowlog-log-slower-than", "slowlog-max-len")
    before = r.config_get(*names)
    known = max((entry["id"] for entry in r.slowlog_get(1)), default=-1)
    try:
        r.config_set("slowlog-max-len", 5000, "slowlog-log-slower-than", 0)
        wait()
        r.config_set("slowlog-log-slower-than", -1)
        found = [entry for entry in r.slowlog_get(5000) if entry["id"] > known]
    finally:
        r.config_set(*(word for name in names for word in (name, before[name])))
    texts = [entry["command"].decode() for entry in reversed(found)]
    return [text for text in texts if not text.startswith(("CONFIG", "SLOWLOG"))]


def wrong_leaves_it(r, wait):
    """they were, and"""
    known = max((entry["id"] for entry in r.slowlog_get(1)), default=-1)
    r.config_set("slowlog-max-len", 5000)
    r.config_set("slowlog-log-slower-than", 0)
    wait()
    found = [entry for entry in r.slowlog_get(5000) if entry["id"] > known]
    return [entry["command"].decode() for entry in reversed(found)]


def wrong_resets(r, wait):
    """evidence"""
    before = r.config_get("slowlog-*")
    r.slowlog_reset()
    try:
        r.config_set("slowlog-max-len", 5000)
        r.config_set("slowlog-log-slower-than", 0)
        wait()
        found = r.slowlog_get(5000)
    finally:
        for name in ("slowlog-max-len", "slowlog-log-slower-than"):
            r.config_set(name, before[name])
    return [entry["command"].decode() for entry in reversed(found)]


def wrong_too_short(r, wait):
    """the log has room for"""
    before = r.config_get("slowlog-log-slower-than")
    known = max((entry["id"] for entry in r.slowlog_get(1)), default=-1)
    try:
        r.config_set("slowlog-log-slower-than", 0)
        wait()
        found = [entry for entry in r.slowlog_get(5000) if entry["id"] > known]
    finally:
        r.config_set("slowlog-log-slower-than", before["slowlog-log-slower-than"])
    return [entry["command"].decode() for entry in reversed(found)]


def wrong_no_finally(r, wait):
    """wait() raised"""
    before = r.config_get("slowlog-*")
    known = max((entry["id"] for entry in r.slowlog_get(1)), default=-1)
    r.config_set("slowlog-max-len", 5000)
    r.config_set("slowlog-log-slower-than", 0)
    wait()
    found = [entry for entry in r.slowlog_get(5000) if entry["id"] > known]
    for name in ("slowlog-max-len", "slowlog-log-slower-than"):
        r.config_set(name, before[name])
    return [entry["command"].decode() for entry in reversed(found)]


def wrong_old_ones(r, wait):
    """before wait() began"""
    before = r.config_get("slowlog-*")
    try:
        r.config_set("slowlog-max-len", 5000)
        r.config_set("slowlog-log-slower-than", 0)
        wait()
        found = r.slowlog_get(5000)
    finally:
        for name in ("slowlog-max-len", "slowlog-log-slower-than"):
            r.config_set(name, before[name])
    return [entry["command"].decode() for entry in reversed(found)]


def check(trial):
    r, names = trial.r, ("slowlog-log-slower-than", "slowlog-max-len")
    r.config_set("slowlog-log-slower-than", 0)
    for number in range(5):
        r.get(f"night:{number}")
    r.config_set("slowlog-log-slower-than", 700_000, "slowlog-max-len", 140)
    before = r.config_get(*names)

    def settings(claim, when):
        after = r.config_get(*names)
        trial.expect(
            after == before,
            claim,
            f"{when} the settings are {after}; {before} they were, and somebody relies on it",
        )

    def works(count, raises=None):
        def wait():
            for number in range(count):
                r.get(f"flight:{number}")
            if raises:
                raise raises

        return wait

    def told(count):
        said = trial.run(works(count))
        trial.require(
            isinstance(said, list) and all(isinstance(each, str) for each in said),
            "a list of texts",
            f"it gave {said!r:.90}, not a list of commands as text",
        )
        return said

    said = told(3)
    wanted = [f"GET flight:{number}" for number in range(3)]
    trial.require(
        not any("night:" in each for each in said),
        "only what ran meanwhile",
        f"it told of {[each for each in said if 'night:' in each][:2]}, which ran before wait() "
        "began",
    )
    trial.require(
        [each for each in said if each.startswith("GET ")] == wanted,
        "all that ran meanwhile, oldest first",
        f"while wait() ran, {wanted} ran, and it gave {said!r:.120}",
    )
    settings("the settings are as they were", "afterwards")
    kept = [entry["command"].decode() for entry in r.slowlog_get(5000)]
    night = [f"GET night:{number}" for number in range(5)]
    trial.expect(
        set(night) <= set(kept),
        "the slow log still has what it had",
        f"the night's entries are gone: {len(set(night) & set(kept))} of 5 are left. They were "
        "somebody's evidence",
    )
    many = [each for each in told(900) if each.startswith("GET ")]
    trial.expect(
        len(many) == 900,
        "900 commands are no more than three",
        f"of 900 commands it told of {len(many)}: the log has room for {before[names[1]]}",
    )
    settings("the settings are as they were", "afterwards")

    class Interrupted(Exception):
        pass

    raised = []

    def breaks():
        try:
            works(2, Interrupted("somebody pressed stop"))()
        except Interrupted:
            raised.append(True)
            raise

    from redis_lab.course.answers import Refused

    try:
        trial.run(breaks)
    except Refused:
        raised.append("out")
    trial.expect(
        raised == [True, "out"],
        "an error of wait() goes through",
        "wait() raised, and the caller heard nothing of it" if raised else "wait was not called",
    )
    settings("the settings are as they were, also after an error", "wait() raised, and")
