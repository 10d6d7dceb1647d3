"""Columns in different units, made to count alike; one of them never changes."""

NOTEBOOK = "13"
TITLE = "Twins, whatever the units"
HINTS = (
    "The thousands of one column hide the shares of another: bring each column to the same spread "
    "before you send it.",
    "`(table - table.mean(axis=0)) / table.std(axis=0)`, for all rows together.",
    "A column that never changes has a standard deviation of 0, and 0 / 0 is NaN, which `FP32` "
    "carries to the server unseen: divide by 1 there.",
    "`like` is `VSIM … ELE name COUNT n + 1` without the name itself.",
)
WHY = (
    "Distances follow the column with the largest numbers, and NaN follows the column that nobody "
    "expected to be constant: both give answers that look normal. Scale, and test for NaN, in the "
    "one function that writes."
)
MIN_VERSION = "8.0"
MODULES = ("vectorset",)


class stub:
    """Airports and their nearest, each column counting alike."""

    def __init__(self, r):
        """r: the client to use."""

    def store(self, table):
        """Keep these rows, {name: [number, …]}; each column may have another unit."""

    def like(self, name, n):
        """The n names most like this one, without itself, nearest first."""


class solution:
    def __init__(self, r):
        self.r = r

    def store(self, table):
        import numpy as np

        rows = np.array(list(table.values()), dtype=float)
        spread = rows.std(axis=0)
        scaled = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
        with self.r.pipeline(transaction=False) as pipe:
            for name, row in zip(table, np.float32(scaled), strict=True):
                pipe.execute_command("VADD", "twins", "FP32", row.tobytes(), name)
            pipe.execute()

    def like(self, name, n):
        found = self.r.vset().vsim("twins", name, count=n + 1)
        return [each for each in found if each != name][:n]


class wrong_as_they_are(solution):
    """largest numbers"""

    def store(self, table):
        for name, row in table.items():
            self.r.vset().vadd("twins", list(row), name)


class wrong_row_by_row(solution):
    """largest numbers"""

    def store(self, table):
        import numpy as np

        for name, row in table.items():
            unit = np.array(row) / np.linalg.norm(row)
            self.r.vset().vadd("twins", unit.tolist(), name)


class wrong_constant_column(solution):
    """is not a number"""

    def store(self, table):
        import numpy as np

        rows = np.array(list(table.values()), dtype=float)
        with np.errstate(all="ignore"):
            scaled = np.float32((rows - rows.mean(axis=0)) / rows.std(axis=0))
        for name, row in zip(table, scaled, strict=True):
            self.r.execute_command("VADD", "twins", "FP32", row.tobytes(), name)


class wrong_between_0_and_1(solution):
    """mean at 0"""

    def store(self, table):
        import numpy as np

        rows = np.array(list(table.values()), dtype=float)
        width = np.ptp(rows, axis=0)
        scaled = (rows - rows.min(axis=0)) / np.where(width > 0, width, 1)
        for name, row in zip(table, scaled, strict=True):
            self.r.vset().vadd("twins", row.tolist(), name)


class wrong_bits(solution):
    """a bit for each"""

    def store(self, table):
        import numpy as np

        rows = np.array(list(table.values()), dtype=float)
        spread = rows.std(axis=0)
        scaled = np.float32((rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1))
        for name, row in zip(table, scaled, strict=True):
            self.r.execute_command("VADD", "twins", "FP32", row.tobytes(), name, "BIN")


class wrong_itself_too(solution):
    """its own twin"""

    def like(self, name, n):
        return self.r.vset().vsim("twins", name, count=n)


class wrong_keeps_it_here(solution):
    """on the server"""

    def store(self, table):
        import numpy as np

        rows = np.array(list(table.values()), dtype=float)
        spread = rows.std(axis=0)
        rows = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
        self.names, self.rows = list(table), rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def like(self, name, n):
        import numpy as np

        if not hasattr(self, "rows"):
            return []
        found = np.argsort(-(self.rows @ self.rows[self.names.index(name)]))
        return [self.names[each] for each in found if self.names[each] != name][:n]


