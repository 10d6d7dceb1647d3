"""Follow MOVED and ASK by hand, and keep the map right."""

NOTEBOOK = "64"
TITLE = "Follow, and remember the right thing"
SHAPE = "cluster"
OPTIONS = {"replicas": 0}
HINTS = (
    "Two replies lead elsewhere. Which of them says something about the whole slot?",
    "MOVED: correct the map, try there. ASK: try there this once, and leave the map as it is.",
    "redis-py raises MovedError and AskError, with node_addr. MovedError is an AskError too, so "
    "it has to be caught first.",
    "ASKING and the GET must reach the same connection, one after the other: a pipeline without a "
    "transaction.",
)
WHY = (
    "MOVED is about the slot and for good, ASK about one key and for now. Clients that mixed the "
    "two up have read nil for keys that were there, or gone in circles for a whole reshard."
)


def stub(clients, owners, slot, key):
    """The value of key, which lies in slot; None if there is no such key.

    clients: a redis.Redis for each (host, port); owners: the (host, port) of each slot's owner, as
    far as is known.
    """


def solution(clients, owners, slot, key):
    from redis.exceptions import AskError, MovedError

    for _ in range(16):
        try:
            return clients[owners[slot]].get(key)
        except MovedError as moved:
            owners[slot] = moved.node_addr
        except AskError as ask:
            pipe = clients[ask.node_addr].pipeline(transaction=False)
            pipe.execute_command("ASKING")
            return pipe.get(key).execute()[1]


def wrong_remembers_ask(clients, owners, slot, key):
    """an ASK must not change it"""
    from redis.exceptions import AskError

    asking = False
    for _ in range(16):
        try:
            pipe = clients[owners[slot]].pipeline(transaction=False)
            if asking:
                pipe.execute_command("ASKING")
            return pipe.get(key).execute()[-1]
        except AskError as error:
            asking = type(error) is AskError
            owners[slot] = error.node_addr


def wrong_without_asking(clients, owners, slot, key):
    """key that had moved"""
    from redis.exceptions import AskError

    at = owners[slot]
    for _ in range(16):
        try:
            return clients[at].get(key)
        except AskError as error:
            at = error.node_addr


def wrong_forgets_moved(clients, owners, slot, key):
    """the map still names the old owner"""
    from redis.exceptions import AskError, MovedError

    at, asking = owners[slot], False
    for _ in range(16):
        try:
            pipe = clients[at].pipeline(transaction=False)
            if asking:
                pipe.execute_command("ASKING")
            return pipe.get(key).execute()[-1]
        except AskError as error:
            at, asking = error.node_addr, not isinstance(error, MovedError)


def wrong_asks_everybody(clients, owners, slot, key):
    """the next read took"""
    from redis.exceptions import AskError

    for address, client in clients.items():
        pipe = client.pipeline(transaction=False)
        pipe.execute_command("ASKING")
        try:
            if (value := pipe.get(key).execute()[1]) is not None:
                owners[slot] = address
                return value
        except AskError:
            continue


def wrong_two_connections(clients, owners, slot, key):
    """MovedError"""
    from redis.exceptions import AskError, MovedError

    try:
        return clients[owners[slot]].get(key)
    except MovedError as moved:
        owners[slot] = moved.node_addr
        return wrong_two_connections(clients, owners, slot, key)
    except AskError as ask:
        clients[ask.node_addr].execute_command("ASKING")
        return clients[ask.node_addr].get(key)


