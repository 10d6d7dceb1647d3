"""A search form: what people type is a value, never syntax."""

NOTEBOOK = "10"
TITLE = "Search form of the board"
HINTS = (
    "Make a list of the conditions that were filled in, joined by spaces: all must hold. None at "
    "all is `*`.",
    "What was typed goes into `PARAMS` (dialect 2), and the query says `@dest:{$dest}`.",
    "Words are several values: split them (`re.findall(r'\\w+', words.lower())`), and give each "
    "its own parameter: `@name:$w0 @name:$w1`.",
    "`Query(q).sort_by('delay', asc=False).no_content().paging(offset, 10)`; under protocol 3 the "
    "reply is a dict with `total_results` and `results`.",
)
WHY = (
    "A query that is pasted together lets people search what they shouldn't, and fails those whose "
    "airport has a hyphen. Parameters end both; the total comes with the page, in the same trip."
)
MIN_VERSION = "8.0"
MODULES = ("json", "search")


def stub(r, filled, page=0):
    """(how many match, ids of ten a page, most delayed first) for a form such as {"dest": "SFO"}.

    It may hold id, dest, carrier (all of it, as typed), name (words) and delay (at least so many).
    """


def solution(r, filled, page=0):
    import re

    from redis.commands.search.query import Query

    said = [f"@{field}:{{${field}}}" for field in ("id", "dest", "carrier") if field in filled]
    words = re.findall(r"\w+", filled.get("name", "").lower())
    said += [f"@name:$w{n}" for n in range(len(words))]
    said += ["@delay:[$delay +inf]"] if "delay" in filled else []
    values = {f"w{n}": word for n, word in enumerate(words)} | filled
    values = {name: value for name, value in values.items() if name != "name"}
    query = Query(" ".join(said) or "*").sort_by("delay", asc=False).no_content().dialect(2)
    found = r.ft("board").search(query.paging(10 * page, 10), values or None)
    ids = [hit["id"].removeprefix("flight:") for hit in found["results"]]
    return found["total_results"], ids


def _page(r, query, page, size=10):
    from redis.commands.search.query import Query

    found = Query(query).sort_by("delay", asc=False).no_content().paging(size * page, size)
    found = r.ft("board").search(found)
    return found["total_results"], [hit["id"].removeprefix("flight:") for hit in found["results"]]


def wrong_pastes(r, filled, page=0):
    """a hyphen in what was typed"""
    from redis_lab.course.exercises.search.form import _page

    said = [
        f"@{field}:{{{filled[field]}}}" for field in ("id", "dest", "carrier") if field in filled
    ]
    said += [f"@name:({filled['name']})"] if "name" in filled else []
    said += [f"@delay:[{filled['delay']} +inf]"] if "delay" in filled else []
    return _page(r, " ".join(said) or "*", page)


def wrong_escapes_hyphens(r, filled, page=0):
    """became part of the query"""
    from redis_lab.course.exercises.search.form import _page

    told = {field: str(value).replace("-", "\\-") for field, value in filled.items()}
    said = [f"@{field}:{{{told[field]}}}" for field in ("id", "dest", "carrier") if field in told]
    words = filled.get("name", "").replace("-", " ").replace("'", " ")
    said += [f"@name:({words})"] if words else []
    said += [f"@delay:[{filled['delay']} +inf]"] if "delay" in filled else []
    return _page(r, " ".join(said) or "*", page)


def wrong_one_page(r, filled, page=0):
    """the second page"""
    from redis_lab.course.exercises.search.form import solution

    return solution(r, filled)


def wrong_counts_the_page(r, filled, page=0):
    """how many match"""
    from redis_lab.course.exercises.search.form import solution

    ids = solution(r, filled, page)[1]
    return len(ids), ids


def wrong_filters_here(r, filled, page=0):
    """the server sent"""
    keys = list(r.scan_iter(match="flight:*", count=10_000))
    with r.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hgetall(key)
        rows = pipe.execute()
    words = filled.get("name", "").lower().replace("-", " ").split()
    kept = [
        row
        for row in rows
        if all(
            row[field] == filled[field] for field in ("id", "dest", "carrier") if field in filled
        )
        and all(word in row["name"].lower().replace("-", " ").split() for word in words)
        and int(row["delay"]) >= int(filled.get("delay", -999))
    ]
    kept.sort(key=lambda row: -int(row["delay"]))
    return len(kept), [row["id"] for row in kept[10 * page : 10 * page + 10]]


