"""The percentile of what ran between two looks at a histogram."""

NOTEBOOK = "72"
TITLE = "Lately, not ever"
HINTS = (
    "The counts are cumulative: the bucket 8 says how many calls took up to 8 µs, from the start.",
    "Redis leaves a bucket out if no call ended in it: its count is that of the one below.",
    "If a count has fallen, everything in `after` has happened since the reset.",
    "For each bucket of `after`: its count less the highest count of `before` at or below it.",
)
WHY = (
    "Percentiles can't be subtracted or averaged, counts in buckets can: that is why monitoring "
    "systems fetch histograms. A p99 since the start barely moves on the day that it matters."
)


def stub(before, after, percent):
    """The bucket (µs) within which percent of the calls between the two ended; None if none ran.

    before, after: histogram_usec of LATENCY HISTOGRAM, as {bucket: count}; {} where it never ran.
    """


def solution(before, after, percent):
    def upto(counts, bucket):
        return max((count for at, count in counts.items() if at <= bucket), default=0)

    if max(before.values(), default=0) > max(after.values(), default=0) or any(
        upto(after, bucket) < count for bucket, count in before.items()
    ):
        before = {}
    lately = {bucket: count - upto(before, bucket) for bucket, count in sorted(after.items())}
    calls = max(lately.values(), default=0)
    enough = [bucket for bucket, count in lately.items() if count >= percent / 100 * calls > 0]
    return min(enough, default=None)


def wrong_since_the_start(before, after, percent):
    """ever since the start"""
    calls = max(after.values(), default=0)
    enough = [bucket for bucket, count in after.items() if count >= percent / 100 * calls > 0]
    return min(enough, default=None)


def wrong_missing_bucket(before, after, percent):
    """is left out"""
    fell = any(
        max((after[at] for at in after if at <= bucket), default=0) < count
        for bucket, count in before.items()
    )
    old = {} if fell else before
    calls = max(after.values(), default=0) - max(old.values(), default=0)
    for bucket in sorted(after):
        if after[bucket] - old.get(bucket, 0) >= percent / 100 * calls > 0:
            return bucket
    return None


def wrong_not_cumulative(before, after, percent):
    """cumulative"""
    if max(before.values(), default=0) > max(after.values(), default=0):
        before = {}
    lately = {bucket: count - before.get(bucket, 0) for bucket, count in sorted(after.items())}
    total, seen = sum(lately.values()), 0
    for bucket, count in lately.items():
        seen += count
        if seen >= percent / 100 * total > 0:
            return bucket
    return None


def wrong_no_reset(before, after, percent):
    """reset"""

    def upto(counts, bucket):
        return max((count for at, count in counts.items() if at <= bucket), default=0)

    lately = {bucket: count - upto(before, bucket) for bucket, count in sorted(after.items())}
    calls = max(after.values(), default=0) - max(before.values(), default=0)
    enough = [bucket for bucket, count in lately.items() if count >= percent / 100 * calls > 0]
    return min(enough, default=None)


def wrong_reset_by_the_total(before, after, percent):
    """that bucket has fallen"""

    def upto(counts, bucket):
        return max((count for at, count in counts.items() if at <= bucket), default=0)

    if max(before.values(), default=0) > max(after.values(), default=0):
        before = {}
    lately = {bucket: count - upto(before, bucket) for bucket, count in sorted(after.items())}
    calls = max(lately.values(), default=0)
    enough = [bucket for bucket, count in lately.items() if count >= percent / 100 * calls > 0]
    return min(enough, default=None)


def wrong_never_none(before, after, percent):
    """nothing ran"""

    def upto(counts, bucket):
        return max((count for at, count in counts.items() if at <= bucket), default=0)

    if any(upto(after, bucket) < count for bucket, count in before.items()):
        before = {}
    lately = {bucket: count - upto(before, bucket) for bucket, count in sorted(after.items())}
    calls = max(lately.values(), default=0)
    return min((b for b, count in lately.items() if count >= percent / 100 * calls), default=None)


