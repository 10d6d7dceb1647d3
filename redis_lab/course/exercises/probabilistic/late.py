"""Percentiles of any group of airlines: a t-digest each, merged for the question."""

NOTEBOOK = "11"
TITLE = "How late is late"
MODULES = ("bloom",)
HINTS = (
    "The percentile of a group is not to be had from the percentiles of its members.",
    "A t-digest for each airline; `TDIGEST.MERGE` joins as many as you like into another key.",
    "What stands in the target is merged too, unless OVERRIDE is said; and the target has to go.",
    "MERGE … OVERRIDE, QUANTILE and DEL in one `r.pipeline()`; `TDIGEST.CREATE` refuses where "
    "there is a digest: `execute(raise_on_error=False)`, or look at `EXISTS` first.",
)
WHY = (
    "Ten KB for each airline, each hour, each server, and still every group has its true "
    "percentiles afterwards. Averages of percentiles are on many a dashboard; they answer no "
    "question that anybody asked."
)


class stub:
    """Delays by airline, and percentiles of any airlines together."""

    def __init__(self, r):
        """r: the client to use."""

    def departed(self, carrier, delays):
        """These delays (a list of minutes) are of flights of this airline."""

    def percentile(self, carriers, share):
        """The delay that this share (0.99) of all their flights does not exceed."""


class solution:
    def __init__(self, r):
        self.r = r

    def departed(self, carrier, delays):
        with self.r.pipeline() as pipe:
            pipe.execute_command("TDIGEST.CREATE", f"late:{carrier}")
            pipe.execute_command("TDIGEST.ADD", f"late:{carrier}", *delays)
            pipe.execute(raise_on_error=False)

    def percentile(self, carriers, share):
        digests = [f"late:{carrier}" for carrier in carriers]
        with self.r.pipeline() as pipe:
            pipe.execute_command("TDIGEST.MERGE", "asked", len(digests), *digests, "OVERRIDE")
            pipe.execute_command("TDIGEST.QUANTILE", "asked", share).delete("asked")
            return float(pipe.execute()[1][0])


class wrong_averages(solution):
    """the average of percentiles"""

    def percentile(self, carriers, share):
        with self.r.pipeline() as pipe:
            for carrier in carriers:
                pipe.execute_command("TDIGEST.QUANTILE", f"late:{carrier}", share)
            return sum(float(reply[0]) for reply in pipe.execute()) / len(carriers)


class wrong_weighted(solution):
    """weighted or not"""

    def percentile(self, carriers, share):
        with self.r.pipeline() as pipe:
            for carrier in carriers:
                pipe.execute_command("TDIGEST.QUANTILE", f"late:{carrier}", share)
                pipe.execute_command("TDIGEST.INFO", f"late:{carrier}")
            replies = pipe.execute()
        flights = [about["Observations"] for about in replies[1::2]]
        pairs = zip(replies[::2], flights, strict=True)
        return sum(float(said[0]) * number for said, number in pairs) / sum(flights)


class wrong_largest(solution):
    """the largest of percentiles"""

    def percentile(self, carriers, share):
        with self.r.pipeline() as pipe:
            for carrier in carriers:
                pipe.execute_command("TDIGEST.QUANTILE", f"late:{carrier}", share)
            return max(float(reply[0]) for reply in pipe.execute())


class wrong_merges_into_one(solution):
    """of an earlier question"""

    def percentile(self, carriers, share):
        digests = [f"late:{carrier}" for carrier in carriers]
        with self.r.pipeline() as pipe:
            pipe.execute_command("TDIGEST.MERGE", "asked", len(digests), *digests)
            pipe.execute_command("TDIGEST.QUANTILE", "asked", share).expire("asked", 60)
            return float(pipe.execute()[1][0])


class wrong_leaves_it(solution):
    """stays behind"""

    def percentile(self, carriers, share):
        digests = [f"late:{carrier}" for carrier in carriers]
        with self.r.pipeline() as pipe:
            pipe.execute_command("TDIGEST.MERGE", "asked", len(digests), *digests, "OVERRIDE")
            return float(pipe.execute_command("TDIGEST.QUANTILE", "asked", share).execute()[1][0])


