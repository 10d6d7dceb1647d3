"""Tags with AND, OR and NOT: set algebra on the server, its intermediate sets seen by nobody."""

NOTEBOOK = "05"
TITLE = "All of these, one of those, none of them"
HINTS = (
    "Three commands, one for each list: what all have, what any has, what is taken away.",
    "Sets can't be nested in one command: store the union under a name of its own, and intersect "
    "with that.",
    "Between `MULTI` and `EXEC`, which is what `r.pipeline()` sends, nobody sees what is stored "
    "and deleted again. That is one trip, too.",
    "`pipe.sunionstore(…)` if there is a second list, `pipe.sinterstore(…)`, `pipe.sdiff(…)`, "
    "`pipe.delete(…)`; the answer is the reply of `sdiff`.",
)
WHY = (
    "This is how a search by tags is served for years before anybody needs a search engine. The "
    "intersection costs what the rarest tag costs; the union costs all of its tags, so tags that "
    "are often asked for together deserve a stored union."
)


def stub(r, every, some, none):
    """Codes with every tag of the first list, one or more of the second, none of the third."""


def solution(r, every, some, none):
    wanted = [f"tag:{tag}" for tag in every]
    with r.pipeline() as pipe:
        if some:
            pipe.sunionstore("found:some", [f"tag:{tag}" for tag in some])
            wanted.append("found:some")
        pipe.sinterstore("found", wanted)
        pipe.sdiff("found", *[f"tag:{tag}" for tag in none])
        pipe.delete("found", "found:some")
        return pipe.execute()[-2]


def wrong_or_is_and(r, every, some, none):
    """only what has them all"""
    with r.pipeline() as pipe:
        pipe.sinterstore("found", [f"tag:{tag}" for tag in [*every, *some]])
        pipe.sdiff("found", *[f"tag:{tag}" for tag in none])
        pipe.delete("found")
        return pipe.execute()[1]


def wrong_no_second_list(r, every, some, none):
    """an empty list asks for nothing"""
    found = set(r.sinter([f"tag:{tag}" for tag in every]) if every else [])
    either = set(r.sunion([f"tag:{tag}" for tag in some]) if some else [])
    found = found & either if every else either
    return found - set(r.sunion([f"tag:{tag}" for tag in none]) if none else [])


def wrong_pulls_and_compares(r, every, some, none):
    """to find a handful"""
    with r.pipeline() as pipe:
        for tag in [*every, *some, *none]:
            pipe.smembers(f"tag:{tag}")
        members = dict(zip([*every, *some, *none], pipe.execute(), strict=True))
    lists = [set(members[tag]) for tag in every]
    if some:
        lists.append(set().union(*(members[tag] for tag in some)))
    return set.intersection(*lists).difference(*(members[tag] for tag in none))


def wrong_leaves_its_sets(r, every, some, none):
    """stays on the server"""
    wanted = [f"tag:{tag}" for tag in every]
    with r.pipeline() as pipe:
        if some:
            pipe.sunionstore("found:some", [f"tag:{tag}" for tag in some])
            wanted.append("found:some")
        pipe.sinterstore("found", wanted)
        pipe.sdiff("found", *[f"tag:{tag}" for tag in none])
        return pipe.execute()[-1]


def wrong_step_by_step(r, every, some, none):
    """another search ran between"""
    wanted = [f"tag:{tag}" for tag in every]
    with r.pipeline(transaction=False) as pipe:
        pipe.delete("found", "found:some")
        if some:
            pipe.sunionstore("found:some", [f"tag:{tag}" for tag in some])
            wanted.append("found:some")
        pipe.sinterstore("found", wanted).execute()
    with r.pipeline(transaction=False) as pipe:
        pipe.sdiff("found", *[f"tag:{tag}" for tag in none]).delete("found", "found:some")
        return pipe.execute()[0]


def wrong_pipeline_without_multi(r, every, some, none):
    """no transaction"""
    wanted = [f"tag:{tag}" for tag in every]
    with r.pipeline(transaction=False) as pipe:
        if some:
            pipe.sunionstore("found:some", [f"tag:{tag}" for tag in some])
            wanted.append("found:some")
        pipe.sinterstore("found", wanted)
        pipe.sdiff("found", *[f"tag:{tag}" for tag in none])
        pipe.delete("found", "found:some")
        return pipe.execute()[-2]


