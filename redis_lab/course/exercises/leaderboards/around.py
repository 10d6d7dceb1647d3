"""A member among its neighbours, with shared places: rank, range and count in one script."""

NOTEBOOK = "43"
TITLE = "Me and my rivals"
HINTS = (
    "Where is the member? Who stands around it? How many are above them? Each answer is needed "
    "for the next question, and all belong to one moment.",
    "A script: `ZREVRANK`, then `ZREVRANGE … WITHSCORES` from there. Mind the leader: what does a "
    "start below zero mean?",
    "The place of the first one shown is 1 plus `ZCOUNT` above its score; its equals may stand "
    "above the window. From there on you can count by yourself: equal score, same place; lower "
    "score, the place is the position.",
    "Let the script answer `{first, above, flat}`: the position of the first one shown, how many "
    "have more than it, and the reply of `ZREVRANGE`. A bound that leaves out: `'(' .. score`.",
)
WHY = (
    "What people look for on a board is themselves. It is the most frequent call of all, so it is "
    "one trip; and a rank that is a trip old shows them to somebody else."
)


def stub(r, key, member, n):
    """The member with up to n neighbours on each side: (place, member, score), highest first."""


def solution(r, key, member, n):
    source = """
        local rank = redis.call('ZREVRANK', KEYS[1], ARGV[1])
        if not rank then return false end
        local first = math.max(0, rank - ARGV[2])
        local shown = redis.call('ZREVRANGE', KEYS[1], first, rank + ARGV[2], 'WITHSCORES')
        return {first + 1, redis.call('ZCOUNT', KEYS[1], '(' .. shown[2], '+inf') + 1, shown}
    """
    position, place, flat = r.eval(source, 1, key, member, n) or (0, 0, [])
    shown, above = [], flat[1:2]
    for at, (name, score) in enumerate(zip(flat[::2], flat[1::2], strict=True), position):
        place = place if score in above else at
        above = [score]
        shown.append((place, name, float(score)))
    return shown


def wrong_two_trips(r, key, member, n):
    """trips: what is between two of them"""
    rank = r.zrevrank(key, member)
    if rank is None:
        return []
    first = max(0, rank - n)
    pairs = r.zrange(key, first, rank + n, desc=True, withscores=True)
    place = 1 + r.zcount(key, f"({pairs[0][1]}", "+inf")
    shown, above = [], pairs[0][1]
    for at, (name, score) in enumerate(pairs, first + 1):
        place = place if score == above else at
        above = score
        shown.append((place, name, score))
    return shown


def wrong_below_zero(r, key, member, n):
    """counted from the other end"""
    source = """
        local rank = redis.call('ZREVRANK', KEYS[1], ARGV[1])
        if not rank then return {} end
        local first = rank - ARGV[2]
        local shown = redis.call('ZREVRANGE', KEYS[1], first, rank + ARGV[2], 'WITHSCORES')
        local told = {}
        for at = 1, #shown, 2 do
          local above = redis.call('ZCOUNT', KEYS[1], '(' .. shown[at + 1], '+inf')
          told[#told + 1] = {above + 1, shown[at], shown[at + 1]}
        end
        return told
    """
    return [(place, name, float(score)) for place, name, score in r.eval(source, 1, key, member, n)]


def wrong_positions(r, key, member, n):
    """equals share a place"""
    source = """
        local rank = redis.call('ZREVRANK', KEYS[1], ARGV[1])
        if not rank then return false end
        local first = math.max(0, rank - ARGV[2])
        local shown = redis.call('ZREVRANGE', KEYS[1], first, rank + ARGV[2], 'WITHSCORES')
        return {first + 1, shown}
    """
    first, flat = r.eval(source, 1, key, member, n) or (0, [])
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return [(at, name, float(score)) for at, (name, score) in enumerate(pairs, first)]


def wrong_only_what_is_seen(r, key, member, n):
    """above what is shown"""
    source = """
        local rank = redis.call('ZREVRANK', KEYS[1], ARGV[1])
        if not rank then return false end
        local first = math.max(0, rank - ARGV[2])
        local shown = redis.call('ZREVRANGE', KEYS[1], first, rank + ARGV[2], 'WITHSCORES')
        return {first + 1, shown}
    """
    place, flat = r.eval(source, 1, key, member, n) or (0, [])
    shown, above, first = [], flat[1:2], place
    for at, (name, score) in enumerate(zip(flat[::2], flat[1::2], strict=True), first):
        place = place if [score] == above else at
        above = [score]
        shown.append((place, name, float(score)))
    return shown


def wrong_dense(r, key, member, n):
    """after two on place 2 comes place 4"""
    source = """
        local rank = redis.call('ZREVRANK', KEYS[1], ARGV[1])
        if not rank then return false end
        local first = math.max(0, rank - ARGV[2])
        local shown = redis.call('ZREVRANGE', KEYS[1], first, rank + ARGV[2], 'WITHSCORES')
        return {redis.call('ZCOUNT', KEYS[1], '(' .. shown[2], '+inf') + 1, shown}
    """
    place, flat = r.eval(source, 1, key, member, n) or (0, [])
    shown, above = [], flat[1] if flat else None
    for name, score in zip(flat[::2], flat[1::2], strict=True):
        place += score != above
        above = score
        shown.append((place, name, float(score)))
    return shown


def wrong_pulls_everything(r, key, member, n):
    """the whole board"""
    pairs = r.zrange(key, 0, -1, desc=True, withscores=True)
    names = [name for name, _ in pairs]
    if member not in names:
        return []
    at = names.index(member)
    return [
        (1 + sum(other > score for _, other in pairs), name, score)
        for name, score in pairs[max(0, at - n) : at + n + 1]
    ]


