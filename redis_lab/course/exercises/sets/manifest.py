"""Replace a set and tell what changed, in one transaction that works for an empty list too."""

NOTEBOOK = "05"
TITLE = "Who came, who went"
HINTS = (
    "Put the new list under a second name first: then the server can compare the two.",
    "`SDIFF` new old, and `SDIFF` old new: in both directions.",
    "To replace the old set by the new one, remember what a STORE command does with an empty "
    "result. `RENAME` is less patient.",
    "One `r.pipeline()`: `sadd` (if there is anybody), `sdiff`, `sdiff`, `sunionstore(key, new)`, "
    "`delete(new)`.",
)
WHY = (
    "Feeds send whole lists; whoever listens wants changes. Compared and replaced in one "
    "transaction, each change is told once, to one caller, even if the list comes twice."
)


def stub(r, flight, names):
    """Make names the passengers in manifest:<flight>; who joined and who left, as two sets."""


def solution(r, flight, names):
    key, new = f"manifest:{flight}", f"manifest:{flight}:new"
    with r.pipeline() as pipe:
        if names:
            pipe.sadd(new, *names)
        pipe.sdiff(new, key).sdiff(key, new)
        pipe.sunionstore(key, new).delete(new)
        joined, left = pipe.execute()[-4:-2]
    return joined, left


def wrong_only_adds(r, flight, names):
    """still aboard"""
    key = f"manifest:{flight}"
    old = set(r.smembers(key))
    if names:
        r.sadd(key, *names)
    return set(names) - old, old - set(names)


def wrong_delete_then_add(r, flight, names):
    """nobody was aboard"""
    key = f"manifest:{flight}"
    old = set(r.smembers(key))
    r.delete(key)
    if names:
        r.sadd(key, *names)
    return set(names) - old, old - set(names)


def wrong_reads_first(r, flight, names):
    """told twice"""
    key = f"manifest:{flight}"
    old = set(r.smembers(key))
    with r.pipeline() as pipe:
        pipe.delete(key)
        if names:
            pipe.sadd(key, *names)
        pipe.execute()
    return set(names) - old, old - set(names)


def wrong_pipeline_without_multi(r, flight, names):
    """in no transaction"""
    key, new = f"manifest:{flight}", f"manifest:{flight}:new"
    with r.pipeline(transaction=False) as pipe:
        if names:
            pipe.sadd(new, *names)
        pipe.sdiff(new, key).sdiff(key, new)
        pipe.sunionstore(key, new).delete(new)
        joined, left = pipe.execute()[-4:-2]
    return joined, left


def wrong_rename(r, flight, names):
    """an empty list"""
    key, new = f"manifest:{flight}", f"manifest:{flight}:new"
    with r.pipeline() as pipe:
        if names:
            pipe.sadd(new, *names)
        pipe.sdiff(new, key).sdiff(key, new).rename(new, key)
        replies = pipe.execute(raise_on_error=False)
    return replies[-3], replies[-2]


def wrong_leaves_the_second_set(r, flight, names):
    """was not emptied"""
    key, new = f"manifest:{flight}", f"manifest:{flight}:new"
    with r.pipeline() as pipe:
        if names:
            pipe.sadd(new, *names)
        pipe.sdiff(new, key).sdiff(key, new).sunionstore(key, new)
        replies = pipe.execute()
    return replies[-3], replies[-2]


def wrong_way_round(r, flight, names):
    """the wrong way round"""
    key, new = f"manifest:{flight}", f"manifest:{flight}:new"
    with r.pipeline() as pipe:
        if names:
            pipe.sadd(new, *names)
        pipe.sdiff(key, new).sdiff(new, key)
        pipe.sunionstore(key, new).delete(new)
        joined, left = pipe.execute()[-4:-2]
    return joined, left


