"""A new name on another node: DUMP, PEXPIRETIME and RESTORE, in an order that survives a crash."""

NOTEBOOK = "02"
TITLE = "A new name, on another node"
HINTS = (
    "`r.dump` gives the value, whatever its type; `r.restore` makes a key of it, and refuses to "
    "write over one (`ResponseError`).",
    "What `DUMP` doesn't carry is the end. `RESTORE` takes it, in milliseconds, or as a moment "
    "with `absttl=True`; 0 is for ever.",
    "The old name goes last: when the process dies, there may be two keys, never none.",
    "Ask for the end first (`pexpiretime`: -1 for ever), then for the value: what has ended "
    "by then dumps as None.",
)
WHY = (
    "Every tool that moves keys between nodes does this, and each of the mistakes has cost "
    "somebody a night: ends lost, seconds for milliseconds, keys gone between two trips. With "
    "writers about, it takes more: notebooks 64 and 81."
)


def stub(r, old, new):
    """Give the key a new name, with commands of one key each; whether that was done."""


def solution(r, old, new):
    from redis.exceptions import ResponseError

    end, value = r.pexpiretime(old), r.dump(old)
    if value is None:
        return False
    try:
        r.restore(new, max(end, 0), value, absttl=True)
    except ResponseError:
        return False
    r.unlink(old)
    return True


def wrong_rename(r, old, new):
    """names two keys"""
    return bool(r.exists(old) and r.renamenx(old, new))


def wrong_for_ever(r, old, new):
    """lives for ever"""
    value = r.dump(old)
    if value is None or r.exists(new):
        return False
    r.restore(new, 0, value)
    r.unlink(old)
    return True


def wrong_seconds(r, old, new):
    """seconds for milliseconds"""
    left, value = r.ttl(old), r.dump(old)
    if value is None or r.exists(new):
        return False
    r.restore(new, max(left, 0), value)
    r.unlink(old)
    return True


def wrong_replaces(r, old, new):
    """was written over"""
    end, value = r.pexpiretime(old), r.dump(old)
    if value is None:
        return False
    r.restore(new, max(end, 0), value, absttl=True, replace=True)
    r.unlink(old)
    return True


def wrong_old_name_first(r, old, new):
    """neither name is there"""
    end, value = r.pexpiretime(old), r.dump(old)
    if value is None or r.exists(new):
        return False
    r.unlink(old)
    r.restore(new, max(end, 0), value, absttl=True)
    return True


def wrong_looks_then_replaces(r, old, new):
    """another client took the new name"""
    end, value = r.pexpiretime(old), r.dump(old)
    if value is None or r.exists(new):
        return False
    r.restore(new, max(end, 0), value, absttl=True, replace=True)
    r.unlink(old)
    return True


def wrong_transaction(r, old, new):
    """it ran EXEC"""
    end, value = r.pexpiretime(old), r.dump(old)
    if value is None or r.exists(new):
        return False
    with r.pipeline() as pipe:
        pipe.restore(new, max(end, 0), value, absttl=True).unlink(old).execute()
    return True


def wrong_strings_only(r, old, new):
    """WRONGTYPE"""
    value = r.get(old)
    if value is None or r.exists(new):
        return False
    r.set(new, value, px=max(r.pttl(old), 0) or None)
    r.unlink(old)
    return True


def wrong_leaves_the_old(r, old, new):
    """both names"""
    end, value = r.pexpiretime(old), r.dump(old)
    if value is None or r.exists(new):
        return False
    r.restore(new, max(end, 0), value, absttl=True)
    return True


def wrong_end_in_a_second_step(r, old, new):
    """left a key without an end"""
    end, value = r.pexpiretime(old), r.dump(old)
    if value is None or r.exists(new):
        return False
    r.restore(new, 0, value)
    if end > 0:
        r.pexpireat(new, end)
    r.unlink(old)
    return True


def wrong_end_after_the_value(r, old, new):
    """came back for ever"""
    value, end = r.dump(old), r.pexpiretime(old)
    if value is None or r.exists(new):
        return False
    r.restore(new, max(end, 0), value, absttl=True)
    r.unlink(old)
    return True


