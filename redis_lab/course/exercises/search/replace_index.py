"""A new schema, and no moment in which searches find too little: fill, then move an alias."""

NOTEBOOK = "10"
TITLE = "A new index, and nobody notices"
HINTS = (
    "The old index goes on serving until the new one is complete.",
    "`FT.INFO` of the new one: `indexing` is 1 while it is being filled.",
    "`FT.ALIASUPDATE alias index` moves the alias in one step. `FT.INFO alias` tells which index "
    "it leads to now, as `index_name`.",
    "`FT.DROPINDEX old` at the end, without `DD`, which deletes the documents as well.",
)
WHY = (
    "Change a schema by a new index and an alias, as you deploy a new version behind a load "
    "balancer. Dropping first, or moving the alias early, is an outage that says 'nothing found'."
)
MIN_VERSION = "8.0"
MODULES = ("json", "search")
SECONDS = 30.0


def stub(r, alias, name, schema):
    """Lead the alias to a complete new index of this name and schema, and remove the old one."""


def solution(r, alias, name, schema):
    old = r.ft(alias).info()["index_name"]
    r.execute_command("FT.CREATE", name, "PREFIX", 1, "flight:", "SCHEMA", *schema)
    while r.ft(name).info()["indexing"]:
        r.blpop("nobody", timeout=0.02)
    r.ft(name).aliasupdate(alias)
    r.ft(old).dropindex()


def wrong_drop_first(r, alias, name, schema):
    """searches failed"""
    r.ft(r.ft(alias).info()["index_name"]).dropindex()
    r.execute_command("FT.CREATE", name, "PREFIX", 1, "flight:", "SCHEMA", *schema)
    while r.ft(name).info()["indexing"]:
        r.blpop("nobody", timeout=0.02)
    r.ft(name).aliasadd(alias)


def wrong_moves_early(r, alias, name, schema):
    """found fewer"""
    old = r.ft(alias).info()["index_name"]
    r.execute_command("FT.CREATE", name, "PREFIX", 1, "flight:", "SCHEMA", *schema)
    r.ft(name).aliasupdate(alias)
    r.ft(old).dropindex()


def wrong_deletes_documents(r, alias, name, schema):
    """flights were deleted"""
    old = r.ft(alias).info()["index_name"]
    r.execute_command("FT.CREATE", name, "PREFIX", 1, "flight:", "SCHEMA", *schema)
    while r.ft(name).info()["indexing"]:
        r.blpop("nobody", timeout=0.02)
    r.ft(name).aliasupdate(alias)
    r.ft(old).dropindex(delete_documents=True)


def wrong_leaves_the_old(r, alias, name, schema):
    """is still there"""
    r.execute_command("FT.CREATE", name, "PREFIX", 1, "flight:", "SCHEMA", *schema)
    while r.ft(name).info()["indexing"]:
        r.blpop("nobody", timeout=0.02)
    r.ft(name).aliasupdate(alias)


def wrong_no_prefix(r, alias, name, schema):
    """not flights"""
    old = r.ft(alias).info()["index_name"]
    r.execute_command("FT.CREATE", name, "SCHEMA", *schema)
    while r.ft(name).info()["indexing"]:
        r.blpop("nobody", timeout=0.02)
    r.ft(name).aliasupdate(alias)
    r.ft(old).dropindex()


def wrong_alters(r, alias, name, schema):
    """leads to"""
    r.execute_command("FT.ALTER", alias, "SCHEMA", "ADD", "hour", "NUMERIC")


def check(trial):
    import json

    from redis import ResponseError

    import redis_lab.data
    from redis_lab.course.trial import Gaps

    r = trial.r
    flights = redis_lab.data.flights(month=1, limit=12_000)
    rows = list(zip(flights["id"].tolist(), flights["dest"].tolist(), strict=True))
    store = """for n, f in ipairs(cjson.decode(ARGV[1])) do
        redis.call('HSET', 'flight:' .. f[1], 'dest', f[2], 'hour', n % 24) end"""
    r.execute_command("FT.CREATE", "v1", "PREFIX", 1, "flight:", "SCHEMA", "dest", "TAG")
    for at in range(0, len(rows), 4_000):
        r.eval(store, 0, json.dumps(rows[at : at + 4_000]))
    r.hset("gate:C120", mapping={"dest": "SFO", "hour": 24})
    while r.ft("v1").info()["indexing"]:
        r.blpop("nobody", timeout=0.02)
    r.ft("v1").aliasadd("board")

    def count(query="*"):
        try:
            told = r.execute_command("FT.SEARCH", "board", query, "LIMIT", 0, 0)
        except ResponseError as error:
            return str(error)
        return told["total_results"]

    class Watch(Gaps):
        """Searches through the alias before each trip of the answer."""

        def before_a_trip(self):
            self.seen = [*getattr(self, "seen", ()), count()]

    watch = Watch()
    trial.call(trial.client(watch), "board", "v2", ["dest", "TAG", "hour", "NUMERIC"])
    seen = [*getattr(watch, "seen", ()), count()]
    left = sum(1 for _ in r.scan_iter(match="flight:*", count=5_000))
    trial.expect(
        left == len(rows),
        "the flights themselves stay",
        f"{len(rows) - left:,} of {len(rows):,} flights were deleted along with an index",
    )
    failed = [each for each in seen if isinstance(each, str)]
    trial.expect(
        not failed,
        "searches through the alias go on",
        f"searches failed while you worked: {failed[:1]}",
    )
    numbers = [each for each in seen if isinstance(each, int)]
    trial.expect(
        bool(failed) or min(numbers) == len(rows) or left < len(rows),
        "and find every flight at every moment",
        f"a search through the alias found fewer: {min(numbers, default=0):,} of {len(rows):,}",
    )
    indexes = sorted(r.execute_command("FT._LIST"))
    leads = r.ft("board").info()["index_name"] if not isinstance(count(), str) else "nothing"
    trial.require(leads == "v2", "the alias leads to the new index", f"the alias leads to {leads}")
    trial.expect(
        "v1" not in indexes, "the old one is gone", f"v1 is still there: the indexes are {indexes}"
    )
    info = r.ft("v2").info()
    types = {each["attribute"]: each["type"] for each in info["attributes"]}
    trial.expect(
        types == {"dest": "TAG", "hour": "NUMERIC"},
        "it has the new schema",
        f"its fields are {types}",
    )
    wanted = sum(n % 24 == 7 for at in range(0, len(rows), 4_000) for n in range(1, 4_001))
    while info["indexing"]:
        info = r.ft("v2").info()
    trial.expect(
        count("@hour:[7 7]") == wanted,
        "which answers what the old one couldn't",
        f"by hour it finds {count('@hour:[7 7]')}, not {wanted}",
    )
    more = count("@hour:[24 24]")
    trial.expect(
        more == 0, "and covers flights only", f"it finds {more} hashes that are not flights"
    )
