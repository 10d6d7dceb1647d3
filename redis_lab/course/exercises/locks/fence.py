"""A store that has the last word: it refuses what comes with a token below the highest."""

NOTEBOOK = "40"
TITLE = "Fence a store"
HINTS = (
    "What came last is no measure: the stale write comes last. The token alone tells.",
    "One token for the whole plan, not one for each flight: the lock is one, too.",
    "The comparison, the new token and the gate must be one step: a script.",
    "Lua compares texts letter by letter: `tonumber`. A token that is equal is the same holder.",
)
WHY = (
    "A lock with a time limit can't stop a process that overslept; only what it writes to can. The "
    "fence costs a comparison, and has to stand around everything that the lock protects, for good."
)


def stub(r, name, flight, gate, token):
    """Write the gate of a flight into plan:<name>: True; False if a higher token has been there."""


def solution(r, name, flight, gate, token):
    source = """
        if tonumber(redis.call('GET', KEYS[2]) or 0) > tonumber(ARGV[3]) then return 0 end
        redis.call('SET', KEYS[2], ARGV[3])
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        return 1
    """
    return r.eval(source, 2, f"plan:{name}", f"plan:{name}:token", flight, gate, token) == 1


def wrong_compares_here(r, name, flight, gate, token):
    """between its look and its write"""
    if int(r.get(f"plan:{name}:token") or 0) > token:
        return False
    with r.pipeline() as pipe:
        pipe.set(f"plan:{name}:token", token).hset(f"plan:{name}", flight, gate).execute()
    return True


def wrong_wall_clock(r, name, flight, gate, token):
    """came last, with the lower token"""
    import time

    source = """
        if tonumber(redis.call('GET', KEYS[2]) or 0) > tonumber(ARGV[3]) then return 0 end
        redis.call('SET', KEYS[2], ARGV[3])
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        return 1
    """
    now = int(time.time() * 1_000_000)
    return r.eval(source, 2, f"plan:{name}", f"plan:{name}:time", flight, gate, now) == 1


def wrong_token_per_flight(r, name, flight, gate, token):
    """that the newer holder had not touched"""
    source = """
        if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0) > tonumber(ARGV[3]) then return 0 end
        redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        return 1
    """
    return r.eval(source, 2, f"plan:{name}", f"plan:{name}:tokens", flight, gate, token) == 1


def wrong_once_each(r, name, flight, gate, token):
    """its second write"""
    source = """
        if tonumber(redis.call('GET', KEYS[2]) or 0) >= tonumber(ARGV[3]) then return 0 end
        redis.call('SET', KEYS[2], ARGV[3])
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        return 1
    """
    return r.eval(source, 2, f"plan:{name}", f"plan:{name}:token", flight, gate, token) == 1


def wrong_compares_texts(r, name, flight, gate, token):
    """letter by letter"""
    source = """
        if (redis.call('GET', KEYS[2]) or '') > ARGV[3] then return 0 end
        redis.call('SET', KEYS[2], ARGV[3])
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        return 1
    """
    return r.eval(source, 2, f"plan:{name}", f"plan:{name}:token", flight, gate, token) == 1


def wrong_fence_expires(r, name, flight, gate, token):
    """the fence ends"""
    source = """
        if tonumber(redis.call('GET', KEYS[2]) or 0) > tonumber(ARGV[3]) then return 0 end
        redis.call('SET', KEYS[2], ARGV[3], 'EX', 60)
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        return 1
    """
    return r.eval(source, 2, f"plan:{name}", f"plan:{name}:token", flight, gate, token) == 1


def wrong_writes_then_raises(r, name, flight, gate, token):
    """and had not raised the fence"""
    source = """
        if tonumber(redis.call('GET', KEYS[2]) or 0) > tonumber(ARGV[3]) then return 0 end
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        return 1
    """
    keys = f"plan:{name}", f"plan:{name}:token"
    written = r.eval(source, 2, *keys, flight, gate, token) == 1
    if written:
        raised = "if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then "
        r.eval(raised + "redis.call('SET', KEYS[1], ARGV[1]) end", 1, keys[1], token)
    return written


