"""Recommend a route: a filter that few pass, and names that must not come back."""

NOTEBOOK = "13"
TITLE = "Recommend a route"
HINTS = (
    "Who is the first neighbour of the one they liked? And how many must you ask for, so that "
    "three are left when those they know are taken away?",
    "A filter can't see the name of an element. Ask for 3, 1 and `len(been)` together, and drop "
    "names in Python.",
    "Where few are near enough, the search gives up early: `TRUTH`, or a large `FILTER-EF`.",
    '`r.vset().vsim("destinations", liked, count=len(been) + 4, filter=f".miles <= {miles}", '
    "truth=True)`",
)
WHY = (
    "A recommendation that comes back short looks like an empty shelf, and nobody gets an error. "
    "Filters that few pass are the rule in shops: in stock, in your size, near you."
)
MIN_VERSION = "8.0"
MODULES = ("vectorset",)


def stub(r, liked, been, miles):
    """Three destinations most like `liked`, within so many miles, not in `been`, nearest first."""


def solution(r, liked, been, miles):
    near = f".miles <= {miles}"
    count = len(been) + 4
    found = r.vset().vsim("destinations", liked, count=count, filter=near, truth=True)
    return [name for name in found if name != liked and name not in been][:3]


def wrong_counts_itself(r, liked, been, miles):
    """has been there"""
    near = f".miles <= {miles}"
    count = len(been) + 4
    found = r.vset().vsim("destinations", liked, count=count, filter=near, truth=True)
    return [name for name in found if name not in been][:3]


def wrong_goes_there_again(r, liked, been, miles):
    """has been there"""
    near = f".miles <= {miles}"
    found = r.vset().vsim("destinations", liked, count=4, filter=near, truth=True)
    return [name for name in found if name != liked][:3]


def wrong_three_and_no_more(r, liked, been, miles):
    """takes away what"""
    near = f".miles <= {miles}"
    found = r.vset().vsim("destinations", liked, count=4, filter=near, truth=True)
    return [name for name in found if name != liked and name not in been][:3]


def wrong_gives_up_early(r, liked, been, miles):
    """the search gave up"""
    near = f".miles <= {miles}"
    found = r.vset().vsim("destinations", liked, count=len(been) + 4, filter=near)
    return [name for name in found if name != liked and name not in been][:3]


def wrong_looks_at_fifty(r, liked, been, miles):
    """the search gave up"""
    near = r.vset().vsim("destinations", liked, count=50, with_attribs=True)
    found = [name for name, said in near.items() if said["miles"] <= miles]
    return [name for name in found if name != liked and name not in been][:3]


def wrong_brings_all(r, liked, been, miles):
    """the whole set"""
    size = 10_000
    near = r.vset().vsim("destinations", liked, count=size, with_attribs=True, truth=True)
    found = [name for name, said in near.items() if said["miles"] <= miles]
    return [name for name in found if name != liked and name not in been][:3]


def wrong_below_not_at(r, liked, been, miles):
    """exactly that far"""
    near = f".miles < {miles}"
    count = len(been) + 4
    found = r.vset().vsim("destinations", liked, count=count, filter=near, truth=True)
    return [name for name in found if name != liked and name not in been][:3]


def check(trial):
    import json

    import numpy as np

    from redis_lab.course.answers import Refused

    rng = np.random.default_rng(13)
    names = [f"D{n:04}" for n in range(2000)]
    rows = np.float32(rng.normal(size=(2000, 8)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    liked = 7
    order = np.argsort(-(rows @ rows[liked]))
    miles = np.full(2000, 2500)
    miles[order[1:40]] = 900
    miles[order[2]] = 2500
    miles[order[-6:]] = 200
    with trial.r.pipeline(transaction=False) as pipe:
        for name, row, far in zip(names, rows, miles.tolist(), strict=True):
            said = json.dumps({"miles": far})
            options = ("NOQUANT", "SETATTR", said)
            pipe.execute_command("VADD", "destinations", "FP32", row.tobytes(), name, *options)
        pipe.execute()

    def asked(been, within):
        answer = trial.run(names[liked], [names[n] for n in been], within)
        if isinstance(answer, list | tuple) and all(isinstance(each, str) for each in answer):
            return list(answer)
        raise Refused(f"it answered {answer!r:.90}, no list of destinations")

    def right(been, within):
        fits = [n for n in order if miles[n] <= within and n != liked and n not in been]
        return [names[n] for n in fits[:3]]

    any_distance = asked([], 3000)
    trial.require(
        names[liked] not in any_distance,
        "it recommends something new",
        f"it recommends {names[liked]}, which they liked: the passenger has been there",
    )
    trial.require(
        any_distance == right([], 3000),
        "the three most alike come first",
        f"it recommends {any_distance}; most alike are {right([], 3000)}",
    )
    edge = asked([], 2500)
    trial.expect(
        edge == right([], 2500),
        "as far as the passenger will fly, and no farther",
        f"with a limit of 2,500 miles it recommends {edge}, not {right([], 2500)}: most are "
        "exactly that far",
    )
    been = [int(n) for n in order[1:25]]
    again = asked(been, 1000)
    trial.expect(
        not set(again) & {names[n] for n in been},
        "nothing they have seen",
        f"it recommends {again}: the passenger has been there",
    )
    trial.expect(
        again == right(been, 1000) or len(again) == 3,
        "three, though they know the 24 nearest",
        f"it recommends {again}: three were asked for"
        if len(again) > 3
        else f"it recommends {again}: it takes away what they know, and what is left is fewer than "
        f"three, though {right(been, 1000)} exist",
    )
    few = asked([], 250)
    trial.expect(
        few == right([], 250),
        "three, though few are within 250 miles and far from alike",
        f"within 250 miles it recommends {few}, not {right([], 250)}"
        + (
            ". Those are far from alike, and the search gave up, or was cut short, before it "
            "reached them"
            if len(few) < 3
            else ": the first of the list need not be the one they liked, which may be too far away"
            if len(few) == 3
            else ": three were asked for"
        ),
    )
    with trial.cost() as cost:
        asked(been, 1000)
    asking = -_sent(trial.r) + _sent(trial.r)
    before = _sent(trial.r)
    asked(been, 1000)
    kilobytes = (_sent(trial.r) - before - asking) / 1000
    number = sum(cost.commands.values())
    trial.expect(number == 1, "one command", f"the server ran {number}: {dict(cost.commands)}")
    trial.expect(
        kilobytes < 20,
        "which brings few names",
        f"the server sent {kilobytes:.0f} KB for three names: the whole set",
    )


def _sent(client):
    return int(client.info("stats")["total_net_output_bytes"])
