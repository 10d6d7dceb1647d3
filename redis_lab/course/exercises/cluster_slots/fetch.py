"""Read many keys in as few trips as nodes hold them, with a slot map that may be out of date."""

NOTEBOOK = "63"
TITLE = "As many trips as nodes"
SHAPE = "cluster"
HINTS = (
    "Each node can answer for its own slots. How many requests is that, if each gets one?",
    "A pipeline of a RedisCluster sorts its commands by node, and puts the replies back in order.",
    "A transaction has its place on one node. This pipeline needs none.",
    "`pipe = r.pipeline(transaction=False)`, an `hgetall` for each name, `execute()`. No names, no "
    "trip.",
)
WHY = (
    "A cluster multiplies trips where code reads key by key. A pipeline that is split by node "
    "gives back the speed, in order, and follows MOVED by itself; what it does not give is one "
    "moment for all nodes."
)


def stub(r, names):
    """The hashes of these keys as a list of dicts, in the order of names; {} for a missing one."""


def solution(r, names):
    pipe = r.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(name)
    return pipe.execute() if names else []


def wrong_one_by_one(r, names):
    """trips for 300 keys"""
    return [r.hgetall(name) for name in names]


def wrong_a_pipeline_for_each_slot(r, names):
    """trips for 300 keys on 3 nodes"""
    slots = {}
    for name in names:
        slots.setdefault(r.keyslot(name), []).append(name)
    found = {}
    for group in slots.values():
        pipe = r.pipeline(transaction=True)
        for name in group:
            pipe.hgetall(name)
        found.update(zip(group, pipe.execute(), strict=True))
    return [found[name] for name in names]


def wrong_as_the_nodes_come(r, names):
    """in another order"""
    nodes = {}
    for name in names:
        nodes.setdefault(r.get_node_from_key(name).name, []).append(name)
    found = []
    for group in nodes.values():
        pipe = r.pipeline(transaction=False)
        for name in group:
            pipe.hgetall(name)
        found += pipe.execute()
    return found


def wrong_trusts_its_map(r, names):
    """its map was out of date"""
    nodes = {}
    for name in names:
        nodes.setdefault(r.get_node_from_key(name).name, []).append(name)
    found = {}
    for node, group in nodes.items():
        pipe = r.get_node(node_name=node).redis_connection.pipeline(transaction=False)
        for name in group:
            pipe.hgetall(name)
        found.update(zip(group, pipe.execute(), strict=True))
    return [found[name] for name in names]


def wrong_asks_for_the_map_first(r, names):
    """trips for 300 keys on 3 nodes"""
    r.nodes_manager.initialize()
    pipe = r.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(name)
    return pipe.execute() if names else []


def wrong_drops_what_is_missing(r, names):
    """a missing key"""
    pipe = r.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(name)
    return [found for found in pipe.execute() if found] if names else []


def check(trial):
    from redis_lab.course.answers import Refused
    from redis_lab.data import flights

    rows = flights(limit=400)[["id", "origin", "dest"]].to_dict("records")
    stored = {f"flight:{row['id']}": {"origin": row["origin"], "dest": row["dest"]} for row in rows}
    pipe = trial.r.pipeline(transaction=False)
    for key, value in stored.items():
        pipe.hset(key, mapping=value)
    pipe.execute()

    def nodes_of(names):
        return len({trial.r.get_node_from_key(name).name for name in names})

    names = list(stored)[300::-1][:300]
    got = trial.run(names)
    trial.require(
        isinstance(got, list) and sorted(map(str, got)) == sorted(str(stored[n]) for n in names),
        "300 keys give 300 hashes",
        f"for 300 keys it gave {got!r}",
    )
    trial.require(
        got == [stored[name] for name in names],
        "in the order of the names",
        f"the right hashes, in another order: {names[0]} is {stored[names[0]]}, and at its place "
        f"came {got[0]}",
    )
    mixed = [names[3], "flight:none", names[3], names[8]]
    got = trial.run(mixed)
    trial.expect(
        got == [stored[names[3]], {}, stored[names[3]], stored[names[8]]],
        "a missing key is {}, and one that is asked twice comes twice",
        f"for a key, a missing key, the first one again and another it gave {got!r}",
    )
    trips = trial.trips_of(names)
    trial.expect(
        trips <= nodes_of(names),
        "in as many trips as nodes are involved",
        f"{trips} trips for 300 keys on {nodes_of(names)} nodes",
    )
    mine = trial.r.get_node_from_key(names[0]).name
    near = [name for name in names if trial.r.get_node_from_key(name).name == mine]
    trips = trial.trips_of(near)
    trial.expect(
        trips <= 1,
        "one, if one node has them all",
        f"{trips} trips for {len(near)} keys that one node holds",
    )
    trips = trial.trips_of([])
    trial.expect(trips == 0, "none for no names", f"{trips} trips to ask for no key at all")
    got = trial.run([])
    trial.expect(got == [], "and then an empty list", f"for no names it gave {got!r}")
    client = trial.client()
    trial.lab.failover(trial.lab.primaries[0])
    trial.lab.wait_healthy()
    try:
        got = trial.call(client, names)
    except Refused as refusal:
        got = str(refusal)
    trial.expect(
        got == [stored[name] for name in names],
        "a slot map that is out of date costs a detour, not the answer",
        f"a replica had taken over from a primary, and the client did not know: its map was out of "
        f"date. It gave {got!r}",
    )
