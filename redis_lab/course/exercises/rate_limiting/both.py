"""Two limits at once: a hit that one of them refuses is taken from neither."""

NOTEBOOK = "41"
TITLE = "Two limits, one answer"
HINTS = (
    "Ask one limit after the other, and the first has been charged when the second says no.",
    "Look at both, then write to both, in one script.",
    "`INCR` answers 1 for a key that it made: that is the moment for `EXPIRE`, inside the script.",
    "A loop over `KEYS` with `GET` returns 0 where a count has reached `ARGV[at]`; a second loop "
    "counts.",
)
WHY = (
    "Limits come in pairs: for each customer and for all, for a second and for a day. Whoever is "
    "refused by one must not be charged by the other, or one greedy customer uses up everybody's "
    "quota with requests that were never served. The tag {quota} keeps both keys in one slot."
)


def stub(r, partner):
    """True if served: 5 a minute for this partner, 8 a minute for all; else nothing is counted.

    Counts are in {quota}:all and {quota}:<partner>; a minute begins with the first hit served.
    """


def solution(r, partner):
    source = """
        for at, key in ipairs(KEYS) do
            if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[at]) then return 0 end
        end
        for _, key in ipairs(KEYS) do
            if redis.call('INCR', key) == 1 then redis.call('EXPIRE', key, 60) end
        end
        return 1
    """
    return r.eval(source, 2, "{quota}:all", f"{{quota}}:{partner}", 8, 5) == 1


def wrong_partner_first(r, partner):
    """was charged for what all the others had used up"""
    source = """
        for at, key in ipairs(KEYS) do
            local count = redis.call('INCR', key)
            if count == 1 then redis.call('EXPIRE', key, 60) end
            if count > tonumber(ARGV[at]) then return 0 end
        end
        return 1
    """
    return r.eval(source, 2, f"{{quota}}:{partner}", "{quota}:all", 5, 8) == 1


def wrong_all_first(r, partner):
    """eaten by a partner's refusals"""
    source = """
        for at, key in ipairs(KEYS) do
            local count = redis.call('INCR', key)
            if count == 1 then redis.call('EXPIRE', key, 60) end
            if count > tonumber(ARGV[at]) then return 0 end
        end
        return 1
    """
    return r.eval(source, 2, "{quota}:all", f"{{quota}}:{partner}", 8, 5) == 1


def wrong_gives_back(r, partner):
    """was refused while another was giving back"""
    keys = ["{quota}:all", f"{{quota}}:{partner}"]
    with r.pipeline() as pipe:
        for key in keys:
            pipe.incr(key).expire(key, 60, nx=True)
        counts = pipe.execute()[::2]
        if counts[0] <= 8 and counts[1] <= 5:
            return True
        pipe.decr(keys[0]).decr(keys[1]).execute()
    return False


def wrong_looks_first(r, partner):
    """more than 8 for all"""
    keys = ["{quota}:all", f"{{quota}}:{partner}"]
    for key, limit in zip(keys, (8, 5), strict=True):
        if int(r.get(key) or 0) >= limit:
            return False
    with r.pipeline() as pipe:
        for key in keys:
            pipe.incr(key).expire(key, 60, nx=True)
        pipe.execute()
    return True


def wrong_sliding_end(r, partner):
    """its end moves"""
    source = """
        for at, key in ipairs(KEYS) do
            if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[at]) then return 0 end
        end
        for _, key in ipairs(KEYS) do
            redis.call('INCR', key)
            redis.call('EXPIRE', key, 60)
        end
        return 1
    """
    return r.eval(source, 2, "{quota}:all", f"{{quota}}:{partner}", 8, 5) == 1


def wrong_names(r, partner):
    """the braces belong to the name"""
    source = """
        for at, key in ipairs(KEYS) do
            if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[at]) then return 0 end
        end
        for _, key in ipairs(KEYS) do
            if redis.call('INCR', key) == 1 then redis.call('EXPIRE', key, 60) end
        end
        return 1
    """
    return r.eval(source, 2, "quota:all", f"quota:{partner}", 8, 5) == 1


