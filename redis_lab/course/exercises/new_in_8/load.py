"""A worker's round in two commands: claim or read, then away with it, or back at once."""

NOTEBOOK = "80"
TITLE = "A worker's round in two commands"
MIN_VERSION = "8.8"
HINTS = (
    "Since 8.4 one command hands out what others have had too long, and then what is new. It takes "
    "what was given back, too.",
    "`r.xreadgroup('belt', worker, {'bags': '>'}, count=1, claim_min_idle_time=60_000)`. What was "
    "claimed comes as four, what is new too.",
    "Acknowledging and deleting is one command since 8.2: `r.xackdel('bags', 'belt', entry)`.",
    "Giving back is one since 8.8. Its mode says whether the attempt counts: "
    "`r.xnack('bags', 'belt', 'FAIL', entry)`, then `raise`.",
)
WHY = (
    "Without a timer, a sweeper or a script: dead colleagues, failures and a stream that doesn't "
    "grow. Deleted entries stay pending behind CLAIM: let an XAUTOCLAIM pass by at night."
)


def stub(r, worker, load):
    """Call load(bag) for one bag that is to be had; answer it, or None if there is none.

    The stream bags has entries {"bag": name}, its group is belt.
    """


def solution(r, worker, load):
    reply = r.xreadgroup("belt", worker, {"bags": ">"}, count=1, claim_min_idle_time=60_000)
    if not reply:
        return None
    entry, fields, *_ = reply["bags"][0][0]
    try:
        load(fields["bag"])
    except Exception:
        r.xnack("bags", "belt", "FAIL", entry)
        raise
    r.xackdel("bags", "belt", entry)
    return fields["bag"]


def wrong_new_only(r, worker, load):
    """for 61 seconds"""
    reply = r.xreadgroup("belt", worker, {"bags": ">"}, count=1)
    if not reply:
        return None
    entry, fields, *_ = reply["bags"][0][0]
    try:
        load(fields["bag"])
    except Exception:
        r.xnack("bags", "belt", "FAIL", entry)
        raise
    r.xackdel("bags", "belt", entry)
    return fields["bag"]


def wrong_three_commands(r, worker, load):
    """3 commands"""
    left = r.xautoclaim("bags", "belt", worker, 60_000, count=1)[1]
    if not left:
        reply = r.xreadgroup("belt", worker, {"bags": ">"}, count=1)
        left = reply["bags"][0] if reply else []
    if not left:
        return None
    entry, fields = left[0]
    try:
        load(fields["bag"])
    except Exception:
        r.xnack("bags", "belt", "FAIL", entry)
        raise
    r.xackdel("bags", "belt", entry)
    return fields["bag"]


def wrong_in_seconds(r, worker, load):
    """half a minute ago"""
    reply = r.xreadgroup("belt", worker, {"bags": ">"}, count=1, claim_min_idle_time=60)
    if not reply:
        return None
    entry, fields, *_ = reply["bags"][0][0]
    try:
        load(fields["bag"])
    except Exception:
        r.xnack("bags", "belt", "FAIL", entry)
        raise
    r.xackdel("bags", "belt", entry)
    return fields["bag"]


def wrong_acknowledges(r, worker, load):
    """still in the stream"""
    reply = r.xreadgroup("belt", worker, {"bags": ">"}, count=1, claim_min_idle_time=60_000)
    if not reply:
        return None
    entry, fields, *_ = reply["bags"][0][0]
    try:
        load(fields["bag"])
    except Exception:
        r.xnack("bags", "belt", "FAIL", entry)
        raise
    r.xack("bags", "belt", entry)
    return fields["bag"]


def wrong_done_before(r, worker, load):
    """before it was loaded"""
    reply = r.xreadgroup("belt", worker, {"bags": ">"}, count=1, claim_min_idle_time=60_000)
    if not reply:
        return None
    entry, fields, *_ = reply["bags"][0][0]
    r.xackdel("bags", "belt", entry)
    load(fields["bag"])
    return fields["bag"]


def wrong_done_whatever(r, worker, load):
    """gone, and not loaded"""
    reply = r.xreadgroup("belt", worker, {"bags": ">"}, count=1, claim_min_idle_time=60_000)
    if not reply:
        return None
    entry, fields, *_ = reply["bags"][0][0]
    try:
        load(fields["bag"])
    finally:
        r.xackdel("bags", "belt", entry)
    return fields["bag"]


def wrong_keeps_it(r, worker, load):
    """still in the hands of"""
    reply = r.xreadgroup("belt", worker, {"bags": ">"}, count=1, claim_min_idle_time=60_000)
    if not reply:
        return None
    entry, fields, *_ = reply["bags"][0][0]
    load(fields["bag"])
    r.xackdel("bags", "belt", entry)
    return fields["bag"]