def check(trial):
    from redis_lab.course.answers import Refused

    def told(answer):
        try:
            joined, left = answer
            return set(map(str, joined)), set(map(str, left))
        except (TypeError, ValueError):
            said = f"it answered {answer!r:.60}, not two sets: who joined and who left"
            raise Refused(said) from None

    def words(pair):
        return " and ".join(", ".join(sorted(each)) or "nobody" for each in pair)

    def aboard(flight):
        return trial.r.smembers(f"manifest:{flight}")

    first = told(trial.run("UA1545", ["Ada", "Ben", "Cleo"]))
    kinds = {key: kind for key, (kind, _) in trial.keyspace().items()}
    trial.require(
        kinds.get("manifest:UA1545") == "set" and aboard("UA1545") == {"Ada", "Ben", "Cleo"},
        "the first list is aboard",
        f"there is {kinds or 'no key'}, not the set manifest:UA1545 with Ada, Ben, Cleo",
    )
    trial.expect(
        first == ({"Ada", "Ben", "Cleo"}, set()),
        "and all of them joined",
        f"on the first list joined and left are {words(first)}"
        + (": the wrong way round" if first[1] else ""),
    )
    second = told(trial.run("UA1545", ["Ben", "Dan"]))
    trial.expect(
        aboard("UA1545") == {"Ben", "Dan"},
        "the second list replaces it",
        f"aboard are {', '.join(sorted(aboard('UA1545')))}, not Ben and Dan: who is not on the new "
        "list is still aboard, or the second key was not emptied",
    )
    trial.expect(
        second == ({"Dan"}, {"Ada", "Cleo"}),
        "it tells who joined and who left",
        f"joined and left are {words(second)}, not Dan and Ada, Cleo"
        + (": the wrong way round" if second[::-1] == ({"Dan"}, {"Ada", "Cleo"}) else ""),
    )
    same = told(trial.run("UA1545", ["Dan", "Ben"]))
    trial.expect(
        same == (set(), set()),
        "the same list again changes nothing",
        f"the same list came again, and joined and left are {words(same)}",
    )
    elsewhere = told(trial.run("B6725", ["Ada"]))
    trial.expect(
        elsewhere == ({"Ada"}, set()) and aboard("UA1545") == {"Ben", "Dan"},
        "another flight has its own list",
        "a second flight got into the first one's list",
    )
    others = []

    def rival():
        others.append(told(trial.run("DL461", ["Ben"])))

    with trial.cost() as cost:
        joined, _ = told(trial.run("DL461", ["Ada", "Ben"], between=rival))
    apart = cost.commands["sdiff"] and not cost.indivisible
    twice = joined.intersection(*[other[0] for other in others])
    trial.expect(
        not (others and twice) and not apart,
        "two callers never hear the same change",
        f"a second caller came between two trips: that {', '.join(twice)} joined was told twice"
        if others and twice
        else "it compares and replaces in no transaction: between SDIFF and the rest a second "
        "caller can compare too, and hear the same",
    )
    trial.run("AA1141", ["Ada", "Ben"])
    seen = []
    for gap in (1, 2, 3):
        names = ["Ada", f"Guest {gap}"]
        trial.run("AA1141", names, between=lambda: seen.append(aboard("AA1141")), after=gap)
    trial.expect(
        all("Ada" in each for each in seen),
        "who is on the old and the new list is aboard at every moment",
        "between two trips nobody was aboard, though Ada is on both lists",
    )
    trial.run("UA1545", ["Ben", "Dan"])
    empty = told(trial.run("UA1545", []))
    trial.expect(
        not aboard("UA1545") and empty == (set(), {"Ben", "Dan"}),
        "an empty list empties it",
        f"after an empty list {', '.join(sorted(aboard('UA1545'))) or 'nobody'} is aboard, and "
        f"joined and left are {words(empty)}",
    )
    flights = {"manifest:UA1545", "manifest:B6725", "manifest:DL461", "manifest:AA1141"}
    left = [key for key, (kind, _) in trial.keyspace().items() if key not in flights]
    trial.expect(not left, "no other key is left", f"{', '.join(left[:2])} was not emptied")
