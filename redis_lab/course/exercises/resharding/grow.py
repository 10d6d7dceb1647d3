"""Take a fourth primary in, and give it slots, while readers look after each command."""

NOTEBOOK = "64"
TITLE = "A fourth primary, under readers"
SHAPE = "cluster"
OPTIONS = {"replicas": 0, "spares": 1}
SECONDS = 20.0
HINTS = (
    "Three steps: it joins, all know each other and it is ready to serve, and then slot after slot "
    "goes over. What says that the second is done?",
    "Wait until its id stands in the CLUSTER NODES of each, no handshake is left, and its own "
    "CLUSTER INFO says cluster_state:ok.",
    "For a slot: IMPORTING at the newcomer, MIGRATING at the source, its keys, and NODE at the "
    "newcomer before the source. Only when the source has none left.",
    "GETKEYSINSLOT gives as many as you ask for, not all. `MIGRATE host port '' 0 5000 AUTH2 user "
    "password KEYS …` with the newcomer's internal_host and internal_port.",
)
WHY = (
    "Each step of this protocol is safe for readers in one order alone, and a mover may die after "
    "any of them. Tools that know the order exist; since 8.4 the servers do it themselves."
)


def stub(shares, newcomer):
    """Make newcomer a primary of the cluster, and move slots to it, with their keys.

    shares: for each primary of the cluster, the list of slots that it gives.
    """