def wrong_stranger(r, key, member, n):
    """an unknown member"""
    source = """
        local rank = redis.call('ZREVRANK', KEYS[1], ARGV[1]) or 0
        local first = math.max(0, rank - ARGV[2])
        local shown = redis.call('ZREVRANGE', KEYS[1], first, rank + ARGV[2], 'WITHSCORES')
        local told = {}
        for at = 1, #shown, 2 do
          local above = redis.call('ZCOUNT', KEYS[1], '(' .. shown[at + 1], '+inf')
          told[#told + 1] = {above + 1, shown[at], shown[at + 1]}
        end
        return told
    """
    return [(place, name, float(score)) for place, name, score in r.eval(source, 1, key, member, n)]


def check(trial):
    import redis_lab.data
    from redis_lab.course.answers import Refused

    def shown(key, member, n):
        answer = trial.run(key, member, n)
        try:
            return [(int(place), str(name), float(score)) for place, name, score in answer]
        except (TypeError, ValueError):
            said = f"for {member} it answered {answer!r:.90}, no list of (place, member, score)"
            raise Refused(said) from None

    def right(key, member, n):
        board = trial.r.zrange(key, 0, -1, desc=True, withscores=True)
        at = [name for name, _ in board].index(member)
        return [
            (1 + sum(other > score for _, other in board), name, score)
            for name, score in board[max(0, at - n) : at + n + 1]
        ]

    def sent(key):
        """Bytes that the server sends for one look; asking for that is taken off."""
        counts = [trial.r.info("stats")["total_net_output_bytes"] for _ in range(2)]
        trial.run(key, "JAX", 2)
        counts.append(trial.r.info("stats")["total_net_output_bytes"])
        return counts[2] - counts[1] - (counts[1] - counts[0])

    small = {"F01": 900, "F02": 700, "F03": 700, "F04": 500, "F05": 400, "F06": 400, "F07": 300}
    trial.r.zadd("small", small)
    middle = shown("small", "F04", 1)
    trial.require(
        [name for _, name, _ in middle] == ["F02", "F04", "F06"],
        "a member stands between its neighbours, the higher one first",
        f"around F04, with 500, are F02 with 700 and F06 with 400; it answered {middle}",
    )
    trial.expect(
        [score for *_, score in middle] == [700, 500, 400],
        "with their scores",
        f"they have 700, 500 and 400; it answered {middle}",
    )
    leader = shown("small", "F01", 2)
    trial.expect(
        [name for _, name, _ in leader] == ["F01", "F03", "F02"],
        "the leader sees who follows",
        f"the first of the board sees {leader}: a rank below zero is counted from the other end",
    )
    second = shown("small", "F03", 5)
    trial.expect(
        len(second) == 7,
        "the second sees the leader, too",
        f"with 5 neighbours on each side the second of seven sees {len(second)}: a rank below "
        "zero is counted from the other end",
    )
    last = shown("small", "F07", 2)
    trial.expect(
        [name for _, name, _ in last] == ["F06", "F05", "F07"],
        "the last sees who is in front",
        f"F06, F05, F07 are the last of the board; it answered {last}",
    )
    places = [place for place, *_ in shown("small", "F04", 9)]
    trial.expect(
        places[1:3] != [2, 3] and places[4:6] != [5, 6],
        "equals share a place",
        f"the places are {places}: equals share a place here, whatever their names",
    )
    trial.expect(
        places[1:3] == [2, 3] or places[3:4] == [4],
        "and the next one is counted from all above",
        f"the places are {places}: after two on place 2 comes place 4",
    )
    below = [place for place, *_ in shown("small", "F02", 0)]
    trial.expect(
        below == [2],
        "a place counts all who have more, seen or not",
        f"F02 alone is shown on place {below}, and only one has more: its equal stands above what "
        "is shown",
    )
    year = redis_lab.data.flights(month=1)
    flown = year.dest.value_counts().to_dict()
    trial.r.zadd("dests", flown)
    trial.r.zadd("flat", dict.fromkeys(list(flown)[:60], 7) | {"JAX": 7.5, "BOS": 0.25, "ORD": -3})
    wrong = [
        f"around {member}, {n}: {got}, not {right(key, member, n)}"
        for key in ("dests", "flat")
        for member in ("ATL", "JAX", "BOS", "ORD", "MIA")
        for n in (0, 1, 3)
        if (got := shown(key, member, n)) != right(key, member, n)
    ]
    trial.expect(
        not wrong,
        "so it is for the destinations of January, and where sixty are equal",
        f"{len(wrong)} of 30 are not as counted; {wrong[0] if wrong else ''}",
    )
    try:
        stranger = [shown("small", "F99", 1), shown("nowhere", "F01", 1)]
        said = f"it sees {stranger}"
    except Refused as refusal:
        stranger, said = None, str(refusal)
    trial.expect(
        stranger == [[], []],
        "a stranger sees an empty list",
        f"an unknown member, or a board that isn't there: {said}",
    )
    trips = trial.trips_of("small", "F04", 1)
    trial.expect(
        trips == 1,
        "it is one trip",
        f"it took {trips} trips: what is between two of them moves ranks",
    )
    some = sent("dests")
    trial.r.zadd("dests", {f"X{number:05}": number for number in range(5000)})
    trial.expect(
        sent("dests") < 2 * some + 2000,
        "with 5,000 more on the board nothing more is sent",
        "the server sent the whole board: it grows, and what is shown does not",
    )