def check(trial):
    import numpy as np

    import redis_lab.data
    from redis_lab.course.answers import Refused

    flights = redis_lab.data.flights()
    ours = flights["dest"].value_counts()
    flights = flights[flights["dest"].isin(ours[ours > 100].index)]
    by = flights.assign(
        delay=flights["dep_delay"].astype(float),
        air=flights["air_time"].astype(float),
        early=flights["sched_dep_time"] < 1000,
        evening=flights["sched_dep_time"] > 1800,
        united=flights["carrier"] == "UA",
        summer=flights["month"].isin([6, 7, 8]),
    ).groupby("dest")
    columns = ["distance", "air", "delay", "early", "evening", "united", "summer"]
    frame = by[columns].mean().astype(float)
    frame["flights"] = by.size()
    table = {
        str(name): [float(each) for each in row]
        for name, row in zip(frame.index, frame.to_numpy(), strict=True)
    }
    names, rows = list(table), np.array(list(table.values()))

    def nearest(numbers):
        unit = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
        ranked = np.argsort(-(unit @ unit.T), axis=1, kind="stable")
        return [[names[n] for n in row if n != me][:5] for me, row in enumerate(ranked)]

    def scaled(numbers):
        return (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)

    best = nearest(scaled(rows))

    def stored(what):
        for key in trial.keyspace():
            trial.r.delete(key)
        trial.ask(trial.call(trial.client()).store, what)
        reader = trial.call(trial.client())
        found = [trial.ask(reader.like, name, 5) for name in names]
        wrong = [each for each in found if not isinstance(each, list | tuple)]
        if wrong:
            raise Refused(f"like answered {wrong[0]!r:.90}, no list of names")
        return [list(each) for each in found]

    def agree(found, wanted):
        return np.mean([len(set(a) & set(b)) / 5 for a, b in zip(found, wanted, strict=True)])

    found = stored(table)
    keys = trial.keyspace()
    trial.require(
        any(kind == "vectorset" for kind, _ in keys.values()) and any(found),
        "what one client stored, another finds",
        f"the keys are {list(keys)}, and a second client got {found[0]}: is it on the server, as "
        "a vector set?",
    )
    own = [name for name, each in zip(names, found, strict=True) if name in each]
    trial.require(not own, "nobody is like himself", f"{', '.join(own[:5])}: each is its own twin")
    short = [each for each in found if len(set(each)) != 5]
    trial.require(not short, "five where five are asked for", f"for five it answered {short[:1]}")
    share = agree(found, best)
    raw, shifted = agree(found, nearest(rows)), rows - rows.min(axis=0)
    squeezed = agree(found, nearest(shifted / np.ptp(rows, axis=0)))
    key = next(key for key, (kind, _) in keys.items() if kind == "vectorset")
    bits = "bin" in str(trial.r.execute_command("VINFO", key))
    why = (
        "the column with the largest numbers decides, and shares play no part"
        if raw > max(share, squeezed)
        else "the set keeps a bit for each number, so only signs are left"
        if bits
        else "is each column's mean at 0 and its standard deviation 1?"
    )
    trial.require(
        share > 0.9,
        "each column counts alike",
        f"of five neighbours {5 * share:.1f} are right: {why}",
    )
    doubled = stored(table | {f"{name} 2": row for name, row in table.items()})
    pairs = list(zip(names, doubled, strict=True))
    alone = [name for name, each in pairs if name in each or f"{name} 2" not in each]
    trial.expect(
        not alone,
        "two with the same numbers are twins",
        f"another airport has the numbers of {''.join(alone[:1])}, and it is not found, or "
        f"{''.join(alone[:1])} itself is: either of the two may come first",
    )
    constant = {name: [*row, 2.0] for name, row in table.items()}
    share = agree(stored(constant), best)
    emb = trial.r.execute_command("VEMB", key, names[0]) or []
    trial.expect(
        share > 0.9,
        "a column that never changes changes nothing",
        f"with a column of 2 everywhere, {5 * share:.1f} of five neighbours are right"
        + (": what was stored is not a number" if np.isnan(np.array(emb, float)).any() else ""),
    )
    other = {
        name: [
            each * scale
            for each, scale in zip(row, (1.609, 60, 60, 100, 100, 100, 100, 0.001), strict=True)
        ]
        for name, row in table.items()
    }
    share = agree(stored(other), best)
    trial.expect(
        share > 0.9,
        "kilometres find whom miles find",
        f"with other units {5 * share:.1f} of five neighbours are the same",
    )