def wrong_cleans_up_afterwards(r, every, some, none):
    """whose process died"""
    import uuid

    found = f"found:{uuid.uuid4()}"
    wanted = [f"tag:{tag}" for tag in every]
    with r.pipeline() as pipe:
        if some:
            pipe.sunionstore(found, [f"tag:{tag}" for tag in some])
            wanted.append(found)
        pipe.sinterstore(found, wanted)
        codes = pipe.sdiff(found, *[f"tag:{tag}" for tag in none]).execute()[-1]
    r.delete(found)
    return codes


def wrong_asks_for_each(r, every, some, none):
    """grows with what is found"""
    found = []
    for code in (
        r.sinter([f"tag:{tag}" for tag in every]) if every else r.smembers(f"tag:{some[0]}")
    ):
        if some and not any(r.sismember(f"tag:{tag}", code) for tag in some):
            continue
        if not any(r.sismember(f"tag:{tag}", code) for tag in none):
            found.append(code)
    return found


def wrong_not_only_the_first(r, every, some, none):
    """a tag of the third list"""
    wanted = [f"tag:{tag}" for tag in every]
    with r.pipeline() as pipe:
        if some:
            pipe.sunionstore("found:some", [f"tag:{tag}" for tag in some])
            wanted.append("found:some")
        pipe.sinterstore("found", wanted)
        pipe.sdiff("found", *[f"tag:{tag}" for tag in none[:1]])
        pipe.delete("found", "found:some")
        return pipe.execute()[-2]