def check(trial):
    import re

    import redis_lab.data
    from redis_lab.course.answers import Refused

    year = redis_lab.data.flights(month=3).dropna(subset="dep_delay")
    names = redis_lab.data.airports().set_index("faa")["name"].to_dict()
    day = year[year["day"] == 8].to_dict("records")
    day = [
        {"id": row["id"], "carrier": row["carrier"], "dest": row["dest"], "delay": row["dep_delay"],
         "name": names.get(row["dest"], "")}
        for row in day
    ]  # fmt: skip
    r = trial.r
    index = "FT.CREATE board PREFIX 1 flight: SCHEMA id TAG carrier TAG dest TAG name TEXT"
    r.execute_command(*f"{index} delay NUMERIC SORTABLE".split())
    with r.pipeline(transaction=False) as pipe:
        for row in day:
            pipe.hset(f"flight:{row['id']}", mapping=row)
        pipe.execute()

    def right(filled):
        words = re.findall(r"\w+", filled.get("name", "").lower())
        return [
            row
            for row in day
            if all(row[f] == filled[f] for f in ("id", "carrier", "dest") if f in filled)
            and set(words) <= set(re.findall(r"\w+", row["name"].lower()))
            and row["delay"] >= filled.get("delay", -999)
        ]

    def asked(filled, page=0):
        answer = trial.run(dict(filled), page)
        if not (isinstance(answer, tuple | list) and len(answer) == 2):
            raise Refused(f"for {filled} it answered {answer!r:.90}, not (number, ids)")
        number, ids = answer
        if not isinstance(ids, list | tuple) or not all(isinstance(each, str) for each in ids):
            raise Refused(f"for {filled} the second part is {ids!r:.90}, not a list of ids")
        return number, list(ids)

    def agrees(filled, claim, why):
        rows = right(filled)
        try:
            number, ids = asked(filled)
        except Refused as refusal:
            trial.expect(False, claim, f"{refusal}: {why}")
            return
        late = {row["id"]: row["delay"] for row in rows}
        wanted = sorted(late.values(), reverse=True)[:10]
        got = [late.get(each.removeprefix("flight:")) for each in ids]
        if number == len(rows) and None not in got:
            why = "these are not the most delayed ones, most delayed first"
        trial.expect(
            number == len(rows) and got == wanted and len(set(ids)) == len(ids),
            claim,
            f"for {filled} it answered {number} with {ids[:2]}…; {len(rows)} match: {why}",
        )

    agrees({"dest": "SFO"}, "one condition", "how many match, and the ten most delayed?")
    agrees({"dest": "SFO", "carrier": "UA"}, "two conditions, both true", "both must hold")
    agrees({"dest": "SFO", "delay": 30}, "a bound for the delay", "30 is at least 30")
    agrees({}, "an empty form finds all", "with nothing filled in the query is `*`")
    first, second = asked({"dest": "ORD"})[1], asked({"dest": "ORD"}, 1)[1]
    late = {row["id"]: row["delay"] for row in right({"dest": "ORD"})}
    trial.expect(
        len(set(first + second)) == 20
        and [late.get(each) for each in first + second] == sorted(late.values(), reverse=True)[:20],
        "page 1 goes on where page 0 ended",
        "the second page is not the next ten ids, by delay",
    )
    hyphen = "a hyphen in what was typed is syntax to the query"
    agrees({"id": day[7]["id"]}, "an id is found", hyphen)
    parts = "the index holds two words, raleigh and durham, and never both in one"
    agrees({"name": "Raleigh-Durham"}, "a name with a hyphen is found", parts)
    agrees({"name": "san FRANCISCO"}, "words in any capitals", "two words, any capitals")
    for typed in ("SFO|LAX", "SFO} | @carrier:{DL", "*", "S*"):
        agrees(
            {"carrier": "UA", "dest": typed},
            f"`{typed}` is no airport",
            "what was typed became part of the query",
        )
    agrees(
        {"carrier": "UA", "name": "houston) | (@carrier:{DL}"},
        "nor does a bracket in the words end the form",
        "what was typed became part of the query",
    )
    net = int(r.info("stats")["total_net_output_bytes"])
    trial.run({"dest": "SFO"}, 0)
    sent = int(r.info("stats")["total_net_output_bytes"]) - net
    trips = trial.trips_of({"dest": "SFO"}, 0)
    trial.expect(
        sent < 30_000 and trips == 1,
        "one trip brings the number and the page",
        f"the server sent {sent / 1000:.0f} KB in {trips} trips for ten ids",
    )
