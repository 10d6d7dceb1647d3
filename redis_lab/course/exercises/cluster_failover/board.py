"""Write what can be written, while a primary is lost, and then its replica as well."""

NOTEBOOK = "65"
TITLE = "The loss of a primary, and then of its replica"
SHAPE = "cluster"
SECONDS = 25.0
HINTS = (
    "Three things can go wrong with a flight: nobody answers at its address, the whole cluster "
    "refuses, the client knows of no node for its slot. Which classes are these?",
    "A flight that fails must not hold up those behind it. Go through all of them, keep those that "
    "failed, go through these again.",
    "`patience` is for all flights together: one deadline, looked at before each write. A client "
    "that is refused with CLUSTERDOWN sleeps a quarter of a second by itself.",
    "`except (RedisError, RedisClusterException)`: the second is no kind of the first. Return what "
    "is left when the time is over, and rest a little between two rounds.",
)
WHY = (
    "Of a cluster a third can be missing for a moment, or for good. A job that goes round what "
    "fails serves two thirds meanwhile, and says at the end what it could not do."
)


def stub(r, gates, patience):
    """HSET flight:{id} gate … for each id and gate of a dict, whatever fails on the way.

    Returns the ids that nobody took in patience seconds, which count for all of them together.
    """


def solution(r, gates, patience):
    import time

    from redis.exceptions import RedisClusterException, RedisError

    deadline, left = time.monotonic() + patience, dict(gates)
    while left:
        for flight, gate in list(left.items()):
            if time.monotonic() > deadline:
                return list(left)
            try:
                r.hset(f"flight:{flight}", "gate", gate)
                del left[flight]
            except (RedisError, RedisClusterException):
                time.sleep(0.01)
    return []


def wrong_one_try(r, gates, patience):
    """it gave up"""
    from redis.exceptions import RedisClusterException, RedisError

    left = []
    for flight, gate in gates.items():
        try:
            r.hset(f"flight:{flight}", "gate", gate)
        except (RedisError, RedisClusterException):
            left.append(flight)
    return left


def wrong_sentinels_errors(r, gates, patience):
    """ClusterDownError"""
    import time

    import redis

    deadline, left = time.monotonic() + patience, dict(gates)
    while left and time.monotonic() < deadline:
        for flight, gate in list(left.items()):
            if time.monotonic() > deadline:
                break
            try:
                r.hset(f"flight:{flight}", "gate", gate)
                del left[flight]
            except (redis.ConnectionError, redis.TimeoutError):
                time.sleep(0.01)
    return list(left)


def wrong_one_after_the_other(r, gates, patience):
    """held up"""
    import time

    from redis.exceptions import RedisClusterException, RedisError

    deadline, left = time.monotonic() + patience, list(gates)
    while left and time.monotonic() < deadline:
        try:
            r.hset(f"flight:{left[0]}", "gate", gates[left[0]])
            del left[0]
        except (RedisError, RedisClusterException):
            time.sleep(0.05)
    return left


def wrong_hurries_at_the_end(r, gates, patience):
    """held up"""
    import time

    from redis.exceptions import RedisClusterException, RedisError

    deadline, left = time.monotonic() + patience, []
    for flight, gate in gates.items():
        while True:
            try:
                r.hset(f"flight:{flight}", "gate", gate)
                break
            except (RedisError, RedisClusterException):
                if time.monotonic() > deadline:
                    left.append(flight)
                    break
                time.sleep(0.02)
    return left


def wrong_patience_for_each(r, gates, patience):
    """did not come back"""
    import time

    from redis.exceptions import RedisClusterException, RedisError

    left = []
    for flight, gate in gates.items():
        deadline = time.monotonic() + patience
        while True:
            try:
                r.hset(f"flight:{flight}", "gate", gate)
                break
            except (RedisError, RedisClusterException):
                if time.monotonic() > deadline:
                    left.append(flight)
                    break
                time.sleep(0.05)
    return left


