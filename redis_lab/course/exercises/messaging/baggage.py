"""Bags for several workers: each is loaded, also when its worker never comes back."""

NOTEBOOK = "54"
TITLE = "Bags, and a worker who never comes back"
HINTS = (
    "A bag that is being loaded must be somewhere on the server, with who has it and since when.",
    "That is what a group of a stream keeps for every entry: consumer, idle time, deliveries.",
    "Look first for a bag that has been pending for `patience`, whoever has it, then for a new one;"
    " acknowledge behind `load`.",
    "`xpending_range(key, group, '-', '+', 1, idle=ms)`, and `xclaim` with the same `ms`, so that "
    "of two who found it one gets it; else `xreadgroup` with `>`.",
)
WHY = (
    "A dead worker and a slow one look alike; a time decides. Below the longest load it makes two "
    "load one bag, far above it a bag waits: choose it by measuring, and make the load bear both."
)


class stub:
    """Bags for several workers, each loaded by one of them."""

    def __init__(self, r, patience):
        """patience: seconds after which a bag that was taken and is not done goes to others."""

    def put(self, bag):
        """Add a bag."""

    def work(self, worker, load):
        """Call load(bag) for the oldest bag that is to be had; answer it, or None if none is."""


class solution:
    def __init__(self, r, patience):
        import contextlib

        import redis

        self.r, self.ms = r, round(patience * 1000)
        with contextlib.suppress(redis.ResponseError):  # it is there
            r.xgroup_create("bags", "crew", "0", mkstream=True)

    def put(self, bag):
        self.r.xadd("bags", {"bag": bag})

    def work(self, worker, load):
        crew = ("bags", "crew")
        found = self.r.xpending_range(*crew, "-", "+", 1, idle=self.ms)
        if found:
            taken = self.r.xclaim(*crew, worker, self.ms, [found[0]["message_id"]])
        else:
            reply = self.r.xreadgroup("crew", worker, {"bags": ">"}, count=1)
            taken = reply["bags"][0] if reply else []
        for entry, fields in taken:
            load(fields["bag"])
            self.r.xack(*crew, entry)
            return fields["bag"]


class wrong_pop(solution):
    """is nowhere on the server"""

    def __init__(self, r, patience):
        self.r = r

    def put(self, bag):
        self.r.lpush("bags", bag)

    def work(self, worker, load):
        bag = self.r.rpop("bags")
        if bag:
            load(bag)
        return bag


class wrong_own_list(wrong_pop):
    """nobody else looks there"""

    def work(self, worker, load):
        mine = f"taken:{worker}"
        bag = self.r.lindex(mine, 0) or self.r.lmove("bags", mine, "RIGHT", "LEFT")
        if bag:
            load(bag)
            self.r.lpop(mine)
        return bag


class wrong_no_claim(solution):
    """who never comes back"""

    def work(self, worker, load):
        for place in ("0", ">"):
            reply = self.r.xreadgroup("crew", worker, {"bags": place}, count=1)
            for entry, fields in reply["bags"][0] if reply else []:
                load(fields["bag"])
                self.r.xack("bags", "crew", entry)
                return fields["bag"]


class wrong_claims_at_once(solution):
    """while worker A was loading it"""

    def __init__(self, r, patience):
        super().__init__(r, 0)


class wrong_acks_first(solution):
    """called done before it was loaded"""

    def work(self, worker, load):
        reply = self.r.xreadgroup("crew", worker, {"bags": ">"}, count=1)
        for entry, fields in reply["bags"][0] if reply else []:
            self.r.xack("bags", "crew", entry)
            load(fields["bag"])
            return fields["bag"]


class wrong_never_acks(solution):
    """loaded again"""

    def work(self, worker, load):
        found = self.r.xpending_range("bags", "crew", "-", "+", 1, idle=self.ms)
        ids = [each["message_id"] for each in found]
        taken = self.r.xclaim("bags", "crew", worker, self.ms, ids) if ids else []
        if not taken:
            reply = self.r.xreadgroup("crew", worker, {"bags": ">"}, count=1)
            taken = reply["bags"][0] if reply else []
        for _, fields in taken:
            load(fields["bag"])
            return fields["bag"]


class wrong_back_at_once(solution):
    """load raised an error"""

    def work(self, worker, load):
        def kept(bag):
            try:
                load(bag)
            except Exception:
                ids = [e["message_id"] for e in self.r.xpending_range("bags", "crew", "-", "+", 1)]
                self.r.xclaim("bags", "crew", worker, 0, ids, idle=self.ms)
                raise

        return super().work(worker, kept)


class wrong_set(wrong_pop):
    """not the oldest"""

    def put(self, bag):
        self.r.sadd("bags", bag)

    def work(self, worker, load):
        bags = sorted(self.r.smembers("bags"), reverse=True)
        if bags:
            load(bags[0])
            self.r.srem("bags", bags[0])
        return bags[0] if bags else None


