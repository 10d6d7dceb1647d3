"""Equal points, the earlier one first: total and time in one double, counted in bits."""

NOTEBOOK = "43"
TITLE = "Who was there first"
HINTS = (
    "Of equals the one whose total is older stands first. What has to happen to the time when "
    "somebody earns again?",
    "Total and time fit into one score: 27 bits and 25 bits are 52, and a double has 53.",
    "`total * 2**25 + (2**25 - 1 - at)`: the later, the smaller. To earn, somebody has to take "
    "the old total out, add, and put the new time in: a script.",
    "In Lua: `local old = redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0`, `math.floor(old / "
    "33554432)`. Hand the number itself to `ZADD`: made into text with `..` it keeps 14 digits.",
)
WHY = (
    "Redis orders equals by name, so the prize goes to whoever registered under the right letter. "
    "Whoever packs the time into the score has to count bits: what doesn't fit is rounded for the "
    "best first, and no error tells."
)


class stub:
    """Points in a season; of equals, whoever reached them earlier stands first."""

    def __init__(self, r):
        """r: the client to use."""

    def earn(self, member, points, at):
        """The member earns these points at this second of the season; its new total."""

    def top(self, n):
        """The best n as (member, total), best first."""


class solution:
    def __init__(self, r):
        self.r = r

    def earn(self, member, points, at):
        source = """
            local old = redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0
            local total = math.floor(old / 33554432) + ARGV[2]
            redis.call('ZADD', KEYS[1], total * 33554432 + 33554431 - ARGV[3], ARGV[1])
            return total
        """
        return self.r.eval(source, 1, "season", member, points, at)

    def top(self, n):
        found = self.r.zrange("season", 0, n - 1, desc=True, withscores=True)
        return [(member, int(score) >> 25) for member, score in found]


class wrong_by_name(solution):
    """reached it earlier"""

    def earn(self, member, points, at):
        return int(self.r.zincrby("season", points, member))

    def top(self, n):
        found = self.r.zrange("season", 0, n - 1, desc=True, withscores=True)
        return [(member, int(score)) for member, score in found]


class wrong_order_of_reports(solution):
    """the order of the reports"""

    def __init__(self, r):
        from redis_lab.patterns import Leaderboard

        self.board = Leaderboard(r, "season")

    def earn(self, member, points, at):
        return int(self.board.increment(member, points))

    def top(self, n):
        return [(entry.member, int(entry.score)) for entry in self.board.top(n)]


class wrong_later_first(solution):
    """reached it earlier"""

    def earn(self, member, points, at):
        source = """
            local old = redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0
            local total = math.floor(old / 33554432) + ARGV[2]
            redis.call('ZADD', KEYS[1], total * 33554432 + ARGV[3], ARGV[1])
            return total
        """
        return self.r.eval(source, 1, "season", member, points, at)


class wrong_first_flight_counts(solution):
    """the time of its first points"""

    def earn(self, member, points, at):
        with self.r.pipeline() as pipe:
            pipe.zadd("season", {member: 2**25 - 1 - at}, nx=True)
            pipe.zincrby("season", points << 25, member)
            return int(pipe.execute()[-1]) >> 25


class wrong_fraction(solution):
    """is rounded"""

    def earn(self, member, points, at):
        source = """
            local old = redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0
            local total = math.floor(old) + ARGV[2]
            redis.call('ZADD', KEYS[1], total + 1 / (1 + ARGV[3]), ARGV[1])
            return total
        """
        return self.r.eval(source, 1, "season", member, points, at + 1)

    def top(self, n):
        found = self.r.zrange("season", 0, n - 1, desc=True, withscores=True)
        return [(member, int(score)) for member, score in found]


