"""One word for the state of a replica, from INFO at both ends."""

NOTEBOOK = "61"
TITLE = "Is this replica well?"
SHAPE = "replicated"
SECONDS = 15.0
HINTS = (
    "`info('replication')` of both. Begin with what is certainly broken: no answer (RedisError), "
    "no replica (`role`).",
    "`master_sync_in_progress` is 1 while the copy is made and sent; while it is loaded, `loading` "
    "in `info('persistence')` is 1 as well. The link counts as down all that time.",
    "A link that is up says nothing about age: `master_repl_offset` of the primary less "
    "`slave_repl_offset` of the replica.",
    "Offsets are comparable in one history only: is `master_replid` the same at both ends?",
)
WHY = (
    "A check that knows four states wakes nobody for a copy under way, and somebody for a replica "
    "that has been an hour behind with its link up."
)


def stub(primary, replica, allowed):
    """healthy, lagging, resyncing or broken; allowed: bytes that a healthy one may be behind."""


def solution(primary, replica, allowed):
    import redis

    try:
        here, there = replica.info(), primary.info("replication")
    except redis.RedisError:
        return "broken"
    if here.get("master_sync_in_progress") or here["loading"]:
        return "resyncing"
    if here["role"] != "slave" or here["master_link_status"] != "up":
        return "broken"
    if here["master_replid"] != there["master_replid"]:
        return "broken"
    behind = there["master_repl_offset"] - here["slave_repl_offset"]
    return "lagging" if behind > allowed else "healthy"


def wrong_link_alone(primary, replica, allowed):
    """link is up, and it is"""
    import redis

    try:
        here = replica.info("replication")
    except redis.RedisError:
        return "broken"
    if here.get("master_sync_in_progress"):
        return "resyncing"
    return "healthy" if here.get("master_link_status") == "up" else "broken"


def wrong_offsets_alone(primary, replica, allowed):
    """nobody has written since"""
    import redis

    try:
        here, there = replica.info("replication"), primary.info("replication")
    except redis.RedisError:
        return "broken"
    if here["role"] != "slave":
        return "broken"
    if here["master_sync_in_progress"]:
        return "resyncing"
    behind = there["master_repl_offset"] - here["slave_repl_offset"]
    return "lagging" if behind > allowed else "healthy"


def wrong_down_is_broken(primary, replica, allowed):
    """a full copy is under way"""
    import redis

    try:
        here, there = replica.info("replication"), primary.info("replication")
    except redis.RedisError:
        return "broken"
    if here.get("master_link_status") != "up":
        return "broken"
    behind = there["master_repl_offset"] - here["slave_repl_offset"]
    return "lagging" if behind > allowed else "healthy"


def wrong_any_history(primary, replica, allowed):
    """another primary's data"""
    import redis

    try:
        here, there = replica.info("replication"), primary.info("replication")
    except redis.RedisError:
        return "broken"
    if here.get("master_sync_in_progress"):
        return "resyncing"
    if here.get("master_link_status") != "up":
        return "broken"
    behind = there["master_repl_offset"] - here["slave_repl_offset"]
    return "lagging" if behind > allowed else "healthy"


def wrong_what_the_primary_says(primary, replica, allowed):
    """no answer within"""
    said = primary.info("replication")
    port = replica.connection_pool.connection_kwargs["port"]
    for name, each in said.items():
        if name.startswith("slave") and isinstance(each, dict) and each["port"] == port:
            if each["state"] != "online":
                return "resyncing"
            return "lagging" if each["lag"] > 5 else "healthy"
    return "broken"


def check(trial):
    import redis_lab.lab
    from redis_lab.course.answers import Refused
    from redis_lab.lab.waiting import wait_until

    lab = trial.lab
    one, two, three = lab.nodes
    r = lab.client()

    def said(node):
        return node.info("replication", patience=2)

    def until(node, name, value):
        wait_until(
            lambda: "" if said(node).get(name) == value else f"{name} is {said(node).get(name)}",
            15,
            node.name,
        )

    def caught_up(node):
        goal = int(said(one)["master_repl_offset"])
        wait_until(
            lambda: "" if int(said(node)["slave_repl_offset"]) >= goal else "behind", 15, node.name
        )

    def judge(node, word, claim, why):
        try:
            told = trial.call(one.client(), node.client(socket_timeout=1.0), 10_000)
        except Refused as refusal:
            if "TimeoutError" not in str(refusal):
                raise
            raise Refused(f"{claim}, and it raised TimeoutError: {why}. Say so: {word}") from None
        trial.require(told == word, f"{claim}: {word}", f"{claim}, and it said {told!r:.40}: {why}")

    with r.pipeline(transaction=False) as pipe:
        for number in range(3000):
            pipe.set(f"flight:{number}", "boarding")
        pipe.execute()
    caught_up(two)
    judge(two, "healthy", "it has all there is", "link up, same replid, same offset")
    three.client().replicaof(*two.internal_address)
    until(three, "master_link_status", "up")
    caught_up(three)
    lab.pause(two)
    judge(two, "broken", "it is frozen and answers nobody", "no answer within the client's timeout")
    r.set("map", "x" * 1000)
    judge(
        three, "healthy", "it lacks 1 kB, and 10 kB are allowed", "that is within what is allowed"
    )
    r.set("map", "x" * 50_000)
    why = (
        "its link is up, and it is 50 kB behind the top: the replica that it copies from is frozen"
    )
    judge(three, "lagging", "it lacks 50 kB, and 10 kB are allowed", why)
    lab.resume(two)
    caught_up(three)

    lab.client().config_set("rdb-key-save-delay", 10_000)
    three.client().replicaof("NO", "ONE")
    judge(three, "broken", "it was made a primary of its own", "it follows nobody any more")
    three.client().replicaof(*one.internal_address)
    until(three, "master_sync_in_progress", "1")
    why = "the link counts as down, and a full copy is under way: nobody has to get up for that"
    judge(three, "resyncing", "its full copy is being made", why)
    lab.client().config_set("rdb-key-save-delay", 0)
    three.client().replicaof("NO", "ONE")
    three.client().replicaof(*one.internal_address)
    until(three, "master_link_status", "up")
    caught_up(three)

    one.client().acl_setuser("peer-redis-3", enabled=False)
    one.client().client_kill_filter(user="peer-redis-3")
    until(three, "master_link_status", "down")
    wait_until(
        lambda: "" if said(three)["master_sync_in_progress"] == "0" else "copying", 15, three.name
    )
    why = "its link is down. The offsets are the same, since nobody has written since"
    judge(three, "broken", "it can't log in to its primary", why)

    with redis_lab.lab.replicated(replicas=1) as other:
        stranger = other.nodes[1]
        other.client().set("map", "x" * (int(said(one)["master_repl_offset"]) + 1000))
        wait_until(
            lambda: (
                ""
                if said(stranger)["slave_repl_offset"] == said(other.nodes[0])["master_repl_offset"]
                else "behind"
            ),
            15,
            "the stranger",
        )
        why = "link up and a high offset, but of another history: it has another primary's data"
        judge(stranger, "broken", "it follows somebody else", why)