def check(trial):
    import contextlib
    import time

    from redis_lab.course.answers import Killed, Refused
    from redis_lab.course.gaps import mortal

    bags = [f"bag-{number:02}" for number in range(40)]

    def crew(patience, gaps=None):
        """As another process would have it."""
        return trial.call(trial.client(gaps), patience)

    def fill(number, patience):
        trial.r.delete(*trial.keyspace(), "bags")
        desk = crew(patience)
        for bag in bags[:number]:
            trial.ask(desk.put, bag)

    def work(worker, load, patience=60, gaps=None):
        return trial.ask(crew(patience, gaps).work, worker, load)

    def dies(load, patience, after=1000):
        """Worker A, until it is killed: in load, or after that many trips; whether it was."""
        life = mortal(after)
        try:
            trial.ask(crew(patience, life).work, "A", lambda bag: load(bag, life.die))
        except Killed:
            return True
        return False

    def rest(wanted, patience=0.2):
        """What worker B loads until it has had all these, or for six seconds."""
        loaded, deadline = [], time.monotonic() + 6
        while not wanted <= set(loaded) and time.monotonic() < deadline:
            if work("B", loaded.append, patience) is None:
                time.sleep(0.02)
        return loaded

    def where(bag):
        """What the server knows of a bag that nobody loads."""
        for key, (kind, _) in trial.keyspace().items():
            if kind == "list" and trial.r.lpos(key, bag) is not None:
                return f"lies in {key}, and nobody else looks there"
            if kind == "stream" and any(bag in each.values() for _, each in trial.r.xrange(key)):
                groups = trial.r.xinfo_groups(key)
                if any(group["pending"] for group in groups):
                    return "is pending for worker A, who never comes back"
                return "was called done before it was loaded"
        return "is nowhere on the server: it was in the memory of worker A"

    fill(3, 60)
    seen = []
    given = [work("A", seen.append) for _ in range(3)]
    trial.require(
        given[0] == bags[0] and seen[:1] == bags[:1],
        "the oldest bag comes first, and is loaded",
        f"bags were put in the order {bags[:3]}; the first call loaded {seen[:1]} and answered "
        f"{given[0]!r}, not the oldest",
    )
    trial.require(
        given == bags[:3] == seen,
        "then the others",
        f"three calls loaded {seen} and answered {given}"
        + (": the first was loaded again" if len(set(seen)) < len(seen) else ""),
    )
    last = work("A", seen.append)
    trial.expect(last is None, "without a bag it answers None", f"it answered {last!r}, no None")

    fill(3, 60)
    loading = []

    def meanwhile(bag):
        loading.append((bag, work("B", lambda other: None)))

    work("A", meanwhile)
    trial.require(
        loading == [(bags[0], bags[1])],
        "two workers have two bags",
        f"{bags[0]} was given to worker B too, while worker A was loading it"
        if loading[0][1] == bags[0]
        else f"while worker A was loading {loading[0][0]}, worker B got {loading[0][1]!r}",
    )
    fill(3, 60)
    dies(lambda bag, die: die(), 60)
    given = work("B", lambda bag: None)
    trial.expect(
        given == bags[1],
        "who is silent for less than patience keeps its bag",
        f"A died a moment ago, with patience 60; worker B got {given!r}, not {bags[1]}",
    )

    fill(3, 0.2)
    dies(lambda bag, die: die(), 0.2)
    loaded = rest(set(bags[:3]))
    lost = [bag for bag in bags[:3] if bag not in loaded]
    trial.require(
        not lost,
        "the bag of one who never comes back is loaded by another",
        f"worker A died while it loaded {''.join(lost[:1])}. Worker B waited for 6 s, with a "
        f"patience of 0.2, and did not get it: it {where(''.join(lost[:1]))}",
    )

    def raises(bag):
        raise RuntimeError("the belt stands still")

    fill(2, 60)
    with contextlib.suppress(Refused):
        work("A", raises)
    given = work("B", lambda bag: None)
    trial.expect(
        given == bags[1],
        "a bag whose load failed is not to be had at once",
        f"load raised an error for {bags[0]} a moment ago, with patience 60; worker B got "
        f"{given!r}, not {bags[1]}",
    )
    fill(2, 0.2)
    with contextlib.suppress(Refused):
        work("A", raises, 0.2)
    loaded = rest(set(bags[:2]))
    trial.expect(
        set(loaded) == set(bags[:2]),
        "later it is loaded",
        f"load raised an error for {bags[0]}, and worker B loaded {loaded} only",
    )
    gone = []
    for after in range(1, 9):
        fill(2, 0.2)
        loaded = []
        if not dies(lambda bag, _, loaded=loaded: loaded.append(bag), 0.2, after):
            break
        loaded += rest(set(bags[:2]) - set(loaded))
        gone = [f"{bag} (after {after} trips)" for bag in bags[:2] if bag not in loaded]
        if gone:
            break
    trial.expect(
        not gone,
        "one who dies between two trips loses none",
        f"worker A was killed between two of its trips, and nobody loaded {', '.join(gone)}",
    )
    fill(2, 0.2)
    loaded = [work("A", lambda bag: None, 0.2) for _ in range(2)]
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        loaded.append(work("B", lambda bag: None, 0.2))
        time.sleep(0.05)
    extra = [bag for bag in loaded[2:] if bag]
    trial.expect(
        not extra,
        "a bag that is done is done",
        f"{extra[:1]} was loaded, and half a second later, with patience 0.2, loaded again",
    )
    fill(40, 60)
    crews = [crew(60) for _ in range(16)]
    loaded = []
    together(trial, [(each.work, f"w{n}", loaded.append) for n, each in enumerate(crews)])
    trial.expect(
        len(loaded) == len(set(loaded)) == 16,
        "sixteen workers at once load sixteen bags",
        f"sixteen workers at once loaded {len(loaded)} bags, {len(set(loaded))} different ones",
    )


def together(trial, calls):
    """All at once."""
    import threading

    start = threading.Barrier(len(calls))

    def one(method, *args):
        start.wait()
        method(*args)

    threads = [threading.Thread(target=one, args=each, daemon=True) for each in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(trial.seconds)
