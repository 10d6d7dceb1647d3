"""The middle of several vectors: VEMB gives back lengths, which must be taken off."""

NOTEBOOK = "13"
TITLE = "What they liked, together"
HINTS = (
    "Fetch the vectors of what they liked in one trip: a pipeline of `VEMB`.",
    "What `VEMB` gives is as long as what was sent: Chicago's is a thousand times as long as a "
    "small place's, and would decide alone.",
    "`row / np.linalg.norm(row)` for each, then their sum; its own length doesn't matter.",
    "The sum goes to `vsim` as `np.float32(total).tobytes()`, with `count=n + len(liked)`.",
)
WHY = (
    "Recommendations from several likes are an average of directions. Where lengths differ (text "
    "and picture embeddings too), an average of the raw vectors listens to the longest one."
)
MIN_VERSION = "8.0"
MODULES = ("vectorset",)


def stub(r, liked, n):
    """The n destinations most like all of these together, none of them among the liked."""


def solution(r, liked, n):
    import numpy as np

    with r.pipeline(transaction=False) as pipe:
        for name in liked:
            pipe.execute_command("VEMB", "destinations", name)
        rows = np.array(pipe.execute(), dtype=float)
    middle = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=0)
    query = np.float32(middle).tobytes()
    found = r.vset().vsim("destinations", query, count=n + len(liked))
    return [name for name in found if name not in liked][:n]


def wrong_largest_decides(r, liked, n):
    """the largest of them"""
    import numpy as np

    with r.pipeline(transaction=False) as pipe:
        for name in liked:
            pipe.execute_command("VEMB", "destinations", name)
        middle = np.array(pipe.execute(), dtype=float).mean(axis=0)
    found = r.vset().vsim("destinations", np.float32(middle).tobytes(), count=n + len(liked))
    return [name for name in found if name not in liked][:n]


def wrong_last_one(r, liked, n):
    """like one of them"""
    found = r.vset().vsim("destinations", liked[-1], count=n + len(liked))
    return [name for name in found if name not in liked][:n]


def wrong_list_by_list(r, liked, n):
    """like one of them"""
    found = []
    for name in liked:
        found += r.vset().vsim("destinations", name, count=n + len(liked))
    return [name for name in dict.fromkeys(found) if name not in liked][:n]


def wrong_one_by_one(r, liked, n):
    """round trips"""
    import numpy as np

    rows = np.array([r.vset().vemb("destinations", name) for name in liked], dtype=float)
    middle = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=0)
    query = np.float32(middle).tobytes()
    found = r.vset().vsim("destinations", query, count=n + len(liked))
    return [name for name in found if name not in liked][:n]


def wrong_liked_come_back(r, liked, n):
    """they liked already"""
    import numpy as np

    with r.pipeline(transaction=False) as pipe:
        for name in liked:
            pipe.execute_command("VEMB", "destinations", name)
        rows = np.array(pipe.execute(), dtype=float)
    middle = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=0)
    return r.vset().vsim("destinations", np.float32(middle).tobytes(), count=n)


def wrong_too_few(r, liked, n):
    """fewer than"""
    import numpy as np

    with r.pipeline(transaction=False) as pipe:
        for name in liked:
            pipe.execute_command("VEMB", "destinations", name)
        rows = np.array(pipe.execute(), dtype=float)
    middle = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=0)
    found = r.vset().vsim("destinations", np.float32(middle).tobytes(), count=n)
    return [name for name in found if name not in liked]


def check(trial):
    import numpy as np
    import pandas as pd

    import redis_lab.data
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    flights = redis_lab.data.flights()
    counted = pd.concat(
        [
            pd.crosstab(flights["dest"], flights["sched_dep_time"] // 100),
            pd.crosstab(flights["dest"], flights["carrier"]),
        ],
        axis=1,
    )
    names, rows = counted.index.tolist(), np.float32(counted.to_numpy())
    with trial.r.pipeline(transaction=False) as pipe:
        for name, row in zip(names, rows, strict=True):
            pipe.execute_command("VADD", "destinations", "FP32", row.tobytes(), name, "NOQUANT")
        pipe.execute()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def order(middle):
        return [names[n] for n in np.argsort(-(unit @ middle))]

    gaps = Gaps()
    client = trial.client(gaps)

    def asked(liked, n):
        answer = trial.call(client, list(liked), n)
        if isinstance(answer, list | tuple) and all(isinstance(each, str) for each in answer):
            return list(answer)
        raise Refused(f"it answered {answer!r:.90}, no list of destinations")

    again, short, one_sided, largest, seen = [], [], [], [], []
    for liked in (["ORD", "MVY", "HNL"], ["ATL", "EYW", "ANC"], ["LAX", "BHM", "PSP", "BTV"]):
        places = [names.index(name) for name in liked]
        total = unit[places].sum(axis=0)
        fair = [name for name in order(total) if name not in liked][:5]
        loud = [name for name in order(rows[places].sum(axis=0)) if name not in liked][:5]
        got = asked(liked, 5)
        seen.append(gaps.trips)
        gaps.trips = 0
        again += set(got) & set(liked)
        if set(got) & set(liked):
            continue
        short += [] if len(got) == 5 else [f"{len(got)} for {', '.join(liked)}"]
        if got != fair[: len(got)]:
            sentence = f"for {', '.join(liked)} it finds {', '.join(got)}, not {', '.join(fair)}"
            (largest if got == loud else one_sided).append(sentence)
    trial.require(
        not again, "it finds something new", f"it finds {again}, which they liked already"
    )
    trial.expect(
        not largest,
        "a small place says as much as Chicago",
        f"{'; '.join(largest[:1])}: the largest of them decides alone",
    )
    trial.expect(
        not one_sided,
        "what it finds is like all of them together",
        f"{'; '.join(one_sided[:1])}: is that like one of them, or like all?",
    )
    trial.expect(not short, "as many as were asked for", f"fewer than 5: {', '.join(short)}")
    trial.expect(max(seen) <= 2, "two round trips", f"it took {max(seen)} round trips")
    one = asked(["SFO"], 1)
    own = [name for name in order(unit[names.index("SFO")]) if name != "SFO"][:1]
    trial.expect(one == own, "one like is a taste too", f"for SFO alone it finds {one}, not {own}")
