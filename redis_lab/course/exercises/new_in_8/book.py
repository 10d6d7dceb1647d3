"""Seats sold and given back between bounds, one of which may sink."""

NOTEBOOK = "80"
TITLE = "Seats, and a smaller plane"
MIN_VERSION = "8.8"
HINTS = (
    "Since 8.8 one command counts, knows a bound and sets the end. Its reply says what was added.",
    "A group that doesn't fit is refused whole: that is what the command does if you don't ask for "
    "more.",
    "The bound is held against the result. 120 sold on a plane of 100: is 119 allowed? Say only "
    "the bound that this step could cross.",
    "`r.increx(key, byint=count, ex=86400, enx=True, **bound)[1]`, where bound is "
    "`{'ubound': seats}` for a sale and `{'lbound': 0}` for a return.",
)
WHY = (
    "Quotas shrink in production: smaller planes, cheaper plans. A counter above its bound must "
    "still be able to come down, step by step, and by nothing else."
)


def stub(r, flight, count, seats):
    """Sell count seats of this flight's seats, or take back -count; how many were: count or 0."""


def solution(r, flight, count, seats):
    bound = {"ubound": seats} if count > 0 else {"lbound": 0}
    return r.increx(f"sold:{flight}", byint=count, ex=86400, enx=True, **bound)[1]


def wrong_both_bounds(r, flight, count, seats):
    """one could not be given back"""
    return r.increx(
        f"sold:{flight}", byint=count, lbound=0, ubound=seats, ex=86400, enx=True
    )[1]  # fmt: skip


def wrong_saturates(r, flight, count, seats):
    """sits together"""
    bound = {"ubound": seats} if count > 0 else {"lbound": 0}
    return r.increx(f"sold:{flight}", byint=count, saturate=True, ex=86400, enx=True, **bound)[1]


def wrong_saturates_for_one(r, flight, count, seats):
    """seats that were sold are free again"""
    bound = {"ubound": seats} if count > 0 else {"lbound": 0}
    return r.increx(
        f"sold:{flight}", byint=count, saturate=count == 1, ex=86400, enx=True, **bound
    )[1]  # fmt: skip


def wrong_end_slides(r, flight, count, seats):
    """the end moved"""
    bound = {"ubound": seats} if count > 0 else {"lbound": 0}
    return r.increx(f"sold:{flight}", byint=count, ex=86400, **bound)[1]


def wrong_for_ever(r, flight, count, seats):
    """no end"""
    bound = {"ubound": seats} if count > 0 else {"lbound": 0}
    return r.increx(f"sold:{flight}", byint=count, **bound)[1]


def wrong_no_lower_bound(r, flight, count, seats):
    """never sold"""
    bound = {"ubound": seats} if count > 0 else {}
    return r.increx(f"sold:{flight}", byint=count, ex=86400, enx=True, **bound)[1]


def wrong_counter(r, flight, count, seats):
    """how many are sold"""
    bound = {"ubound": seats} if count > 0 else {"lbound": 0}
    return r.increx(f"sold:{flight}", byint=count, ex=86400, enx=True, **bound)[0]


def wrong_count_then_look(r, flight, count, seats):
    """turned away"""
    with r.pipeline() as pipe:
        sold = pipe.incrby(f"sold:{flight}", count).expire(f"sold:{flight}", 86400, nx=True)
        sold = sold.execute()[0]
    if (count > 0 and sold > seats) or sold < 0:
        r.decrby(f"sold:{flight}", count)
        return 0
    return count


def wrong_look_then_count(r, flight, count, seats):
    """sold 101 of 100"""
    after = int(r.get(f"sold:{flight}") or 0) + count
    if (count > 0 and after > seats) or after < 0:
        return 0
    with r.pipeline() as pipe:
        pipe.incrby(f"sold:{flight}", count).expire(f"sold:{flight}", 86400, nx=True).execute()
    return count