class wrong_keeps_all(solution):
    """bytes for an airline"""

    def departed(self, carrier, delays):
        self.r.rpush(f"late:{carrier}", *delays)

    def percentile(self, carriers, share):
        with self.r.pipeline() as pipe:
            for carrier in carriers:
                pipe.lrange(f"late:{carrier}", 0, -1)
            delays = sorted(int(delay) for reply in pipe.execute() for delay in reply)
        return delays[int(share * (len(delays) - 1))]


class wrong_anew(solution):
    """of an earlier batch"""

    def departed(self, carrier, delays):
        with self.r.pipeline() as pipe:
            pipe.delete(f"late:{carrier}").execute_command("TDIGEST.CREATE", f"late:{carrier}")
            pipe.execute_command("TDIGEST.ADD", f"late:{carrier}", *delays).execute()


class wrong_steps(solution):
    """trips"""

    def percentile(self, carriers, share):
        digests = [f"late:{carrier}" for carrier in carriers]
        self.r.tdigest().merge("asked", len(digests), *digests, override=True)
        try:
            return float(self.r.tdigest().quantile("asked", share)[0])
        finally:
            self.r.delete("asked")


def check(trial):
    import redis_lab as rl
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    flights = rl.data.flights()[["carrier", "dep_delay"]].dropna()
    delays = {
        carrier: flights[flights.carrier == carrier].dep_delay.astype(int).head(most).tolist()
        for carrier, most in (
            ("UA", 20_000),
            ("HA", 342),
            ("FL", 3000),
            ("EV", 20_000),
            ("F9", 682),
            ("US", 700),
        )
    }
    gaps = Gaps()
    writer, reader = trial.call(trial.client()), trial.call(trial.client(gaps))
    for carrier, each in delays.items():
        half = len(each) // 2
        each.sort(reverse=True)
        trial.ask(writer.departed, carrier, each[:half])
        trial.ask(writer.departed, carrier, each[half:])
    kept = trial.keyspace()
    trial.require(bool(kept), "delays reach the server", "after departed there is no key")
    for key in kept:  # 8.10.2 dies of MEMORY USAGE on a sketch with a time to live
        trial.r.persist(key)
    sizes = [trial.r.memory_usage(key, samples=0) for key in kept]
    trial.expect(
        sum(sizes) <= 12_000 * len(delays),
        "an airline takes 12 KB",
        f"it takes {sum(sizes) // len(delays):,} bytes for an airline",
    )

    def ask(carriers, share):
        answer = trial.ask(reader.percentile, carriers, share)
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            raise Refused(f"percentile answered {answer!r:.60}, not a number")
        return answer

    def exact(some, share):
        ordered = sorted(some)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def near(answer, some, share):
        low, high = exact(some, share - 0.002), exact(some, share + 0.002)
        return low * 0.95 - 1 <= answer <= high * 1.05 + 1

    alone = ask(["UA"], 0.99)
    trial.expect(
        near(alone, delays["UA"], 0.99),
        "one airline's percentile is right",
        f"UA's 0.99 is {exact(delays['UA'], 0.99)} minutes, and percentile says {alone:.0f}: are "
        "the delays of an earlier batch still there?",
    )
    gaps.trips = 0
    ask(["UA", "HA"], 0.99)
    trial.expect(
        gaps.trips == 1, "a question is one round trip", f"a question took {gaps.trips} trips"
    )
    for carriers, share in (
        (["UA", "HA"], 0.99), (["UA", "FL", "HA"], 0.9), (["EV", "UA"], 0.99), (["HA", "EV"], 0.9),
        (["UA"], 0.9), (["F9", "US"], 0.99),
    ):  # fmt: skip
        answer = ask(carriers, share)
        together = [delay for carrier in carriers for delay in delays[carrier]]
        each = [exact(delays[carrier], share) for carrier in carriers]
        middle = sum(each) / len(each)
        reason = (
            "that is the average of percentiles, weighted or not"
            if len(each) > 1 and abs(answer - middle) < 8
            else "that is the largest of percentiles"
            if len(each) > 1 and abs(answer - max(each)) < 4
            else "are flights of an earlier question in it?"
        )
        trial.expect(
            near(answer, together, share),
            f"{' and '.join(carriers)} together have their own {share}",
            f"{' and '.join(carriers)} together have {exact(together, share)} minutes at {share}, "
            f"and percentile says {answer:.0f}: {reason}",
        )
    stays = [key for key, (_, left) in trial.keyspace().items() if left is None and key not in kept]
    trial.expect(not stays, "asking leaves nothing", f"{', '.join(stays)} stays behind")