def check(trial):
    import random

    def ask(before, after, percent=99.0):
        """What it answers for these; buckets in no order that one may rely on."""
        return trial.call(dict(before), dict(after), percent)

    def histogram(calls):
        """As Redis tells it: cumulative, without the buckets in which no call ended."""
        ends = sorted(set(calls))
        return {end: sum(call <= end for call in calls) for end in ends}

    night = [2] * 900 + [4] * 90 + [8] * 10
    said = ask({}, histogram(night))
    trial.require(
        said == 4,
        "a first look is all there was",
        f"of 1,000 calls 990 ended within 4 µs, counts are cumulative: {histogram(night)}; "
        f"it answered {said!r}",
    )
    said = ask(histogram(night), histogram(night + [4] * 10 + [2114] * 10))
    trial.expect(
        said == 2114,
        "old calls don't hide new ones",
        f"of the 20 calls in between, ten took 2,114 µs; it answered {said!r}: that is the p99 of "
        "ever since the start, or worse",
    )
    said = ask(histogram([8] * 1000), histogram([8] * 1000 + [4] * 60 + [33] * 40), 50)
    trial.expect(
        said == 4,
        "a bucket that is new in after counts from what lay below it",
        f"60 of the 100 new calls took up to 4 µs, where none had been: it answered {said!r}",
    )
    said = ask(histogram([4] * 500), histogram([4] * 500 + [8] * 40 + [16] * 60), 50)
    trial.expect(
        said == 16,
        "where before has no such bucket, the one below it tells",
        "a bucket is left out if no call ended in it, and holds as many as the one below: 500 old "
        "calls took up to 4 µs; of 100 new ones 40 took up to 8 and 60 up to 16; for 50 % it "
        f"answered {said!r}",
    )
    said = ask(histogram(night), histogram(night))
    trial.expect(
        said is None and ask({}, {}) is None,
        "nothing ran: there is no percentile",
        f"nothing ran in between, and it answered {said!r}: a percentile of no calls is no number",
    )
    said = ask(histogram(night), histogram([16] * 50))
    trial.expect(
        said == 16,
        "after CONFIG RESETSTAT what is there is new",
        f"after a reset 50 calls took 16 µs each (before: 1,000 quick ones); it answered {said!r}",
    )
    said = ask(histogram([66] * 50), histogram([2] * 500), 50)
    trial.expect(
        said == 2,
        "also if there were more since than before",
        "50 calls of 66 µs, then CONFIG RESETSTAT and 500 of 2 µs: the total has grown, yet "
        f"nothing is wrong; it answered {said!r}",
    )
    said = ask(histogram([2] * 100), histogram([2] * 50 + [4] * 10 + [66] * 60), 40)
    trial.expect(
        said == 2,
        "and if only one bucket shows it",
        "100 calls of up to 2 µs, then CONFIG RESETSTAT and 120 calls, 50 of them up to 2 µs: the "
        f"total has grown, that bucket has fallen; it answered {said!r} for 40 %",
    )
    chance = random.Random(72)
    buckets = [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056]
    for _ in range(40):
        old, new = (
            chance.choices(buckets[chance.randrange(8) :], k=chance.randint(1, 300)) for _ in "12"
        )
        percent = chance.choice([50, 90, 99, 99.9, 100])
        truth = min(end for end in new if sum(c <= end for c in new) >= percent / 100 * len(new))
        said = ask(histogram(old), histogram(old + new), percent)
        trial.expect(
            said == truth,
            "and so for 40 drawn at random",
            f"p{percent:g} of {len(new)} calls between {len(old)} and {len(old + new)}: it "
            f"answered {said!r}; their cumulative counts give {truth}",
        )
    trial.r.config_resetstat()
    for _ in range(50):
        trial.r.echo("C71")
    told = trial.r.execute_command("LATENCY", "HISTOGRAM", "echo")["echo"]["histogram_usec"]
    said = ask({}, told, 100)
    trial.expect(
        said == max(told),
        "and for what this server tells",
        f"the server told {told}; for 100 % it answered {said!r}",
    )