def wrong_says_nothing(r, gates, patience):
    """and it returned"""
    import time

    from redis.exceptions import RedisClusterException, RedisError

    deadline, left = time.monotonic() + patience, dict(gates)
    while left and time.monotonic() < deadline:
        for flight, gate in list(left.items()):
            if time.monotonic() > deadline:
                break
            try:
                r.hset(f"flight:{flight}", "gate", gate)
                del left[flight]
            except (RedisError, RedisClusterException):
                time.sleep(0.01)
    return []


def check(trial):
    import threading

    from redis.crc import key_slot
    from redis.exceptions import RedisError

    from redis_lab.lab.waiting import wait_until

    lab = trial.lab
    client = trial.client()
    owners = lab.primaries
    shards = {node: [] for node in owners}
    number = 0
    while min(map(len, shards.values())) < 12:
        flight = f"UA{1000 + number}-20130101-EWR"
        shard = shards[owners[key_slot(f"flight:{flight}".encode()) * 3 // 16384]]
        if len(shard) < 12:
            shard.append(flight)
        number += 1
    victim, *others = owners
    # In turn, so that each shard has flights behind those of any other.
    flights = [flight for trio in zip(*shards.values(), strict=True) for flight in trio]
    reached = [flight for node in others for flight in shards[node]]

    def board(gate, patience):
        given = trial.call(client, dict.fromkeys(flights, gate), patience)
        trial.require(
            isinstance(given, (list, tuple, set)),
            "it returns ids",
            f"it returned {given!r:.60}, not the ids that nobody took",
        )
        return set(given)

    def there(gate, names):
        """Those of these flights that have this gate; asked of their primaries, in no client."""
        pipes = {node: node.client().pipeline(transaction=False) for node in lab.primaries}
        pipes = {node: pipe for node, pipe in pipes.items() if node.alive}
        found = set()
        for pipe in pipes.values():
            for flight in names:
                pipe.hget(f"flight:{flight}", "gate")
            told = pipe.execute(raise_on_error=False)
            found |= {flight for flight, said in zip(names, told, strict=True) if said == gate}
        return found

    left = board("A1", 15.0)
    trial.require(
        not left and there("A1", flights) == set(flights),
        "with all nodes up, each flight gets its gate",
        f"all nodes are up, {len(there('A1', flights))} of {len(flights)} flights have their gate, "
        f"and it returned {len(left)} ids",
    )
    lab.kill(victim)
    left = board("B2", 15.0)
    lab.wait_healthy(timeout=20)
    has = there("B2", flights)
    trial.require(
        not left and has == set(flights),
        "a primary is lost: when its replica has taken over, each flight has its gate",
        f"a primary was lost for some seconds; of 15 s it gave up with {len(left)} of "
        f"{len(flights)} ids left, and {len(has)} flights have their gate",
    )
    heir = lab.primary
    lab.kill(heir)

    def down(state):
        for node in others:
            try:
                if f"cluster_state:{state}" not in node.ask("CLUSTER", "INFO"):
                    return f"{node.name} does not say {state}"
            except RedisError as error:
                return str(error)
        return ""

    wait_until(lambda: down("fail"), 15, "the cluster down")
    left = board("C3", 1.0)
    trial.require(
        left == set(flights),
        "the cluster refuses everything (CLUSTERDOWN): after its patience it returns all ids",
        f"the cluster refused everything, and it returned {len(left)} of {len(flights)} ids",
    )
    for node in others:
        node.tell("CONFIG", "SET", "cluster-require-full-coverage", "no")
    wait_until(lambda: down("ok"), 15, "two thirds in service")
    # Looked at before the patience ends: what is written after it has waited for the others.
    seen = []
    look = threading.Timer(3.5, lambda: seen.append(there("D4", reached)))
    look.start()
    try:
        left = board("D4", 4.0)
    finally:
        look.join()
    has = seen[0]
    trial.expect(
        has == set(reached),
        "the replica is lost as well: two thirds of the flights get their gate",
        f"two primaries serve, and after 3.5 s of 4 s {len(has)} of their {len(reached)} flights "
        "have their gate: the others were held up by flights that nobody takes",
    )
    trial.expect(
        left == set(shards[victim]),
        "and it returns the ids of the rest",
        f"{len(shards[victim])} flights could not be written, and it returned {len(left)} ids",
    )
