"""Tell from CLUSTER NODES alone what is lost and what will be lost next."""

NOTEBOOK = "65"
TITLE = "What is lost, and what is next"
SHAPE = "cluster"
HINTS = (
    "`node.cluster('NODES')` gives a dict, by address. Print one: which entries do you need?",
    "Begin with who is sound. Flags are one text: split it at the comma. `fail` is in `nofailover` "
    "too, the flag of a replica that may not be promoted and is quite well.",
    "`slots` is a list of `['0', '5460']`, and of `['77']` for a slot by itself. A slot is lost "
    "if nobody sound owns it, and also if nobody at all does.",
    "Lost is `set(range(16384)) - covered`. A sound owner is alone if its `node_id` is the "
    "`master_id` of nobody sound.",
)
WHY = (
    "A cluster that has promoted its last replica looks healthy to every client: cluster_state is "
    "ok. Alarm at the missing replica, not at the missing slots."
)


def stub(node):
    """(slots without a sound owner, ids of sound slot owners without a sound replica), two sets.

    node: a client of any one node. Sound is who is flagged neither fail nor fail? there.
    """


def solution(node):
    sound = [
        member
        for member in node.cluster("NODES").values()
        if not {"fail", "fail?"} & set(member["flags"].split(","))
    ]
    covered, owners = set(), set()
    for member in sound:
        for ends in member["slots"]:
            covered.update(range(int(ends[0]), int(ends[-1]) + 1))
            owners.add(member["node_id"])
    return set(range(16384)) - covered, owners - {member["master_id"] for member in sound}


def wrong_only_fail(node):
    """fail? alone"""
    members = node.cluster("NODES").values()
    sound = [member for member in members if "fail" not in member["flags"].split(",")]
    covered, owners = set(), set()
    for member in sound:
        for ends in member["slots"]:
            covered.update(range(int(ends[0]), int(ends[-1]) + 1))
            owners.add(member["node_id"])
    return set(range(16384)) - covered, owners - {member["master_id"] for member in sound}


def wrong_part_of_a_word(node):
    """nofailover"""
    sound = [member for member in node.cluster("NODES").values() if "fail" not in member["flags"]]
    covered, owners = set(), set()
    for member in sound:
        for ends in member["slots"]:
            covered.update(range(int(ends[0]), int(ends[-1]) + 1))
            owners.add(member["node_id"])
    return set(range(16384)) - covered, owners - {member["master_id"] for member in sound}


def wrong_assigned(node):
    """is dead, and its slots"""
    members = node.cluster("NODES").values()
    covered = set()
    for member in members:
        for ends in member["slots"]:
            covered.update(range(int(ends[0]), int(ends[-1]) + 1))
    sound = [m for m in members if not {"fail", "fail?"} & set(m["flags"].split(","))]
    owners = {member["node_id"] for member in sound if member["slots"]}
    return set(range(16384)) - covered, owners - {member["master_id"] for member in sound}


def wrong_state(node):
    """said nothing of the one slot"""
    if node.cluster("INFO")["cluster_state"] == "ok":
        return set(), set()
    members = node.cluster("NODES").values()
    lost = set()
    for member in members:
        if "fail" in member["flags"].split(","):
            for first, last in member["slots"]:
                lost.update(range(int(first), int(last) + 1))
    return lost, set()


def check(trial):
    from redis.exceptions import RedisError

    from redis_lab.lab import slots
    from redis_lab.lab.waiting import wait_until

    lab = trial.lab
    first, second, asked = lab.primaries
    node = asked.client()
    ids = {each: each.tell("CLUSTER", "MYID") for each in lab.nodes}
    view = slots.cluster_view(asked)
    owned = {
        each: {
            slot for begin, end in view.members[ids[each]].slots for slot in range(begin, end + 1)
        }
        for each in lab.primaries
    }
    copy = {
        each: next(m for m in lab.replicas if m.primary_address == each.internal_address)
        for each in lab.primaries
    }
    names = {word: each.name for each, word in ids.items()}

    def seen(member, *wanted):
        """Wait until the node that is asked shows one of these flags for the member."""

        def missing():
            try:
                lines = [line.split() for line in asked.ask("CLUSTER", "NODES").splitlines()]
            except RedisError as error:
                return str(error)
            flags = next(line[2] for line in lines if line[0] == ids[member])
            return "" if set(wanted) & set(flags.split(",")) else f"{member.name} is {flags}"

        wait_until(missing, 20, f"{member.name} seen as {wanted[0]}")

    def told(claim, lost, alone, why):
        given = trial.call(node)
        trial.require(
            isinstance(given, (tuple, list))
            and len(given) == 2
            and all(isinstance(each, (set, frozenset, list, tuple)) for each in given),
            "it returns two sets",
            f"it returned {given!r:.60}, not a set of slots and a set of ids",
        )
        has_lost, has_alone = set(given[0]), set(given[1])
        trial.require(
            has_lost == lost and has_alone == alone,
            claim,
            f"{why}. It told {len(has_lost):,} slots and "
            f"{', '.join(sorted(names.get(i, str(i)) for i in has_alone)) or 'no primary'}, rather "
            f"than {len(lost):,} and {', '.join(names[i] for i in alone) or 'none'}",
        )

    told("all nodes up: no slot, no primary", set(), set(), "All nodes are up")
    copy[first].tell("CONFIG", "SET", "cluster-replica-no-failover", "yes")
    seen(copy[first], "nofailover")
    told(
        "a replica that may not be promoted is sound",
        set(),
        set(),
        "A replica has the flag nofailover, and is quite well",
    )
    copy[first].tell("CONFIG", "SET", "cluster-replica-no-failover", "no")
    gap = max(owned[asked]) - 1
    asked.tell("CLUSTER", "DELSLOTS", gap)
    told(
        "a slot that nobody owns is lost",
        {gap},
        set(),
        "One slot was taken out (DELSLOTS), the one before the last; it said nothing of the one "
        "slot, or too much",
    )
    asked.tell("CLUSTER", "ADDSLOTS", gap)
    lab.kill(copy[second])
    seen(copy[second], "fail")
    told(
        "a replica is lost: its primary is next",
        set(),
        {ids[second]},
        f"The replica of {second.name} is dead",
    )
    lab.kill(second)
    seen(second, "fail")
    told(
        "its primary is lost as well: so are its slots",
        owned[second],
        set(),
        f"{second.name} is dead, and its slots have nobody else",
    )
    lab.kill(first)
    seen(first, "fail?", "fail")
    told(
        "without a majority there is only fail?, and that counts",
        owned[first] | owned[second],
        set(),
        f"{first.name} is dead as well: no majority is left to say fail, and fail? alone is all "
        "that this node will ever see",
    )
