"""What will a design take? A sample that is large enough, drawn from everywhere, and put away."""

NOTEBOOK = "14"
TITLE = "The price of a design"
HINTS = (
    "`used_memory` of `INFO memory`, before and after, is the only weight with everything in it.",
    "How many items until a sorted set is no listpack any more? Take ten times as many.",
    "Are the first names like the last ones? `random.sample(names, 3000)` asks everywhere.",
    "`keys = store(r, sample)`; the difference, divided by the sample, times `len(names)`; then "
    "`r.unlink(*keys)`.",
)
WHY = (
    "Two trips to a test server replace an argument. What the sample can't show is what comes with "
    "time: fragmentation, growth, deletions. Plan for half as much again."
)

MOST = 3000


def stub(r, store, names):
    """Bytes that store(r, names) would take, from 3,000 of the names at most; tidies up."""


def solution(r, store, names):
    import random

    def used():
        return r.info("memory")["used_memory"]

    sample = random.Random(14).sample(names, 3000)
    before = used()
    keys = store(r, sample)
    taken = used() - before
    r.unlink(*keys)
    return taken / len(sample) * len(names)


def wrong_a_hundred(r, store, names):
    """compact encoding"""
    import random

    sample = random.Random(14).sample(names, 100)
    keys = store(r, sample)
    taken = sum(r.memory_usage(key, samples=0) for key in keys)
    r.unlink(*keys)
    return taken / len(sample) * len(names)


def wrong_the_first(r, store, names):
    """from the beginning"""
    before = r.info("memory")["used_memory"]
    keys = store(r, names[:3000])
    taken = r.info("memory")["used_memory"] - before
    r.unlink(*keys)
    return taken / 3000 * len(names)


def wrong_with_the_others(r, store, names):
    """was there before"""
    keys = store(r, names[::10])
    taken = r.info("memory")["used_memory"]
    r.unlink(*keys)
    return taken / len(names[::10]) * len(names)


def wrong_leaves_it(r, store, names):
    """left behind"""
    before = r.info("memory")["used_memory"]
    store(r, names[::10])
    taken = r.info("memory")["used_memory"] - before
    return taken / len(names[::10]) * len(names)


def wrong_stores_everything(r, store, names):
    """of 24,000 names"""
    before = r.info("memory")["used_memory"]
    keys = store(r, names)
    taken = r.info("memory")["used_memory"] - before
    r.unlink(*keys)
    return taken


def check(trial):
    import redis_lab.data
    import redis_lab.lab

    year = redis_lab.data.flights().iloc[::14].head(24_000)
    names, months = year.id.tolist(), dict(zip(year.id, year.month.tolist(), strict=True))
    asked = []

    def gates(pipe, part):
        for name in part:
            pipe.set(f"gate:{name}", "C71")

    def ranking(pipe, part):
        pipe.zadd("ranking", dict.fromkeys(part, 15))

    def remarks(pipe, part):
        for name in part:
            pipe.set(
                f"remark:{name}", "thunderstorms, holding " * 8 if months[name] >= 6 else "fine"
            )

    def storing(write):
        """A design as the answer gets it: small commands, the names of the keys as its answer."""

        def store(r, part):
            part = list(part)
            asked.append(len(part))
            return put(r, write, part, 100) if sum(asked) <= MOST else ["none: too many names"]

        return store

    def put(r, write, part, chunk):
        with r.pipeline(transaction=False) as pipe:
            for start in range(0, len(part), chunk):
                write(pipe, part[start : start + chunk])
                pipe.execute()
        kind = write.__name__
        return [kind] if write is ranking else [f"{kind[:-1]}:{name}" for name in part]

    def weigh(write):
        """What all the names take, on a server of its own."""
        with redis_lab.lab.standalone() as lab:
            r = lab.client()
            put(r, write, names[:2000], 1000)
            lab.flush()
            used = []
            for part in ([], names):
                put(r, write, part, 1000)
                info, clients = r.pipeline().info("memory").client_list().execute()
                buffers = sum(int(client["tot-mem"]) for client in clients)
                used.append(info["used_memory"] - buffers)
            return used[1] - used[0]

    for n in range(20):
        trial.r.set(f"other:{n}", "x" * 5000)
    for write in (ranking, gates, remarks):
        asked.clear()
        with trial.cost() as cost:
            said = trial.run(storing(write), names)
        label = write.__name__
        trial.require(
            sum(asked) <= MOST,
            f"{label}: 3,000 names are stored at most",
            f"{label}: it stored {sum(asked):,} of 24,000 names; 3,000 are allowed",
        )
        trial.require(
            isinstance(said, int | float) and said > 0 and bool(asked),
            f"{label}: it answers a number of bytes",
            f"{label}: it answered {said!r}{'' if asked else ', and nothing was stored for that'}",
        )
        left = trial.r.dbsize() - 20
        trial.expect(
            left == 0,
            f"{label}: the server is as it was",
            f"{label}: {left:,} keys are left behind"
            if left > 0
            else f"{label}: keys of others are gone, {-left:,} of them",
        )
        truth = weigh(write)
        reason = "does the sample have everything in it, and nothing else?"
        if said > 2 * truth:
            reason = "what was there before is counted as well"
        elif said < truth and sum(asked) < 500:
            reason = f"a sample of {sum(asked)} lies in a compact encoding, or lacks the tables"
        elif said < truth and write is remarks:
            reason = "remarks are made in summer: is the sample taken from the beginning?"
        elif truth / 2 < said < truth and cost.commands["memory|usage"]:
            reason = "MEMORY USAGE of a key leaves out its share of the server's own table"
        trial.require(
            0.75 < said / truth < 1.25,
            f"{label}: within a quarter of what it takes",
            f"{label}: it says {said / 1e6:.2f} MB, and {truth / 1e6:.2f} are taken: {reason}",
        )