class wrong_decimal(solution):
    """is rounded"""

    def earn(self, member, points, at):
        source = """
            local old = redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0
            local total = math.floor(old / 10000000000) + ARGV[2]
            redis.call('ZADD', KEYS[1], total * 10000000000 + 9999999999 - ARGV[3], ARGV[1])
            return total
        """
        return self.r.eval(source, 1, "season", member, points, at)

    def top(self, n):
        found = self.r.zrange("season", 0, n - 1, desc=True, withscores=True)
        return [(member, int(score) // 10**10) for member, score in found]


class wrong_fourteen_digits(solution):
    """is rounded"""

    def earn(self, member, points, at):
        source = """
            local old = redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0
            local total = math.floor(old / 33554432) + ARGV[2]
            local score = tostring(total * 33554432 + 33554431 - ARGV[3])
            redis.call('ZADD', KEYS[1], score, ARGV[1])
            return total
        """
        return self.r.eval(source, 1, "season", member, points, at)


class wrong_reads_first(solution):
    """trips: two who earn at once"""

    def earn(self, member, points, at):
        total = (int(self.r.zscore("season", member) or 0) >> 25) + points
        self.r.zadd("season", {member: (total << 25) + 2**25 - 1 - at})
        return total


class wrong_sorts_what_it_got(solution):
    """cut off by name"""

    def earn(self, member, points, at):
        with self.r.pipeline() as pipe:
            pipe.zincrby("points", points, member).hset("reached", member, at)
            return int(pipe.execute()[0])

    def top(self, n):
        with self.r.pipeline() as pipe:
            pipe.zrange("points", 0, n - 1, desc=True, withscores=True).hgetall("reached")
            found, reached = pipe.execute()
        found.sort(key=lambda pair: (-pair[1], int(reached[pair[0]])))
        return [(member, int(points)) for member, points in found]


class wrong_pulls_everything(solution):
    """the whole board"""

    def earn(self, member, points, at):
        with self.r.pipeline() as pipe:
            pipe.zincrby("points", points, member).hset("reached", member, at)
            return int(pipe.execute()[0])

    def top(self, n):
        with self.r.pipeline() as pipe:
            pipe.zrange("points", 0, -1, desc=True, withscores=True).hgetall("reached")
            found, reached = pipe.execute()
        found.sort(key=lambda pair: (-pair[1], int(reached[pair[0]])))
        return [(member, int(points)) for member, points in found[:n]]


def check(trial):
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    gaps, asking = Gaps(), Gaps()
    writer, reader = trial.call(trial.client(gaps)), trial.call(trial.client(asking))

    def top(n):
        answer = trial.ask(reader.top, n)
        try:
            return [(str(member), float(total)) for member, total in answer]
        except (TypeError, ValueError):
            said = f"top answered {answer!r:.90}, no list of (member, total) pairs"
            raise Refused(said) from None

    def names(n):
        return [member for member, _ in top(n)]

    def sent():
        """Bytes that the server sends for top(3); asking for that is taken off."""
        counts = [trial.r.info("stats")["total_net_output_bytes"] for _ in range(2)]
        top(3)
        counts.append(trial.r.info("stats")["total_net_output_bytes"])
        return counts[2] - counts[1] - (counts[1] - counts[0])

    def begin():
        for key in list(trial.r.scan_iter(count=1000)):
            trial.r.delete(key)

    def earn(*args):
        return trial.ask(writer.earn, *args)

    totals = [earn("ORD", 100, 5), earn("ATL", 60, 6), earn("ATL", 40, 10), earn("ZRH", 100, 15)]
    trial.require(
        bool(trial.keyspace()), "points reach the server", "it left nothing on the server"
    )
    trial.expect(
        totals == [100, 60, 100, 100],
        "earn tells the new total",
        f"after 100, 60, 40 more and 100 points the totals are 100, 60, 100, 100, not {totals}",
    )
    first = top(5)
    trial.require(
        [total for _, total in first] == [100] * 3,
        "top tells members and totals",
        f"three have 100 points each, and top(5) says {first}",
    )
    trial.require(
        names(5) == ["ORD", "ATL", "ZRH"],
        "of equals the earlier one stands first",
        f"100 points had ORD at second 5, ATL at 10, ZRH at 15; it shows {', '.join(names(5))}: "
        "not whoever reached it earlier",
    )
    earn("JFK", 50, 20), earn("BOS", 100, 30), earn("JFK", 50, 40)
    late = names(5)
    trial.expect(
        late.index("BOS") < late.index("JFK") if {"BOS", "JFK"} <= set(late) else False,
        "what counts is when the total was reached",
        "JFK had 50 points at second 20 and 100 at 40, BOS 100 at 30, and BOS is behind: the time "
        "of its first points is not when JFK reached 100",
    )
    earn("MIA", 100, 12)
    told = [member for member in names(9) if member in ("ATL", "MIA", "ZRH")]
    trial.expect(
        told == ["ATL", "MIA", "ZRH"],
        "the second decides, not whose report comes first",
        "MIA reached 100 at second 12 and was reported last; of ATL at 10, MIA at 12 and ZRH at "
        f"15 it shows {', '.join(told)}: the order of the reports, not of the seconds",
    )
    gaps.trips = asking.trips = 0
    earn("SFO", 1, 50), top(3)
    trial.expect(
        gaps.trips == 1,
        "earn is one trip",
        f"it took {gaps.trips} trips: two who earn at once count from the same old total",
    )
    trial.expect(asking.trips == 1, "top is one trip", f"top took {asking.trips} trips")
    begin()
    for at, member in enumerate(("M", "C", "X", "A", "Z", "K", "F")):
        earn(member, 900 if at in (2, 5) else 500, 100 + at)
    trial.expect(
        names(3) == ["X", "K", "M"],
        "where five share the third place, top(3) has the earliest of them",
        f"X and K have 900, then came M, C, A, Z, F to 500; top(3) says {', '.join(names(3))}: it "
        "was cut off by name, before anybody looked at the time",
    )
    begin()
    order, end, high = list("QWERTZUIOP"), 2**25 - 1, 100_000_000
    for back, member in enumerate(order):
        earn(member, high - 7, end - 100 + back)
        earn(member, 7, end - 50 + back)
    last = top(10)
    trial.expect(
        [member for member, _ in last] == order and {total for _, total in last} == {high},
        "in the last minute of the season seconds count, with 100,000,000 points as well",
        f"with 100,000,000 points each, a second apart, {', '.join(order)} are shown as "
        f"{', '.join(name for name, _ in last)}, with {last[0][1]:,.0f} points: what doesn't fit "
        "into a double is rounded",
    )
    begin()
    reached, state = {}, 43
    for at in range(400):
        state = state * 1_103_515_245 + 12_345 & 0x7FFFFFFF
        member, points = f"F{state % 4001 % 40:02}", 1 + state // 7 % 3
        earn(member, points, 1000 + at)
        reached[member] = (reached.get(member, (0, 0))[0] + points, at)
    right = sorted(reached, key=lambda member: (-reached[member][0], reached[member][1]))
    shown = names(len(right))
    trial.expect(
        shown == right,
        "so it is after 400 flights of forty members",
        f"after 400 flights the best are {', '.join(right[:8])}; it shows {', '.join(shown[:8])}",
    )
    for number in range(200):
        earn(f"X{number}", 1, 2000 + number)
    few = sent()
    trial.expect(
        few < 1500,
        "and no more is sent than is shown",
        f"for three members the server sent {few:,} bytes: the whole board",
    )
