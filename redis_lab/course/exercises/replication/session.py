"""Read your own writes, from replicas wherever that is possible."""

NOTEBOOK = "61"
TITLE = "Read your own writes"
SECONDS = 20.0
HINTS = (
    "A replica may be asked if it has come at least as far as your last write. Where is it told "
    "how far it has come, and how far your write went?",
    "After a write: `primary.info('replication')['master_repl_offset']`. Keep it. On a replica: "
    "`slave_repl_offset`, the bytes that it has applied.",
    "Ask a replica for its offset first and for the value second, in one pipeline: then the value "
    "is at least as new as the offset.",
    "No replica has come so far: the primary has it.",
)
WHY = (
    "A read is fresh enough or not by its offset alone; asking for it costs nothing in a pipeline. "
    "Sleeping, WAIT and a link that is up all guess, and guess wrong for the one that lags."
)


class stub:
    """A client's session: sees its own writes, or newer ones; reads replicas where it can."""

    def __init__(self, primary, replicas):
        """primary: a client of it; replicas: a list of clients, one for each."""

    def write(self, key, value):
        """SET key on the primary."""

    def read(self, key):
        """The value of key: never older than this session's last write."""


class solution:
    def __init__(self, primary, replicas):
        self.primary, self.replicas, self.mark = primary, replicas, 0

    def write(self, key, value):
        self.primary.set(key, value)
        self.mark = self.primary.info("replication")["master_repl_offset"]

    def read(self, key):
        for replica in self.replicas:
            said, value = replica.pipeline(False).info("replication").get(key).execute()
            if said["slave_repl_offset"] >= self.mark:
                return value
        return self.primary.get(key)


class wrong_wait_one:
    """another one had it"""

    def __init__(self, primary, replicas):
        self.primary, self.replicas, self.turn = primary, replicas, 0

    def write(self, key, value):
        with self.primary.pipeline(transaction=False) as pipe:
            pipe.set(key, value).wait(1, 500)
            pipe.execute()

    def read(self, key):
        self.turn += 1
        return self.replicas[self.turn % len(self.replicas)].get(key)


class wrong_sleeps:
    """time does not help"""

    def __init__(self, primary, replicas):
        self.primary, self.replicas, self.turn = primary, replicas, 0

    def write(self, key, value):
        import time

        self.primary.set(key, value)
        time.sleep(0.1)

    def read(self, key):
        self.turn += 1
        return self.replicas[self.turn % len(self.replicas)].get(key)


class wrong_trusts_the_link:
    """link is up"""

    def __init__(self, primary, replicas):
        self.primary, self.replicas = primary, replicas

    def write(self, key, value):
        self.primary.set(key, value)

    def read(self, key):
        for replica in self.replicas:
            if replica.info("replication")["master_link_status"] == "up":
                return replica.get(key)
        return self.primary.get(key)


class wrong_primary_alone:
    """the primary served"""

    def __init__(self, primary, replicas):
        self.primary = primary

    def write(self, key, value):
        self.primary.set(key, value)

    def read(self, key):
        return self.primary.get(key)


class wrong_remembers:
    """from its own memory"""

    def __init__(self, primary, replicas):
        self.primary, self.replicas, self.mine = primary, replicas, {}

    def write(self, key, value):
        self.primary.set(key, value)
        self.mine[key] = value

    def read(self, key):
        return self.mine[key] if key in self.mine else self.replicas[0].get(key)


class wrong_waits_for_all:
    """the primary served"""

    def __init__(self, primary, replicas):
        self.primary, self.replicas, self.safe = primary, replicas, True

    def write(self, key, value):
        with self.primary.pipeline(transaction=False) as pipe:
            pipe.set(key, value).wait(len(self.replicas) + 1, 50)
            self.safe = pipe.execute()[1] > len(self.replicas)

    def read(self, key):
        return (self.replicas[0] if self.safe else self.primary).get(key)


def check(trial):
    import redis_lab.lab

    with redis_lab.lab.replicated(replicas=3) as lab:
        _judge(trial, lab)


def _judge(trial, lab):
    from redis_lab.lab.waiting import wait_until

    one, middle, good, lagging = lab.nodes

    def lookups(node):
        said = node.info("stats", patience=2)
        return int(said["keyspace_hits"]) + int(said["keyspace_misses"])

    def applied(node):
        return int(node.info("replication", patience=2)["slave_repl_offset"])

    def follow(node, leader):
        node.client().replicaof(*leader.internal_address)
        wait_until(lambda: "" if "up" in _link(node) else "down", 15, "the chain")

    def _link(node):
        return node.info("replication", patience=2)["master_link_status"]

    def caught_up(*nodes):
        """Until these have all that the primary has now."""
        goal = int(one.info("replication", patience=2)["master_repl_offset"])
        wait_until(
            lambda: "" if all(applied(node) >= goal for node in nodes) else "behind", 15, "replicas"
        )

    def session(*nodes):
        primary, *replicas = [node.client() for node in (one, *nodes)]
        return trial.call(primary, replicas)

    def share(reads, before):
        """Reads that the primary served, and those that the replicas did."""
        served = {node: lookups(node) - before[node] for node in before}
        primary = served.pop(one)
        others = sum(served.values())
        how = f"of {reads} reads the primary served {primary} and the replicas {others}"
        if primary + others < reads / 2:
            how += ": the rest came from its own memory, which nobody else's write reaches"
        return primary <= reads / 2 < others, how

    follow(lagging, middle)
    caught_up(good, lagging)
    lab.pause(middle)
    stale, last = 0, ""
    for order in ((good, lagging), (lagging, good)):
        board = session(*order)
        before = {node: lookups(node) for node in (one, good, lagging)}
        for number in range(50):
            gate = f"{order[0].name}-{number}"
            trial.ask(board.write, "gate:UA1545", gate)
            for late in range(4):
                if late == 1:
                    caught_up(good)
                found = trial.ask(board.read, "gate:UA1545")
                if found != gate:
                    stale, last = stale + 1, f"{found!r:.40} after writing {gate!r}"
        trial.require(
            not stale,
            "one of two replicas lags, its link up: no stale read in 400",
            f"of 200 reads {stale} were older than its own write ({last}): one replica lags. Its "
            "link is up, time does not help it, and what was confirmed, another one had it",
        )
        fair, how = share(200, before)
        trial.require(
            fair, "the other one serves more than half of the reads", f"{how}; one has come so far"
        )
    one.client().set("gate:UA1545", "from somebody else")
    caught_up(good)
    found = trial.ask(board.read, "gate:UA1545")
    trial.expect(
        found == "from somebody else",
        "what others write later is seen",
        f"somebody else wrote the same key later, and it read {found!r:.40}: from its own memory?",
    )
    lab.resume(middle)
    follow(good, middle)
    caught_up(good, lagging)
    lab.pause(middle)
    board, stale = session(lagging, good), 0
    for number in range(30):
        trial.ask(board.write, "gate:AA1141", f"D{number}")
        stale += trial.ask(board.read, "gate:AA1141") != f"D{number}"
    trial.require(
        not stale,
        "all replicas lag: no stale read either",
        f"all replicas lag, their links up, and of 30 reads {stale} were stale",
    )
    lab.resume(middle)
    caught_up(good, lagging)
    before = {node: lookups(node) for node in (one, good, lagging)}
    right = sum(trial.ask(board.read, "gate:AA1141") == "D29" for _ in range(60))
    fair, how = share(60, before)
    trial.expect(
        right == 60 and fair,
        "they have caught up: they serve again",
        f"the replicas have caught up: {right} of 60 reads were right, and {how}",
    )