def check(trial):
    r, key = trial.r, "sold:UA1545"
    told = [trial.run("UA1545", count, 149) for count in (100, 40, 5)]
    numbers = told == [100, 140, 145]
    trial.require(
        told == [100, 40, 5] and r.get(key) == "145",
        "what fits is sold",
        f"100, 40 and 5 of 149 seats were asked for; it answered {told}, {key} is {r.get(key)}"
        + (": how many are sold, and not how many this call sold" if numbers else ""),
    )
    left = r.ttl(key)
    trial.require(left != -1, "the counter ends by itself", f"{key} has no end")
    trial.expect(86_000 < left <= 86_400, "after a day", f"it has {left:,} s, not 86,400")
    r.expire(key, 1000)
    told = trial.run("UA1545", 5, 149)
    trial.require(
        told == 0 and r.get(key) == "145",
        "a group that doesn't fit gets none",
        f"145 of 149 were sold and 5 were asked for: it answered {told}, {key} is {r.get(key)}. A "
        "group sits together, or not at all",
    )
    told = [trial.run("UA1545", -2, 149), trial.run("UA1545", 6, 149)]
    trial.expect(
        told == [-2, 6] and r.get(key) == "149",
        "two are given back, and a group of six fits",
        f"145 of 149: -2 and 6 were answered with {told}, {key} is {r.get(key)}",
    )
    trial.expect(
        r.ttl(key) <= 1000, "and the end stays", f"the end moved: from 1,000 to {r.ttl(key):,} s"
    )
    for sold, seats in ((120, 100), (30, 20)):
        r.set(key, sold, ex=1000)
        told = trial.run("UA1545", 1, seats)
        lost = ": seats that were sold are free again" if told and told < 0 else ""
        trial.expect(
            told == 0 and r.get(key) == str(sold),
            "on a smaller plane nothing more is sold",
            f"{sold} were sold, the plane has {seats} now, and 1 was asked for: it answered "
            f"{told}, {key} is {r.get(key)}{lost}",
        )
        r.set(key, sold, ex=1000)
        told = trial.run("UA1545", -1, seats)
        trial.expect(
            told == -1 and r.get(key) == str(sold - 1),
            "and returns work as ever",
            f"{sold} were sold, the plane has {seats} now, and "
            + ("one could not be given back" if told == 0 else "one was given back")
            + f": it answered {told}, {key} is {r.get(key)}",
        )
    r.set(key, 1, ex=1000)
    told = trial.run("UA1545", -2, 100)
    trial.expect(
        told == 0 and r.get(key) == "1",
        "what was never sold can't be given back",
        f"1 was sold and 2 came back: it answered {told}, {key} is {r.get(key)}; one of them was "
        "never sold",
    )
    r.set(key, 99, ex=1000)
    rivals = []
    mine = trial.run("UA1545", 1, 100, between=lambda: rivals.append(trial.run("UA1545", 1, 100)))
    sold = 99 + (mine or 0) + sum(rivals)
    trial.expect(
        sold <= 100,
        "two who want the last seat: one gets it",
        f"it sold {sold} of 100: another buyer came between your look and your sale",
    )
    r.set(key, 99, ex=1000)
    rivals = []
    trial.run("UA1545", 5, 100, between=lambda: rivals.append(trial.run("UA1545", 1, 100)))
    trial.expect(
        rivals in ([], [1]),
        "a group that doesn't fit keeps nobody away",
        "99 of 100 were sold, a group of 5 was being refused, and meanwhile one who wanted the "
        "last seat was turned away: it was counted before it was refused",
    )
    with trial.cost() as cost:
        trial.run("B6725", 2, 149)
    number = sum(cost.commands.values())
    trial.expect(
        number == 1 and not cost.indivisible,
        "one command, no script",
        "it is a script, and one new command does the same"
        if cost.commands["eval"] + cost.commands["evalsha"]
        else f"the server ran {number} commands: {', '.join(sorted(cost.commands))}",
    )