def check(trial):
    plan = "plan:EWR"

    def afresh():
        trial.r.delete("none", *trial.r.scan_iter())

    def write(flight, gate, token, name="EWR", **options):
        return bool(trial.run(name, flight, gate, token, **options))

    def gate(flight):
        return trial.r.hget(plan, flight)

    first = write("UA1", "C70", 33)
    trial.require(
        first and gate("UA1") == "C70",
        "the first holder writes",
        f"it answered {first}, and in {plan} UA1 has the gate {gate('UA1')}, not C70",
    )
    again = write("UA1", "C71", 33), write("UA2", "C72", 33)
    trial.expect(
        again == (True, True) and (gate("UA1"), gate("UA2")) == ("C71", "C72"),
        "and writes again, with the same token",
        f"33 is still the highest token; its second write and its third were answered {again}",
    )
    newer = write("UA1", "A10", 34)
    trial.require(
        newer and gate("UA1") == "A10",
        "the next holder writes over it",
        f"34 came after 33, was answered {newer}, and UA1 has the gate {gate('UA1')}",
    )
    late = write("UA1", "C73", 33)
    trial.expect(
        not late and gate("UA1") == "A10",
        "who has a lower token is refused, however late it comes",
        f"33 wrote after 34 and was answered {late}; UA1 has the gate {gate('UA1')}. It came last, "
        "with the lower token",
    )
    late = write("UA2", "C74", 33)
    trial.expect(
        not late and gate("UA2") == "C72",
        "for every flight of the plan",
        f"33 wrote after 34, to a flight that the newer holder had not touched, and was answered "
        f"{late}: the plan is half of one and half of the other",
    )
    other = write("DL1", "T4", 5, "JFK")
    trial.expect(
        other and trial.r.hget("plan:JFK", "DL1") == "T4",
        "another plan has a fence of its own",
        f"EWR is at 34; the first write to JFK, with the token 5, was answered {other}",
    )
    ends = [key for key, (_, left) in trial.keyspace().items() if left is not None]
    trial.expect(
        not ends,
        "the fence stays",
        f"{', '.join(ends)} has a time to live: when the fence ends, who slept longer gets in",
    )
    afresh()
    tokens = [99, 100, 1_795_449_672_000_001, 1_795_449_672_000_002]
    rising = [write("UA1", f"C{n}", token) for n, token in enumerate(tokens)]
    falling = [write("UA1", "C99", token) for token in tokens[-2::-1]]
    trial.expect(
        rising == [True] * 4 and falling == [False] * 3,
        "tokens are compared as numbers, also long ones",
        f"{tokens} in this order were answered {rising}, and those before the last, once more, "
        f"{falling}: are they compared letter by letter, or rounded?",
    )
    for after in range(1, 6):
        afresh()
        write("UA1", "C70", 33)
        came = []

        def newer_holder(came=came):
            came.append(write("UA1", "A10", 34))

        write("UA1", "C71", 33, between=newer_holder, after=after)
        if not came:
            break
        now, late = gate("UA1"), write("UA1", "C72", 33)
        trial.expect(
            now == "A10" and not late,
            "nobody comes between the look and the write",
            f"33 was in the middle, after trip {after}; 34 wrote A10 between its look and its "
            f"write. Now UA1 has {now}, and 33's next write was answered {late}",
        )
    for torn in (False, True):
        for after in range(6):
            afresh()
            write("UA1", "C70", 33)
            died = trial.crash("EWR", "UA1", "A10", 40, after=after, torn=torn)
            written = gate("UA1") == "A10"
            late = write("UA1", "C71", 39)
            trial.expect(
                not (written and late),
                "a crash leaves no gate without its fence",
                f"40 wrote its gate, died after {after} trips and had not raised the fence: 39, an "
                "older holder, wrote over it",
            )
            if not died:
                break