def check(trial):
    from queue import Queue

    from redis import BlockingConnectionPool

    from redis_lab.course.gaps import Gaps, watch
    from redis_lab.data import flights

    lab = trial.lab
    one, two, three = lab.primaries
    ids = {node: node.tell("CLUSTER", "MYID") for node in lab.primaries}
    address = {node: node.address for node in lab.primaries}
    tags = [tag for tag in flights(limit=90).id if trial.r.get_node_from_key(tag).port == one.port]
    calm, half, gone = tags[:3]
    slots = {tag: trial.r.keyslot(tag) for tag in (calm, half, gone)}
    for tag in slots:
        for n in range(4):
            trial.r.set(f"{{{tag}}}:{n}", f"{tag}:{n}")

    def send(tag, target, keys):
        target.tell("CLUSTER", "SETSLOT", slots[tag], "IMPORTING", ids[one])
        one.tell("CLUSTER", "SETSLOT", slots[tag], "MIGRATING", ids[target])
        to = (*target.internal_address, "", 0, 5000, "AUTH2", *target.login.options().values())
        one.tell("MIGRATE", *to, "KEYS", *keys)

    send(half, two, [f"{{{half}}}:0", f"{{{half}}}:1"])
    send(gone, three, [f"{{{gone}}}:{n}" for n in range(4)])
    for node in (three, one, two):
        node.tell("CLUSTER", "SETSLOT", slots[gone], "NODE", ids[three])
    gaps = Gaps()
    clients = {address[node]: node.client() for node in lab.primaries}
    for client in clients.values():
        # As in a busy program: who gives a connection back gets another one next time.
        client.connection_pool = BlockingConnectionPool(
            max_connections=3,
            queue_class=Queue,
            connection_class=client.connection_pool.connection_class,
            **client.connection_pool.connection_kwargs,
        )
        watch(client, gaps)
        client.ping()

    def read(tag, number, owners):
        """The value, and the trips that it took."""
        before = gaps.trips
        value = trial.call(clients, owners, slots[tag], f"{{{tag}}}:{number}")
        return value, gaps.trips - before

    owners = dict.fromkeys(slots.values(), address[one])
    value, trips = read(calm, 0, owners)
    trial.require(value == f"{calm}:0", "it reads a key", f"for {calm}:0 it gave {value!r}")
    trial.expect(trips == 1, "in one trip", f"{trips} trips for a key at its owner")
    value, trips = read(half, 3, owners)
    trial.expect(
        value == f"{half}:3",
        "a key that has not moved yet is read at the owner",
        f"the slot is open, the key still at its owner, and it gave {value!r}",
    )
    value, trips = read(half, 0, owners)
    trial.expect(
        value == f"{half}:0",
        "one that has moved, at the target",
        f"for a key that had moved it gave {value!r}: the target serves it after ASKING, on the "
        "same connection",
    )
    trial.expect(trips <= 3, "in three trips at most", f"and took {trips} trips for it")
    trial.expect(
        owners[slots[half]] == address[one],
        "an ASK leaves the map as it is",
        "the map now names the target of an open slot: an ASK must not change it, since other "
        "keys have not moved",
    )
    value, _ = read(half, 3, owners)
    trial.expect(
        value == f"{half}:3",
        "and the next key is found again",
        f"after an ASK, for a key that is still at the owner, it gave {value!r}",
    )
    value, _ = read(half, "none", owners)
    trial.expect(value is None, "a key that is nowhere is None", f"for no key it gave {value!r}")
    value, _ = read(gone, 0, owners)
    trial.expect(
        value == f"{gone}:0",
        "a slot that has moved is followed",
        f"for a key of a slot that has a new owner it gave {value!r}",
    )
    trial.expect(
        owners[slots[gone]] == address[three],
        "and remembered",
        f"after a MOVED the map still names the old owner, {owners[slots[gone]]}",
    )
    value, trips = read(gone, 1, owners)
    trial.expect(trips == 1, "so that the next read is direct", f"the next read took {trips} trips")
    owners[slots[half]] = address[three]
    value, _ = read(half, 1, owners)
    trial.expect(
        value == f"{half}:1" and owners[slots[half]] == address[one],
        "a MOVED that leads to an ASK is both",
        f"from a wrong node, by MOVED and then ASK, it gave {value!r}, and the map names "
        f"{owners[slots[half]]}",
    )