def wrong_swallows(r, worker, load):
    """never heard of it"""
    reply = r.xreadgroup("belt", worker, {"bags": ">"}, count=1, claim_min_idle_time=60_000)
    if not reply:
        return None
    entry, fields, *_ = reply["bags"][0][0]
    try:
        load(fields["bag"])
    except Exception:
        r.xnack("bags", "belt", "FAIL", entry)
        return None
    r.xackdel("bags", "belt", entry)
    return fields["bag"]


def wrong_silent(r, worker, load):
    """was not counted"""
    reply = r.xreadgroup("belt", worker, {"bags": ">"}, count=1, claim_min_idle_time=60_000)
    if not reply:
        return None
    entry, fields, *_ = reply["bags"][0][0]
    try:
        load(fields["bag"])
    except Exception:
        r.xnack("bags", "belt", "SILENT", entry)
        raise
    r.xackdel("bags", "belt", entry)
    return fields["bag"]


def check(trial):
    import contextlib

    from redis_lab.course.answers import Killed, Refused
    from redis_lab.course.gaps import mortal

    r = trial.r

    def fill(*bags):
        r.delete("bags")
        r.xgroup_create("bags", "belt", "0", mkstream=True)
        for number, bag in enumerate(bags, 1):
            r.xadd("bags", {"bag": bag}, id=f"{number}-0")

    def raises(bag):
        raise RuntimeError("the belt stands still")

    def pending():
        return r.xpending_range("bags", "belt", "-", "+", 10)

    fill("red", "blue")
    loaded = []
    told = [trial.run("Bob", loaded.append) for _ in range(2)]
    trial.require(
        loaded == ["red", "blue"] == told,
        "new bags are loaded, the oldest first",
        f"red and blue were new; two calls loaded {loaded} and answered {told}",
    )
    trial.expect(not pending(), "a loaded bag is done", "loaded bags are pending: none was done")
    trial.expect(
        r.xlen("bags") == 0,
        "and gone from the stream",
        f"two bags were loaded and {r.xlen('bags')} entries are still in the stream",
    )
    told = trial.run("Bob", loaded.append)
    trial.expect(told is None and len(loaded) == 2, "without a bag: None", f"it gave {told!r}")

    fill("red", "blue")
    r.xreadgroup("belt", "Ann", {"bags": ">"}, count=1)
    r.xclaim("bags", "belt", "Ann", 0, ["1-0"], idle=30_000, justid=True)
    told = trial.run("Bob", lambda bag: None)
    trial.expect(
        told == "blue",
        "what another has had for half a minute is left to it",
        f"Ann had taken red half a minute ago, blue was new, and Bob got {told!r}",
    )
    fill("red", "blue")
    r.xreadgroup("belt", "Ann", {"bags": ">"}, count=1)
    r.xclaim("bags", "belt", "Ann", 0, ["1-0"], idle=61_000, justid=True)
    told = trial.run("Bob", lambda bag: None)
    trial.expect(
        told == "red",
        "what another has had for more than a minute is taken over, before what is new",
        f"Ann has had red for 61 seconds, blue was new, and Bob got {told!r}",
    )

    fill("red")
    life = mortal(1000)
    with contextlib.suppress(Killed):
        trial.call(trial.client(life), "Bob", lambda bag: life.die())
    trial.require(
        len(pending()) == 1 and r.xlen("bags") == 1,
        "a worker who dies while loading loses nothing",
        "Bob died while he was loading red, and red is nowhere: it was called done before it was "
        "loaded",
    )
    fill("red")
    heard = ""
    try:
        trial.run("Bob", raises)
    except Refused as error:
        heard = str(error)
    trial.expect(
        "the belt stands still" in heard,
        "if load raises, the caller hears of it",
        f"load raised an error, and the caller never heard of it{': ' + heard if heard else ''}",
    )
    trial.require(
        r.xlen("bags") == 1 and len(pending()) == 1,
        "and the bag is still there",
        "load raised an error for red: the bag is gone, and not loaded",
    )
    [left] = pending()
    again = trial.run("Eve", lambda bag: None)
    trial.expect(
        again == "red",
        "and at once anybody's",
        f"load raised an error for red; Eve asked next and got {again!r}: red is still in the "
        f"hands of {left['consumer'] or 'nobody, and was not taken'}",
    )
    trial.expect(
        left["times_delivered"] == 1,
        "that attempt is counted",
        f"red was tried once, and its count is {left['times_delivered']:,}: the failure was not "
        "counted"
        if left["times_delivered"] == 0
        else f"red was tried once, and its count is {left['times_delivered']:,}",
    )

    fill("red")
    with trial.cost() as cost:
        trial.run("Bob", lambda bag: None)
    number = sum(cost.commands.values())
    trial.expect(
        number <= 2 and not cost.indivisible,
        "two commands for a bag",
        "it is a script, and two new commands do the same"
        if cost.commands["eval"] + cost.commands["evalsha"]
        else f"the server ran {number} commands for one bag: {', '.join(sorted(cost.commands))}",
    )