def solution(shares, newcomer):
    new, login = newcomer.tell("CLUSTER", "MYID"), newcomer.login.options()
    to = (newcomer.internal_host, newcomer.internal_port, "", 0, 5000)
    for node in shares:
        newcomer.tell("CLUSTER", "MEET", *node.internal_address, node.bus_port)
    waiting = [newcomer, *shares]
    while waiting:
        said = waiting[0].tell("CLUSTER", "NODES") + waiting[0].tell("CLUSTER", "INFO")
        if new in said and "handshake" not in said and "cluster_state:ok" in said:
            waiting = (
                waiting[1:] if said.count(" master ") + said.count(",master ") == 4 else waiting
            )
    for source, slot in [(source, slot) for source, slots in shares.items() for slot in slots]:
        newcomer.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", source.tell("CLUSTER", "MYID"))
        source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", new)
        while keys := source.tell("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.tell("MIGRATE", *to, "AUTH2", *login.values(), "KEYS", *keys)
        for node in (newcomer, *shares):
            node.tell("CLUSTER", "SETSLOT", slot, "NODE", new)


def _joined(shares, newcomer):
    """What the wrong answers do right."""
    from redis_lab.lab.waiting import wait_until

    for node in shares:
        newcomer.tell("CLUSTER", "MEET", *node.internal_address, node.bus_port)
    new = newcomer.tell("CLUSTER", "MYID")

    def missing():
        for node in (newcomer, *shares):
            said = node.tell("CLUSTER", "NODES")
            known = said.count("\n") == 4 and "handshake" not in said and new in said
            if not known or "cluster_state:ok" not in node.tell("CLUSTER", "INFO"):
                return "not yet"
        return ""

    wait_until(missing, 15, "the newcomer", every=0.05)
    return new


def _sent(source, newcomer, slot, count=1000):
    if keys := source.tell("CLUSTER", "GETKEYSINSLOT", slot, count):
        login = newcomer.login.options()
        to = (newcomer.internal_host, newcomer.internal_port, "", 0, 5000)
        source.tell("MIGRATE", *to, "AUTH2", *login.values(), "KEYS", *keys)


def wrong_source_first(shares, newcomer):
    """was sent in circles"""
    new = _joined(shares, newcomer)
    for source, slots in shares.items():
        for slot in slots:
            newcomer.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", source.tell("CLUSTER", "MYID"))
            source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", new)
            _sent(source, newcomer, slot)
            for node in (*shares, newcomer):
                node.tell("CLUSTER", "SETSLOT", slot, "NODE", new)


def wrong_migrating_first(shares, newcomer):
    """a key that nobody has was sent in circles"""
    new = _joined(shares, newcomer)
    for source, slots in shares.items():
        for slot in slots:
            source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", new)
            newcomer.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", source.tell("CLUSTER", "MYID"))
            _sent(source, newcomer, slot)
            for node in (newcomer, *shares):
                node.tell("CLUSTER", "SETSLOT", slot, "NODE", new)


def wrong_ten_keys(shares, newcomer):
    """keys are gone"""
    new = _joined(shares, newcomer)
    for source, slots in shares.items():
        for slot in slots:
            newcomer.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", source.tell("CLUSTER", "MYID"))
            source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", new)
            _sent(source, newcomer, slot, 10)
            newcomer.tell("CLUSTER", "SETSLOT", slot, "NODE", new)


def wrong_does_not_wait(shares, newcomer):
    """I don't know about node"""
    new = newcomer.tell("CLUSTER", "MYID")
    for node in shares:
        newcomer.tell("CLUSTER", "MEET", *node.internal_address, node.bus_port)
    for source, slots in shares.items():
        for slot in slots:
            newcomer.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", source.tell("CLUSTER", "MYID"))
            source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", new)
            _sent(source, newcomer, slot)
            for node in (newcomer, *shares):
                node.tell("CLUSTER", "SETSLOT", slot, "NODE", new)


def wrong_leaves_it_open(shares, newcomer):
    """still belongs to"""
    new = _joined(shares, newcomer)
    for source, slots in shares.items():
        for slot in slots:
            newcomer.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", source.tell("CLUSTER", "MYID"))
            source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", new)
            _sent(source, newcomer, slot)


def check(trial):
    from redis.exceptions import AskError, MovedError, RedisError

    from redis_lab import observe
    from redis_lab.course.gaps import Gaps, watch
    from redis_lab.data import flights
    from redis_lab.errors import LabUnavailable

    lab = trial.lab
    *nodes, newcomer = lab.nodes
    dial = {node.address: node.client() for node in lab.nodes}
    owners = {node: [] for node in nodes}
    for tag in flights(limit=60).id:
        place = trial.r.get_node_from_key(tag).port
        next(found for node, found in owners.items() if node.port == place).append(tag)
    chosen = {node: tags[:2] for node, tags in owners.items()}
    tags = [tag for some in chosen.values() for tag in some]
    long, empty = tags[0], owners[nodes[1]][2]
    keys = [f"{{{tag}}}:{n}" for tag in tags for n in range(40 if tag == long else 4)]
    for key in keys:
        trial.r.set(key, "boarding")
    shares = {node: [trial.r.keyslot(tag) for tag in some] for node, some in chosen.items()}
    shares[nodes[1]].insert(0, trial.r.keyslot(empty))
    troubles, looks = {}, [0]

    def read(key, client):
        """As a reader does that follows: the value, or what happened to it."""
        asking = False
        for _ in range(8):
            try:
                pipe = client.pipeline(transaction=False)
                if asking:
                    pipe.execute_command("ASKING")
                return pipe.get(key).execute()[-1]
            except AskError as error:  # MOVED is one too
                asking = not isinstance(error, MovedError)
                client = dial[error.host, int(error.port)]
        return "circles"

    def look():
        """What all readers see at this moment; a trouble is noted once."""
        looks[0] += 1
        first = dial[nodes[looks[0] % 3].address]
        for key in [*keys[::3], *(f"{{{tag}}}:none" for tag in (*tags, empty))]:
            try:
                got = read(key, first)
            except RedisError as error:
                troubles.setdefault("error", f"the reader of {key} was told: {error}")
                continue
            if got == "circles":
                what = "a key that nobody has" if key.endswith("none") else f"the reader of {key}"
                troubles.setdefault("circles", f"{what} was sent in circles, from node to node")
            elif got is None and not key.endswith("none"):
                troubles.setdefault("missing", f"a reader found nothing at {key}")

    class Look(Gaps):
        def before_a_trip(self):
            look()

    class Watched:
        """A node whose every command is looked at."""

        def __init__(self, node):
            self._node = node

        def __getattr__(self, name):
            return getattr(self._node, name)

        def client(self, **options):
            client = self._node.client(**options)
            watch(client, Look())
            return client

        def tell(self, *command):
            look()
            return self._node.tell(*command)

        ask = tell

    trial.call({Watched(node): slots for node, slots in shares.items()}, Watched(newcomer))
    look()
    for what, claim in {
        "circles": "no reader is sent in circles",
        "missing": "and none misses a key",
        "error": "nor gets an error",
    }.items():
        trial.expect(what not in troubles, claim, troubles.get(what, ""))
    try:
        lab.wait_healthy()
        trouble = ""
    except LabUnavailable as error:
        trouble = str(error)
    trial.expect(not trouble, "the nodes agree", f"the nodes do not agree: {trouble}")
    table = observe.slots(lab)
    wanted = [slot for slots in shares.values() for slot in slots]
    left = [slot for slot in wanted if table.node[slot] != newcomer.name]
    trial.expect(
        not left,
        "the newcomer owns the slots",
        f"slot {left[0]} still belongs to {table.node[left[0]]}, and {len(left) - 1} more"
        if left
        else "",
    )
    more = (table.node == newcomer.name).sum() - len(wanted) + len(left)
    trial.expect(more == 0, "and no others", f"it got {more} slots that were not to go")
    open_ones = [n.name for n in lab.nodes if "[" in n.ask("CLUSTER", "NODES")]
    trial.expect(
        not open_ones, "none is left open", f"slots are still open at {' and '.join(open_ones)}"
    )
    gone = [key for key in keys if read(key, dial[nodes[0].address]) != "boarding"]
    trial.expect(
        not gone,
        "and all keys are there",
        f"{len(gone)} of {len(keys)} keys are gone, as {gone[:1]}: a source that loses a slot "
        f"deletes what it still holds of it",
    )
