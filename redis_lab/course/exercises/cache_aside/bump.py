"""Bump a version: read the new form, upgrade the old one, and let nothing get older by it."""

NOTEBOOK = "30"
TITLE = "Bump a version"
HINTS = (
    "One trip can ask for both forms, and for the time that the old one has left.",
    "`r.pipeline()` is a transaction by default: `GET` and `PTTL` then speak of the same moment.",
    "`PTTL` answers -2 where there is no key, and -1 where it lives for ever: neither is a bound.",
    "`pipe.get(new).get(old).pttl(old).execute()`, then `r.set(new, text, px=left)`.",
)
WHY = (
    "An upgrade of what is there saves the cold start of a deploy. It must inherit the age too: a "
    "copy with a fresh time to live makes an answer older than anybody promised."
)


def stub(r, tailnum, load):
    """The plane in the form of version 2: {"flights": …, "late_share": …}."""


def solution(r, tailnum, load):
    import json

    new, old = f"plane:2:{tailnum}", f"plane:1:{tailnum}"
    with r.pipeline() as pipe:
        text, former, left = pipe.get(new).get(old).pttl(old).execute()
    if text is not None:
        return json.loads(text)
    usable = former is not None and left > 0
    row = json.loads(former) if usable else load(tailnum)
    value = {"flights": row["flights"], "late_share": round(row["late"] / row["flights"], 1)}
    r.set(new, json.dumps(value), px=left if usable else 60_000)
    return value


def wrong_same_key(r, tailnum, load):
    """the old programs"""
    import json

    key = f"plane:1:{tailnum}"
    with r.pipeline() as pipe:
        text, left = pipe.get(key).pttl(key).execute()
    row = json.loads(text) if text else load(tailnum)
    if "late_share" in row:
        return row
    value = {"flights": row["flights"], "late_share": round(row["late"] / row["flights"], 1)}
    r.set(key, json.dumps(value), px=left if left > 0 else 60_000)
    return value


def wrong_starts_cold(r, tailnum, load):
    """asked the origin"""
    import json

    text = r.get(f"plane:2:{tailnum}")
    if text is None:
        row = load(tailnum)
        value = {"flights": row["flights"], "late_share": round(row["late"] / row["flights"], 1)}
        text = json.dumps(value)
        r.set(f"plane:2:{tailnum}", text, ex=60)
    return json.loads(text)


def wrong_fresh_life(r, tailnum, load):
    """older than"""
    import json

    text, former = r.mget(f"plane:2:{tailnum}", f"plane:1:{tailnum}")
    if text is not None:
        return json.loads(text)
    row = json.loads(former) if former else load(tailnum)
    value = {"flights": row["flights"], "late_share": round(row["late"] / row["flights"], 1)}
    r.set(f"plane:2:{tailnum}", json.dumps(value), ex=60)
    return value


def wrong_asks_late(r, tailnum, load):
    """gone in between"""
    import json

    text, former = r.mget(f"plane:2:{tailnum}", f"plane:1:{tailnum}")
    if text is not None:
        return json.loads(text)
    row = json.loads(former) if former else load(tailnum)
    value = {"flights": row["flights"], "late_share": round(row["late"] / row["flights"], 1)}
    left = r.pttl(f"plane:1:{tailnum}")
    r.set(f"plane:2:{tailnum}", json.dumps(value), px=left if left > 0 else 60_000)
    return value


def wrong_renames(r, tailnum, load):
    """the old programs lost"""
    import json

    new, old = f"plane:2:{tailnum}", f"plane:1:{tailnum}"
    with r.pipeline() as pipe:
        text, former, left = pipe.get(new).get(old).pttl(old).execute()
    if text is not None:
        return json.loads(text)
    row = json.loads(former) if former else load(tailnum)
    value = {"flights": row["flights"], "late_share": round(row["late"] / row["flights"], 1)}
    with r.pipeline() as pipe:
        pipe.set(new, json.dumps(value), px=left if left > 0 else 60_000).delete(old).execute()
    return value


def check(trial):
    import json

    first, want = {"flights": 575, "late": 114}, {"flights": 575, "late_share": 0.2}
    loads = []

    def load(tailnum):
        loads.append(tailnum)
        return dict(first)

    def life(key):
        return trial.r.pttl(key) / 1000

    given = [trial.run("N725MQ", load) for _ in range(2)]
    trial.require(
        given == [want, want],
        "a plane that nobody has asked for comes in the form of version 2",
        f"wanted was {want}, and it gave {given[0]}, then {given[1]}",
    )
    mine = life("plane:2:N725MQ")
    old = trial.r.get("plane:1:N725MQ")
    trial.require(
        old is None or json.loads(old) == first,
        "what the old programs read has their form",
        f"the old programs find {old} under plane:1:…, where late is missing",
    )
    trial.expect(
        len(loads) == 1 and 0 < mine <= 60,
        "the origin is asked once, and plane:2:… lives for 60 seconds at most",
        f"the origin was asked {len(loads)} times, and plane:2:… has {mine:g} s",
    )
    hit = trial.trips_of("N725MQ", load)
    trial.expect(hit <= 1, "a hit is one trip", f"a hit took {hit} trips")

    def old_one(tailnum, seconds=20):
        loads.clear()
        trial.r.delete(f"plane:2:{tailnum}")
        trial.r.set(f"plane:1:{tailnum}", json.dumps({"flights": 10, "late": 5}), ex=seconds)

    half = {"flights": 10, "late_share": 0.5}
    old_one("N1")
    given = trial.run("N1", load)
    trial.expect(
        given == half and not loads,
        "what version 1 has is upgraded",
        f"version 1 had 5 late of 10; it gave {given}" + (" and asked the origin" if loads else ""),
    )
    kept = trial.r.get("plane:1:N1")
    trial.expect(
        kept is not None
        and json.loads(kept) == {"flights": 10, "late": 5}
        and life("plane:1:N1") <= 20,
        "and stays as it was for the old programs",
        f"the old programs lost it: under plane:1:N1 there is {kept}, for {life('plane:1:N1'):g} s",
    )
    copied = life("plane:2:N1")
    trial.expect(
        copied <= 20 and copied != -0.001,
        "the copy lives no longer than the original",
        f"the original had 20 s left, its copy has {copied:g} s: it gets older than 60 s",
    )
    second = trial.run("N1", load)
    trial.expect(
        second == half and copied > 0,
        "the copy is kept",
        f"after an upgrade plane:2:N1 has {copied:g} s, and the next call gave {second}",
    )
    for after in (1, 2):
        old_one("N2")
        given = trial.run("N2", load, between=lambda: trial.r.delete("plane:1:N2"), after=after)
        left, copy = life("plane:2:N2"), trial.r.get("plane:2:N2")
        aged = copy is not None and json.loads(copy) == half and not 0 < left <= 20
        trial.expect(
            given in (half, want) and not aged,
            f"so too where the old one ends after {after} trips",
            f"the old one was gone in between; it gave {given}, and the copy has {left:g} s",
        )
    old_one("N3")
    trial.r.persist("plane:1:N3")
    trial.run("N3", load)
    trial.expect(
        trial.r.ttl("plane:2:N3") in range(-2, 61) and trial.r.ttl("plane:2:N3") != -1,
        "an old one that lives for ever hands that on to nobody",
        "the old one lives for ever, and now its copy does",
    )
