"""Find slots that dead movers have left open, and close them without losing a key."""

NOTEBOOK = "64"
TITLE = "What dead movers left"
SHAPE = "cluster"
OPTIONS = {"replicas": 0}
SECONDS = 15.0
HINTS = (
    "The marks stand in brackets, in each node's own line of CLUSTER NODES: [slot->-id] goes, "
    "[slot-<-id] comes. Who knows of which?",
    "A slot may have one mark or two. A set of (slot, source, target) from both kinds has each "
    "once.",
    "Whatever the moment was: put the missing mark on, send what the source still has, and close "
    "it at the target. Then nothing needs to be taken back.",
    "SETSLOT MIGRATING is refused by a node that has given the slot away already; suppress that "
    "ResponseError. NODE goes to the target first, then to all.",
)
WHY = (
    "Open slots raise no alarm and last for years. Going on to the end is safe from any point, if "
    "the source is emptied first; STABLE and an early NODE are where keys are lost."
)


def stub(nodes):
    """Close every slot that is open on these primaries, with all its keys at its owner."""


def solution(nodes):
    import contextlib
    import re

    ids, open_slots = {node.tell("CLUSTER", "MYID"): node for node in nodes}, set()
    for own, node in ids.items():
        marks = re.findall(r"\[(\d+)-([<>])-(\w+)\]", node.tell("CLUSTER", "NODES"))
        open_slots |= {(s, own, to) if way == ">" else (s, to, own) for s, way, to in marks}
    for slot, source, target in open_slots:
        for node, mark, other in [(target, "IMPORTING", source), (source, "MIGRATING", target)]:
            with contextlib.suppress(Exception):
                ids[node].tell("CLUSTER", "SETSLOT", slot, mark, other)
        to, login = ids[target].internal_address, ids[target].login.options()
        while keys := ids[source].tell("CLUSTER", "GETKEYSINSLOT", slot, 100):
            ids[source].tell("MIGRATE", *to, "", 0, 5000, "AUTH2", *login.values(), "KEYS", *keys)
        for node in (target, *ids):
            ids[node].tell("CLUSTER", "SETSLOT", slot, "NODE", target)


def _marks(nodes):
    """Every mark as (slot, node, way, id of the other)."""
    import re

    return [
        (slot, node, way, other)
        for node in nodes
        for slot, way, other in re.findall(r"\[(\d+)-([<>])-(\w+)\]", node.tell("CLUSTER", "NODES"))
    ]


def wrong_stable(nodes):
    """lie at a node that does not own their slot"""
    for slot, node, _, _ in _marks(nodes):
        node.tell("CLUSTER", "SETSLOT", slot, "STABLE")


def wrong_target_takes_all(nodes):
    """keys can't be read any more"""
    for slot, node, way, _ in _marks(nodes):
        if way == "<":
            node.tell("CLUSTER", "SETSLOT", slot, "NODE", node.tell("CLUSTER", "MYID"))
    for slot, node, way, _ in _marks(nodes):
        if way == ">":
            node.tell("CLUSTER", "SETSLOT", slot, "STABLE")


def wrong_only_those_that_go(nodes):
    """still open"""
    ids = {node.tell("CLUSTER", "MYID"): node for node in nodes}
    for slot, node, way, other in _marks(nodes):
        if way == ">":
            target, own = ids[other], node.tell("CLUSTER", "MYID")
            target.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", own)
            login = target.login.options()
            while keys := node.tell("CLUSTER", "GETKEYSINSLOT", slot, 100):
                to = (*target.internal_address, "", 0, 5000, "AUTH2", *login.values())
                node.tell("MIGRATE", *to, "KEYS", *keys)
            for each in (target, *nodes):
                each.tell("CLUSTER", "SETSLOT", slot, "NODE", other)