def wrong_immortal(r, partner):
    """lives for ever"""
    source = """
        for at, key in ipairs(KEYS) do
            if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[at]) then return 0 end
        end
        local first = redis.call('INCR', KEYS[1]) == 1
        redis.call('INCR', KEYS[2])
        if first then redis.call('EXPIRE', KEYS[1], 60); redis.call('EXPIRE', KEYS[2], 60) end
        return 1
    """
    return r.eval(source, 2, "{quota}:all", f"{{quota}}:{partner}", 8, 5) == 1


def check(trial):
    total = "{quota}:all"

    def afresh():
        trial.r.delete("none", *trial.r.scan_iter())

    def served(partner, times):
        return [trial.run(partner) for _ in range(times)].count(True)

    answers = [trial.run("AA") for _ in range(6)]
    trial.require(
        answers == [True] * 5 + [False],
        "a partner is served five times",
        f"six hits of one partner gave {answers}",
    )
    named = {total, "{quota}:AA"}
    trial.require(
        named <= set(trial.keyspace()),
        "the counts are under the two names",
        f"the counts are in {', '.join(sorted(trial.keyspace())) or 'no key'}, not in "
        f"{' and '.join(sorted(named, reverse=True))}: the braces belong to the name",
    )
    served("AA", 20)
    other = served("BA", 5)
    trial.expect(
        other == 3,
        "what it is refused is not taken from the others",
        f"AA was served 5 times of 8, and refused 21 times; BA was served {other} times, not 3: "
        "the quota of all was eaten by a partner's refusals",
    )
    afresh()
    served("AA", 5), served("BA", 3)
    served("DL", 6)
    trial.r.delete(total)
    back = served("DL", 5)
    trial.expect(
        back == 5,
        "what all had used up is not taken from a partner",
        f"DL was refused 6 times since all 8 were gone. A minute later it was served {back} times "
        "of 5: it was charged for what all the others had used up",
    )
    afresh()
    trial.run("AA")
    lives = [trial.r.ttl(key) for key in (total, "{quota}:AA")]
    trial.r.expire(total, 30), trial.r.expire("{quota}:AA", 30)
    trial.run("AA")
    later = [trial.r.ttl(key) for key in (total, "{quota}:AA")]
    trial.expect(
        all(0 < left <= 60 for left in lives) and all(0 < left <= 30 for left in later),
        "a minute begins with the first hit, and ends",
        f"{total} and {{quota}}:AA had {lives} s; with 30 s left, another hit made it {later}: its "
        "end moves, and who goes on asking never gets a new minute",
    )
    trial.run("BA")
    forever = [key for key, (_, left) in trial.keyspace().items() if left is None]
    trial.expect(not forever, "every key ends", f"{', '.join(forever)} lives for ever")
    afresh()
    served("AA", 5), served("BA", 2)
    trips = min(trial.trips_of("AA") for _ in range(2))
    trial.r.set(total, 7, ex=60)
    meanwhile = []
    late = trial.run("DL", between=lambda: meanwhile.append(served("HA", 1)))
    trial.expect(
        not (late and meanwhile == [1]),
        "one place left is given once",
        "one place was left; another partner took it between two trips, and both were served: "
        "more than 8 for all",
    )
    trial.r.set(total, 7, ex=60)
    trial.r.set("{quota}:AA", 5, ex=60)
    meanwhile.clear()
    trial.run("AA", between=lambda: meanwhile.append(served("EV", 1)))
    trial.expect(
        meanwhile in ([], [1]),
        "nobody is refused for what is given back",
        "one place was left, AA had used its own five; between two trips of AA another partner "
        "asked for it: it was refused while another was giving back",
    )
    trial.expect(trips == 1, "it is one trip", f"a call took {trips} trips")
    for after, trip in ((1, "first"), (2, "second")):
        afresh()
        trial.crash("AA", after=after)
        forever = [key for key, (_, left) in trial.keyspace().items() if left is None]
        trial.expect(
            not forever,
            f"nor does a key stay for ever when the caller dies after its {trip} trip",
            f"it died after its {trip} trip, and {', '.join(forever)} lives for ever",
        )
    afresh()
    crowd = [(partner,) for partner in ("AA", "BA", "DL", "HA", "EV") for _ in range(8)]
    many = trial.together(crowd)
    trial.expect(
        many.count(True) == 8 and trial.r.get(total) == "8",
        "of 40 at once, 8 are served",
        f"{many.count(True)} of 40 were served, and {total} is {trial.r.get(total)}: more than 8 "
        "for all, or fewer",
    )