def check(trial):
    import redis_lab.data
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    airports = redis_lab.data.airports()
    flights = redis_lab.data.flights(month=1)
    big = flights.dest.value_counts()
    tagged = {
        "intl": airports.faa[airports.name.str.contains("Intl")],
        "high": airports.faa[airports.alt > 1000],
        "pacific": airports.faa[airports.tz == -8],
        "mountain": airports.faa[airports.tz == -7],
        "served": big.index,
        "busy": big[big > 300].index,
        "regional": airports.faa[airports.name.str.contains("Rgnl")],
    }
    tagged = {tag: set(map(str, codes)) for tag, codes in tagged.items()}
    tagged["listed"] = {*map(str, airports.faa), *(f"X{number:05}" for number in range(20_000))}
    for tag, codes in tagged.items():
        trial.r.sadd(f"tag:{tag}", *codes)
    before = trial.keyspace()
    gaps = Gaps()
    client = trial.client(gaps)

    def right(every, some, none):
        lists = [tagged.get(tag, set()) for tag in every]
        lists += [set().union(*(tagged.get(tag, set()) for tag in some))] if some else []
        return set.intersection(*lists).difference(*(tagged.get(tag, set()) for tag in none))

    def codes_of(answer):
        if isinstance(answer, list | tuple | set | frozenset):
            return set(map(str, answer))
        raise Refused(f"it answered {answer!r:.60}, not a set or list of codes")

    def asked(every, some, none):
        return codes_of(trial.call(client, list(every), list(some), list(none)))

    def words(found):
        return f"{len(found)} airports ({', '.join(sorted(found)[:4]) or 'none'}, …)"

    def sent(*lists):
        """KB that the server sends; asking for that is taken off."""
        counts = [int(trial.r.info("stats")["total_net_output_bytes"]) for _ in range(2)]
        asked(*lists)
        counts.append(int(trial.r.info("stats")["total_net_output_bytes"]))
        return (counts[2] - counts[1] - (counts[1] - counts[0])) / 1000

    both = asked(["intl", "served"], [], [])
    trial.expect(
        both == right(["intl", "served"], [], []),
        "served and international: both tags",
        f"with an empty second and third list it found {words(both)}, not "
        f"{words(right(['intl', 'served'], [], []))}: an empty list asks for nothing",
    )
    either = asked(["served"], ["pacific", "mountain"], [])
    trial.require(
        either == right(["served"], ["pacific", "mountain"], []),
        "served, in the Pacific or the mountain zone",
        f"it found {words(either)}, not {words(right(['served'], ['pacific', 'mountain'], []))}"
        + (": only what has them all" if len(either) == 0 else ""),
    )
    high, served = tagged["high"], tagged["served"]
    neither = asked(["intl"], ["pacific", "mountain"], ["high", "served"])
    trial.expect(
        neither == right(["intl"], ["pacific", "mountain"], ["high", "served"]),
        "neither high nor served",
        f"it found {words(neither)}, not "
        f"{words(right(['intl'], ['pacific', 'mountain'], ['high', 'served']))}"
        + (": some have a tag of the third list" if neither & (high | served) else ""),
    )
    alone = asked([], ["busy", "regional"], ["intl"])
    trial.expect(
        alone == right([], ["busy", "regional"], ["intl"]),
        "the first list may be empty",
        f"without a first list it found {words(alone)}, not "
        f"{words(right([], ['busy', 'regional'], ['intl']))}",
    )
    unknown = [asked(["intl", "no-such-tag"], [], []), asked(["busy"], [], ["no-such-tag"])]
    trial.expect(
        unknown == [set(), tagged["busy"]],
        "a tag that nobody has finds nothing, and excludes nobody",
        f"with a tag that nobody has it found {words(unknown[0])}; excluding that tag, "
        f"{words(unknown[1])} of {len(tagged['busy'])}",
    )
    after = trial.keyspace()
    left = [key for key in after if key not in before]
    trial.expect(
        not left,
        "nothing is left behind",
        f"{', '.join(left[:2])} stays on the server after the answer",
    )
    trial.expect(
        all(trial.r.scard(f"tag:{tag}") == len(codes) for tag, codes in tagged.items()),
        "the tags are as they were",
        "a tag's set has changed",
    )
    trips = []
    for lists in ((["intl", "listed"], ["pacific"], ["served"]), (["busy"], ["intl"], ["high"])):
        gaps.trips = 0
        asked(*lists)
        trips.append(gaps.trips)
    trial.expect(
        max(trips) <= 3,
        "three trips at most",
        f"it took {trips[0]} trips for one search and {trips[1]} for another"
        + (": their number grows with what is found" if trips[0] != trips[1] else ""),
    )
    kilobytes = sent(["listed", "busy"], ["listed", "intl"], ["high"])
    trial.expect(
        kilobytes < 20,
        "what travels is what was found",
        f"the server sent {kilobytes:,.0f} KB to find a handful of airports",
    )
    first = [["served"], ["pacific", "mountain"], ["busy"]]
    second = [["intl"], ["regional", "high"], ["served"]]
    results = []

    def rival():
        results.append(codes_of(trial.run(*second)) == right(*second))

    for after in (1, 2):
        results.append(codes_of(trial.run(*first, between=rival, after=after)) == right(*first))
    stored, together = [], False
    for lists in (first, second):
        with trial.r.monitor() as monitor:
            trial.run(*lists)
            trial.r.echo("over")
            words_of = []
            while "ECHO over" not in words_of:
                words_of.append(monitor.next_command()["command"])
        together |= any(each.upper().startswith(("MULTI", "EVAL", "FCALL")) for each in words_of)
        stored.append({each.split()[1] for each in words_of if "STORE" in each.split()[0].upper()})
    shared = sorted(stored[0] & stored[1])
    trial.expect(
        all(results) and (together or not shared),
        "two searches at once don't disturb each other",
        "another search ran between two trips of this one, and a result was wrong: both use the "
        "same key"
        if not all(results)
        else f"every search stores into {', '.join(shared[:1])}, and its commands are "
        "no transaction: those of another search can come between",
    )
    for after in (1, 2):
        trial.crash(*first, after=after)
    left = [key for key in trial.keyspace() if key not in {*before, *left}]
    trial.expect(
        not left,
        "nor does a search that dies leave anything",
        f"{', '.join(left[:2])} was left by a search whose process died between two trips",
    )
