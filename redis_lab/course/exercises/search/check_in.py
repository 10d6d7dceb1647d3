"""Change parts of a document, together, in one trip."""

NOTEBOOK = "10"
TITLE = "A bag in the document"
HINTS = (
    "Two places change: an array gets longer, a number larger. Each has a command of its own.",
    "`JSON.ARRAPPEND` with `$.bags` answers the new length, in a list: a path may match many.",
    "`r.pipeline()` makes one trip and one transaction of them; `pipe.json()` has the commands.",
    "For a flight that isn't there both commands are errors: `execute(raise_on_error=False)`.",
)
WHY = (
    "Commands on paths touch what they name: no bag is lost between two desks, the document never "
    "travels, and its time to live stays. The transaction keeps weight and bags in step."
)
MIN_VERSION = "8.0"
MODULES = ("json", "search")


def stub(r, flight, bag):
    """Add the bag to the document's bags and its kg to kg, in one trip; how many bags now.

    None for a flight that has no document, and then nothing is written.
    """


def solution(r, flight, bag):
    with r.pipeline() as pipe:
        pipe.json().arrappend(flight, "$.bags", bag)
        pipe.json().numincrby(flight, "$.kg", bag["kg"])
        told = pipe.execute(raise_on_error=False)
    return told[0][0] if isinstance(told[0], list) else None


def wrong_whole_document(r, flight, bag):
    """another desk's bag is lost"""
    document = r.json().get(flight)
    if document is None:
        return None
    document["bags"].append(bag)
    document["kg"] += bag["kg"]
    r.json().set(flight, "$", document)
    return len(document["bags"])


def wrong_merge(r, flight, bag):
    """another desk's bag is lost"""
    document = r.json().get(flight)
    if document is None:
        return None
    bags = [*document["bags"], bag]
    r.json().merge(flight, "$", {"bags": bags, "kg": document["kg"] + bag["kg"]})
    return len(bags)


def wrong_two_trips(r, flight, bag):
    """in 2 trips"""
    from redis import ResponseError

    try:
        count = r.json().arrappend(flight, "$.bags", bag)[0]
        r.json().numincrby(flight, "$.kg", bag["kg"])
    except ResponseError:
        return None
    return count


def wrong_text(r, flight, bag):
    """a string, not an object"""
    import json

    with r.pipeline() as pipe:
        pipe.json().arrappend(flight, "$.bags", json.dumps(bag))
        pipe.json().numincrby(flight, "$.kg", bag["kg"])
        told = pipe.execute(raise_on_error=False)
    return told[0][0] if isinstance(told[0], list) else None


def wrong_list(r, flight, bag):
    """not the number"""
    with r.pipeline() as pipe:
        pipe.json().arrappend(flight, "$.bags", bag)
        pipe.json().numincrby(flight, "$.kg", bag["kg"])
        told = pipe.execute(raise_on_error=False)
    return told[0] if isinstance(told[0], list) else None


def wrong_raises(r, flight, bag):
    """Redis refused the command"""
    with r.pipeline() as pipe:
        pipe.json().arrappend(flight, "$.bags", bag)
        pipe.json().numincrby(flight, "$.kg", bag["kg"])
        return pipe.execute()[0][0]


def check(trial):
    from redis_lab.course.answers import Refused

    r, start = trial.r, {"to": {"code": "IAH"}, "dep": {"gate": "C120"}, "kg": 40, "bags": []}
    start["bags"] = [{"tag": "BAG001", "kg": 40}]
    r.json().set("flight:UA1545", "$", start)
    r.expire("flight:UA1545", 1000)
    bag = {"tag": "BAG-2 {x}", "kg": 21}
    count = trial.run("flight:UA1545", bag)
    now = r.json().get("flight:UA1545") or {"bags": [], "kg": 0}
    last = now["bags"][-1:]
    trial.require(
        bool(last) and (last[0] == bag or isinstance(last[0], str)) and len(now["bags"]) == 2,
        "the bag is in the document",
        f"bags is now {now['bags']}",
    )
    trial.expect(last == [bag], "as an object", f"its last bag is a string, not an object: {last}")
    trial.expect(now["kg"] == 61, "and weighs", f"kg was 40, the bag has 21, and kg is {now['kg']}")
    trial.expect(
        type(count) is int and count == 2,
        "the number of bags is answered",
        f"it answered {count!r}, not the number 2",
    )
    trial.expect(
        now.get("dep") == start["dep"] and now.get("to") == start["to"],
        "the rest of the document stays",
        f"it is now {now}",
    )
    left = r.ttl("flight:UA1545")
    trial.expect(
        900 < left <= 1000, "so does its time to live", f"it had 1,000 s to live, and has {left}"
    )

    done = []

    def others():
        done.append(True)
        r.json().arrappend("flight:UA1545", "$.bags", {"tag": "BAG003", "kg": 9})
        r.json().numincrby("flight:UA1545", "$.kg", 9)
        r.json().set("flight:UA1545", "$.dep.gate", "C121")

    trial.run("flight:UA1545", {"tag": "BAG004", "kg": 10}, between=others)
    if not done:  # an answer of one trip leaves no gap
        others()
    now = r.json().get("flight:UA1545")
    tags = [each.get("tag") if isinstance(each, dict) else each for each in now["bags"]]
    trial.expect(
        len(tags) == 4 and now["kg"] == 80 and now["dep"]["gate"] == "C121",
        "what others write at that moment stays",
        f"another desk's bag is lost, or its gate: after four bags of 80 kg in all, bags is "
        f"{tags}, kg {now['kg']}, and the gate {now['dep']['gate']}",
    )
    r.json().set("flight:full", "$", start | {"kg": 0, "bags": []})
    trial.together([("flight:full", {"tag": f"B{n}", "kg": 1}) for n in range(16)])
    now = r.json().get("flight:full")
    trial.expect(
        len(now["bags"]) == 16 == now["kg"],
        "16 desks at once check in 16 bags",
        f"another desk's bag is lost: 16 came, {len(now['bags'])} are there, kg is {now['kg']}",
    )
    trips = trial.trips_of("flight:full", bag)
    trial.expect(trips == 1, "a bag is one trip", f"a bag was checked in in {trips} trips")
    try:
        nobody = trial.run("flight:none", bag)
    except Refused as refusal:
        nobody = refusal
    trial.expect(
        nobody is None and not r.exists("flight:none"),
        "a flight that has no document is None, and stays without",
        f"for a flight without a document: {nobody}; exists: {r.exists('flight:none')}",
    )
