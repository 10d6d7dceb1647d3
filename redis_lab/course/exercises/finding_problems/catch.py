"""Catch every command of a while, and leave the server as it was found, slow log and all."""

NOTEBOOK = "70"
TITLE = "Leave no trace"
HINTS = (
    "The slow log can keep everything for a while. But 900 of your entries stay in it, and "
    "at its old length it drops the oldest with the next slow command: those that it had.",
    "`MONITOR` needs no setting: `with r.monitor() as seen:`. What others run while `wait()` does "
    "lies in its socket, and can be read afterwards.",
    '`seen.next_command()["command"]` is the next one, and waits if there is none. Which one is '
    "the last? One that you send yourself, such as an `r.echo` of some word.",
    "Read until you meet that word, and leave it out. `with` ends `MONITOR` also if `wait` raises.",
)
# What opens a connection; the check's own may do so meanwhile.
GREETING = ("hello", "auth", "client", "select", "ping", "role", "info")
WHY = (
    "A threshold of 0 that somebody forgot costs every command a little, and a slow log filled "
    "with your catch has lost the evidence of the night. MONITOR costs more, and is over with its "
    "connection: so it is for a while that ends, as here."
)


def stub(r, wait):
    """The commands that others ran while wait() did, oldest first, as text: "GET flight:1".

    They are 2,000 at most, however fast. The server's settings are afterwards what they were, also
    if wait() raises (then so do you), and its slow log still has what it had.
    """


def solution(r, wait):
    found, last = [], "that was all"
    with r.monitor() as seen:
        wait()
        r.echo(last)
        while last not in (text := seen.next_command()["command"]):
            found.append(text)
    return found


def wrong_slow_log(r, wait):
    """a catch of 900"""
    names = ("slowlog-log-slower-than", "slowlog-max-len")
    before = r.config_get(*names)
    known = max((entry["id"] for entry in r.slowlog_get(1)), default=-1)
    try:
        r.config_set("slowlog-max-len", 5000, "slowlog-log-slower-than", 0)
        wait()
        found = [entry for entry in r.slowlog_get(5000) if entry["id"] > known]
    finally:
        r.config_set(*(word for name in names for word in (name, before[name])))
    texts = [entry["command"].decode() for entry in reversed(found)]
    return [text for text in texts if not text.startswith(("CONFIG", "SLOWLOG"))]


def wrong_own_words(r, wait):
    """nobody but you"""
    found = []
    with r.monitor() as seen:
        wait()
        r.echo("that was all")
        while not found or "that was all" not in found[-1]:
            found.append(seen.next_command()["command"])
    return found


def wrong_swallows(r, wait):
    """heard nothing of it"""
    found, last = [], "that was all"
    with r.monitor() as seen:
        try:
            wait()
        except Exception:
            return found
        r.echo(last)
        while last not in (text := seen.next_command()["command"]):
            found.append(text)
    return found


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
    strange = [each for each in said if each.split()[0].lower() not in {*GREETING, "get"}]
    trial.expect(
        not strange,
        "only what others ran",
        f"it told of {strange[:2]}, which nobody but you ran",
    )
    settings("the settings are as they were", "afterwards")
    night = {f"GET night:{number}" for number in range(5)}

    def evidence(ran):
        r.config_set("slowlog-log-slower-than", 0)  # something slow: now the log is shortened
        r.get("morning")
        r.config_set("slowlog-log-slower-than", 700_000)
        kept = night & {entry["command"].decode() for entry in r.slowlog_get(5000)}
        trial.expect(
            kept == night,
            "the slow log still has what it had",
            f"the night's entries are gone: {len(kept)} of 5 are left in the slow log after a "
            f"catch of {ran} commands and the next slow one. They were somebody's evidence",
        )

    evidence(3)
    many = [each for each in told(900) if each.startswith("GET ")]
    trial.expect(
        len(many) == 900,
        "900 commands are no more than three",
        f"of 900 commands it told of {len(many)}: the log has room for {before[names[1]]}",
    )
    settings("the settings are as they were", "afterwards")
    evidence(900)

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