def wrong_asks_one_node(nodes):
    """still open"""
    ids = {node.tell("CLUSTER", "MYID"): node for node in nodes}
    for slot, node, way, other in _marks(nodes[:1]):
        own = node.tell("CLUSTER", "MYID")
        source, target = (node, ids[other]) if way == ">" else (ids[other], node)
        sid, tid = (own, other) if way == ">" else (other, own)
        target.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", sid)
        source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", tid)
        login = target.login.options()
        while keys := source.tell("CLUSTER", "GETKEYSINSLOT", slot, 100):
            to = (*target.internal_address, "", 0, 5000, "AUTH2", *login.values())
            source.tell("MIGRATE", *to, "KEYS", *keys)
        for each in (target, *nodes):
            each.tell("CLUSTER", "SETSLOT", slot, "NODE", tid)


def check(trial):
    import contextlib

    from redis.exceptions import RedisClusterException, RedisError

    from redis_lab import observe
    from redis_lab.data import flights
    from redis_lab.errors import LabUnavailable

    lab = trial.lab
    nodes = lab.primaries
    ids = {node: node.tell("CLUSTER", "MYID") for node in nodes}
    by_owner = {node: [] for node in nodes}
    for tag in flights(limit=90).id:
        port = trial.r.get_node_from_key(tag).port
        next(found for node, found in by_owner.items() if node.port == port).append(tag)
    keys, slots = {}, []

    def died(source, target, marks, moved, then=""):
        """A mover that has set these marks and moved so many of ten keys, and what came then."""
        tag = by_owner[source].pop()
        slot, names = trial.r.keyslot(tag), [f"{{{tag}}}:{n}" for n in range(10)]
        for name in names:
            trial.r.set(name, tag)
            keys[name] = tag
        slots.append(slot)
        target.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        if moved:
            to = (*target.internal_address, "", 0, 5000, "AUTH2", *target.login.options().values())
            source.tell("MIGRATE", *to, "KEYS", *names[:moved])
        if "target" not in marks:
            target.tell("CLUSTER", "SETSLOT", slot, "STABLE")
        if "source" not in marks:
            source.tell("CLUSTER", "SETSLOT", slot, *(then or "STABLE").split())

    one, two, three = nodes
    died(one, two, "source target", 5)
    died(two, three, "source target", 10)
    died(two, three, "target", 0)
    died(three, one, "target", 4)  # somebody said STABLE at the source
    died(three, two, "source", 0)  # somebody began at the source
    died(three, two, "target", 10, f"NODE {ids[two]}")  # and somebody ended there
    trial.call(list(nodes))
    still = [n.name for n in nodes if "[" in n.ask("CLUSTER", "NODES")]
    trial.expect(
        not still,
        "no slot is left open",
        f"slots are still open at {' and '.join(still)}: each node tells only of its own marks, "
        "and a slot may be marked at one end alone",
    )
    try:
        lab.wait_healthy(0.5 if still else 10)
        trouble = ""
    except LabUnavailable as error:
        trouble = str(error)
    trial.expect(not trouble, "the nodes agree on the owners", f"they do not agree: {trouble}")
    client, lost = lab.client(), []
    for name, value in keys.items():
        try:
            got = client.get(name)
        except (RedisError, RedisClusterException):
            got = None
        lost += [name] if got != value else []
    table = observe.slots(lab)

    def hidden(slot, node):
        """Keys of a slot at a node that does not own it: since 8.4 only an importer counts them."""
        owner = next((each for each in nodes if each.name == table.node[slot]), nodes[0])
        with contextlib.suppress(RedisError):
            node.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[owner])
        return node.tell("CLUSTER", "COUNTKEYSINSLOT", slot)

    strays = sum(
        hidden(slot, node) for slot in slots for node in nodes if table.node[slot] != node.name
    )
    trial.expect(
        not strays,
        "nothing is where it can't be found",
        f"{strays} keys lie at a node that does not own their slot",
    )
    trial.expect(
        not lost,
        "every key can be read",
        f"{len(lost)} of {len(keys)} keys can't be read any more, as {lost[:1]}",
    )
