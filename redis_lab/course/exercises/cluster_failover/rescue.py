"""Bring a cluster back that has lost its majority, and depose nobody."""

NOTEBOOK = "65"
TITLE = "When nobody can be elected"
SHAPE = "cluster"
SECONDS = 20.0
HINTS = (
    "Two of three primaries are gone, so no election can be won. Which form of CLUSTER FAILOVER "
    "asks nobody?",
    "Who is to get it? `node.info('replication')` says who is a replica, and whether it still "
    "hears its primary.",
    "The third primary lives, and so does its replica: leave them alone.",
    "TAKEOVER where `role` is slave and `master_link_status` is down; then ask all the nodes for "
    "`node.cluster('INFO')['cluster_state']` until each says ok, with a deadline.",
)
WHY = (
    "TAKEOVER is the one command that breaks the rule of the majority. It is right when you know "
    "that the old primaries are dead, and it splits the data when they are only out of sight. One "
    "such order is often enough: two of three are a majority again, and elect the rest."
)


def stub(nodes):
    """Promote a replica for each primary that is lost; return when every node says that all is ok.

    nodes: a client for each node that answers.
    """


def solution(nodes):
    import time

    for node in nodes:
        told = node.info("replication")
        if told["role"] == "slave" and told["master_link_status"] == "down":
            node.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if all(node.cluster("INFO")["cluster_state"] == "ok" for node in nodes):
            return
        time.sleep(0.05)
    raise TimeoutError("the cluster is still down")


def wrong_force(nodes):
    """asks for votes"""
    for node in nodes:
        told = node.info("replication")
        if told["role"] == "slave" and told["master_link_status"] == "down":
            node.execute_command("CLUSTER", "FAILOVER", "FORCE")


def wrong_every_replica(nodes):
    """lived, and was deposed"""
    import time

    for node in nodes:
        if node.info("replication")["role"] == "slave":
            node.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if all(node.cluster("INFO")["cluster_state"] == "ok" for node in nodes):
            return
        time.sleep(0.05)


def wrong_does_not_wait(nodes):
    """it was back too early"""
    for node in nodes:
        told = node.info("replication")
        if told["role"] == "slave" and told["master_link_status"] == "down":
            node.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
            return


def wrong_polite(nodes):
    """Master is down"""
    for node in nodes:
        told = node.info("replication")
        if told["role"] == "slave" and told["master_link_status"] == "down":
            node.execute_command("CLUSTER", "FAILOVER")


def wrong_deletes_and_adds(nodes):
    """flights are there"""
    import contextlib
    import time

    import redis

    alive = next(node for node in nodes if node.info("replication")["role"] == "master")
    own = {
        slot
        for member in alive.cluster("NODES").values()
        if "myself" in member["flags"]
        for ends in member["slots"]
        for slot in range(int(ends[0]), int(ends[-1]) + 1)
    }
    for slot in set(range(16384)) - own:
        with contextlib.suppress(redis.RedisError):
            alive.execute_command("CLUSTER", "DELSLOTS", slot)
    alive.execute_command("CLUSTER", "ADDSLOTS", *(set(range(16384)) - own))
    alive.execute_command("CLUSTER", "BUMPEPOCH")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if alive.cluster("INFO")["cluster_state"] == "ok":
            return
        time.sleep(0.05)


def check(trial):
    import contextlib

    from redis.exceptions import RedisError

    from redis_lab.errors import LabUnavailable
    from redis_lab.lab import slots
    from redis_lab.lab.waiting import wait_until

    lab = trial.lab
    client = lab.client()
    flights = [f"flight:UA{number}-20130101-EWR" for number in range(1000, 1060)]
    for flight in flights:
        client.set(flight, "IAH")
    lost, living = lab.primaries[:2], lab.primaries[2]
    for node in lost:
        node.tell("WAIT", 1, 5000)
    for node in lost:
        lab.kill(node)
    here = [node for node in lab.nodes if node.alive]

    def undecided():
        for node in here:
            try:
                if "cluster_state:fail" not in node.ask("CLUSTER", "INFO"):
                    return f"{node.name} does not know yet"
                told = node.info("replication")
                follows = node.primary_address in [each.internal_address for each in lost]
                if follows and told["master_link_status"] != "down":
                    return f"{node.name} has a link to a dead primary"
            except RedisError as error:
                return str(error)
        return ""

    wait_until(undecided, 20, "the cluster down")
    trial.call([node.client(socket_timeout=5.0) for node in here])
    states = ["cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in here]

    def ownerless():
        with contextlib.suppress(RedisError):
            owners = [
                member for member in slots.cluster_view(living).members.values() if not member.gone
            ]
            owned = sum(end - begin + 1 for each in owners for begin, end in each.slots)
            return 16384 - owned
        return 16384

    trial.require(
        living.role == "primary",
        "the primary that lives remains one",
        f"{living.name} lived, and was deposed: nobody had asked for that",
    )
    promoted = [node.name for node in here if node is not living and node.role == "primary"]
    # A second or two: one TAKEOVER makes a majority, which elects the other by itself.
    with contextlib.suppress(LabUnavailable):
        wait_until(lambda: "slots" if promoted and ownerless() else "", 6, "owners")
    still = ownerless()
    trial.require(
        not still,
        "every slot has a primary again",
        f"{still:,} slots have no primary in service: nobody was promoted for them. (FORCE asks "
        "for votes, and one of three is no majority.)",
    )
    with contextlib.suppress(LabUnavailable):
        lab.wait_healthy(timeout=10)
    reader, there = lab.client(), 0
    for flight in flights:
        for _ in range(3):
            try:
                there += reader.get(flight) == "IAH"
                break
            except RedisError:  # its map is from before
                continue
    trial.require(
        there == len(flights),
        "with all their flights",
        f"{there} of {len(flights)} flights are there: the slots went to a node without their keys",
    )
    trial.expect(
        all(states),
        "when it returns, every node says that the cluster is ok",
        f"it was back too early: {states.count(False)} of {len(here)} nodes still said that the "
        "cluster is down",
    )