def check(trial):
    from redis_lab.course.answers import Refused

    old, new = "crew:UA1545", "{UA1545}:crew"

    def begin(left=3000):
        trial.r.delete(old, new)
        trial.r.rpush(old, "Ada", "Grace", "Edith")
        if left:
            trial.r.expire(old, left)

    begin()
    with trial.cost() as cost:
        done = trial.run(old, new)
    two = sorted({"copy", "rename", "renamenx"} & set(cost.commands))
    trial.require(
        not two,
        "every command names one key",
        f"{', '.join(two).upper()} names two keys, and a cluster refuses that where they lie in "
        "two slots",
    )
    bundled = sorted({"eval", "evalsha", "fcall", "exec"} & set(cost.commands))
    trial.require(
        not bundled,
        "without scripts and transactions",
        f"it ran {', '.join(bundled).upper()}: `pipeline(transaction=False)` makes one trip of "
        "several commands without a transaction",
    )
    value = trial.r.lrange(new, 0, -1) if trial.r.type(new) == "list" else None
    trial.require(
        value == ["Ada", "Grace", "Edith"],
        "a list arrives as it was",
        f"the new name holds {trial.r.type(new)!r}, not the list of three",
    )
    trial.expect(
        not trial.r.exists(old),
        "the old name is gone",
        "both names are there: the old one was left behind",
    )
    left = trial.r.ttl(new)
    trial.expect(
        2990 <= left <= 3000,
        "with the time that it had left",
        f"it had 3,000 s left, and the new name lives for ever: {left}"
        if left == -1
        else f"it had 3,000 s left, the new name has {left} (seconds for milliseconds?)",
    )
    begin(left=None)
    trial.run(old, new)
    trial.expect(
        trial.r.ttl(new) == -1,
        "what has no end gets none",
        f"a key without an end ends in {trial.r.ttl(new)} s under its new name",
    )
    begin()
    trial.r.set(new, "taken")
    second = trial.run(old, new)
    trial.expect(
        trial.r.get(new) == "taken" if trial.r.type(new) == "string" else False,
        "a name that is taken stays as it is",
        "there was a key of the new name, and it was written over",
    )
    trial.expect(
        bool(trial.r.exists(old)),
        "and the old key with it",
        "the new name was taken, and the old key is gone",
    )
    trial.r.delete(old, new)
    third = trial.run(old, new)
    trial.expect(
        (bool(done), bool(second), bool(third)) == (True, False, False)
        and None not in (done, second, third),
        "it answers whether it was done",
        f"moved, taken, not there: it answered {done}, {second} and {third}",
    )
    for after in range(1, 6):
        begin()
        if not trial.crash(old, new, after=after):
            break
        trial.expect(
            trial.r.exists(old, new) > 0,
            f"a crash after {after} {'trip' if after == 1 else 'trips'} loses nothing",
            f"its process died after {after} trips, and neither name is there",
        )
        trial.expect(
            trial.r.ttl(new) != -1,
            "and leaves nothing for ever",
            f"its process died after {after} trips, and left a key without an end",
        )
    for after in range(1, 4):
        begin()
        trial.run(old, new, between=lambda: trial.r.delete(old), after=after)
        trial.expect(
            trial.r.ttl(new) != -1,
            f"what ends after trip {after} does not live for ever",
            f"the key ended after trip {after}, and came back for ever under its new name",
        )
    for after in range(1, 4):
        begin()
        took = []

        def take(took=took):
            took.append(trial.r.set(new, "taken", nx=True))

        why_not = f"another client took the new name after trip {after}, and "
        try:
            trial.run(old, new, between=take, after=after)
        except Refused as refused:
            raise Refused(f"{why_not}{refused}") from refused
        kept = trial.r.get(new) == "taken" if trial.r.type(new) == "string" else False
        trial.expect(
            kept or not any(took),
            f"a name that is taken after trip {after} stays as it is",
            why_not + "it was written over",
        )
