"""Move miles between two accounts: look under WATCH, move in MULTI, look again if disturbed."""

NOTEBOOK = "21"
TITLE = "Miles for a friend"
HINTS = (
    "What you read without a WATCH can be old when you move the miles.",
    "`pipe.watch(source)` first, then `pipe.get(source)`, then `pipe.multi()`.",
    "`DECRBY` and `INCRBY` need no look at the target: whatever is paid in there meanwhile stays.",
    "A WatchError says that somebody else was here, not that the miles are missing: a loop looks "
    "again.",
)
WHY = (
    "Every check before a write is this: stock, credit, a quota. The look and the write hold "
    "together by WATCH or they do not hold, and a disturbed attempt is repeated, not refused."
)


def stub(r, source, target, miles):
    """Move miles from one account to the other; False, and nothing moved, if there are too few."""


def solution(r, source, target, miles):
    from redis import WatchError

    with r.pipeline() as pipe:
        while True:
            pipe.watch(source)
            if int(pipe.get(source) or 0) < miles:
                return False
            pipe.multi()
            pipe.decrby(source, miles).incrby(target, miles)
            try:
                pipe.execute()
                return True
            except WatchError:
                continue


def wrong_reads_before_watch(r, source, target, miles):
    """below zero"""
    from redis import WatchError

    while int(r.get(source) or 0) >= miles:
        with r.pipeline() as pipe:
            pipe.watch(source)
            pipe.multi()
            pipe.decrby(source, miles).incrby(target, miles)
            try:
                pipe.execute()
                return True
            except WatchError:
                continue
    return False


def wrong_reads_in_multi(r, source, target, miles):
    """it answered False, and moved them"""
    with r.pipeline() as pipe:
        balance = pipe.get(source).decrby(source, miles).incrby(target, miles).execute()[0]
    return int(balance or 0) >= miles


def wrong_gives_up(r, source, target, miles):
    """though there were enough"""
    from redis import WatchError

    with r.pipeline() as pipe:
        pipe.watch(source)
        if int(pipe.get(source) or 0) < miles:
            return False
        pipe.multi()
        pipe.decrby(source, miles).incrby(target, miles)
        try:
            pipe.execute()
        except WatchError:
            return False
        return True


def wrong_writes_sums(r, source, target, miles):
    """what was paid in meanwhile is gone"""
    from redis import WatchError

    with r.pipeline() as pipe:
        while True:
            pipe.watch(source)
            has, other = (int(value or 0) for value in pipe.mget(source, target))
            if has < miles:
                return False
            pipe.multi()
            pipe.set(source, has - miles).set(target, other + miles)
            try:
                pipe.execute()
                return True
            except WatchError:
                continue


def wrong_no_multi(r, source, target, miles):
    """in neither account"""
    with r.pipeline() as pipe:
        pipe.watch(source)
        if int(pipe.get(source) or 0) < miles:
            return False
        pipe.decrby(source, miles)
        pipe.incrby(target, miles)
    return True


def wrong_takes_then_looks(r, source, target, miles):
    """for a moment"""
    if r.decrby(source, miles) < 0:
        r.incrby(source, miles)
        return False
    r.incrby(target, miles)
    return True


def check(trial):
    source, target = "miles:ann", "miles:bob"

    def fresh(has):
        trial.r.delete(source, target)
        trial.r.mset({source: has, target: 40})

    def balances():
        return [int(value or 0) for value in trial.r.mget(source, target)]

    def move(miles, **options):
        return bool(trial.run(source, target, miles, **options))

    fresh(1000)
    with trial.cost() as cost:
        moved = move(300)
    trial.require(
        moved and balances() == [700, 340],
        "300 of 1,000 miles move",
        f"it answered {moved}, and of 1,000 and 40 miles the accounts now have {balances()}",
    )
    scripts = [name for name in cost.commands if name.startswith(("eval", "fcall"))]
    trial.expect(not scripts, "without a script", f"it called {scripts}: those come in notebook 22")
    moved = move(700)
    trial.expect(
        moved and balances() == [0, 1040],
        "the last mile can be moved",
        f"700 of 700 miles: it answered {moved}, and the accounts have {balances()}",
    )
    fresh(200)
    moved = move(300)
    trial.require(
        not moved and balances() == [200, 40],
        "too few miles stay where they are",
        f"300 of 200 miles: it answered {moved}, and moved them: {balances()}"
        if balances() != [200, 40]
        else "300 of 200 miles: it answered True, and moved nothing",
    )
    trial.r.delete(source)
    moved = move(300)
    trial.expect(
        not moved and set(trial.keyspace()) == {target},
        "an account that does not exist has none",
        f"from no account it answered {moved}, and the keys are {list(trial.keyspace())}",
    )
    for has in (500, 200):  # enough, and too few
        for after in range(1, 6):
            fresh(has)
            seen = []
            move(300, between=lambda seen=seen: seen.append(balances()), after=after)
            told = f"for a moment the accounts had {seen}, of {has} and 40"
            if seen and sum(seen[0]) < has + 40:
                told = f"{told}: miles are in neither account"
            trial.require(
                not seen or (sum(seen[0]) == has + 40 and seen[0][0] >= 0),
                "nobody ever sees miles in neither account",
                told,
            )
    for after in range(1, 6):
        came = []

        def visit(account, miles, after=after, came=came):
            """Whether 300 of 500 moved, while somebody changed that account by so many miles."""

            def rival():
                if int(trial.r.get(account)) + miles >= 0:
                    came.append(trial.r.incrby(account, miles))

            fresh(500)
            came.clear()
            return move(300, between=rival, after=after)

        moved = visit(source, -400)
        if not came:
            break  # it was done before anybody came
        trial.require(
            not moved and balances() == [100, 40],
            "what somebody else spends meanwhile can't be moved",
            "somebody spent 400 of 500 between your trips, and you moved 300"
            + (
                f" all the same, below zero: {balances()}"
                if balances()[0] < 0
                else f": {balances()}"
            )
            if balances() != [100, 40]
            else "somebody spent 400 of 500 between your trips: it moved nothing and answered True",
        )
        moved = visit(source, 7)
        trial.require(
            moved and balances() == [207, 340],
            "who is disturbed tries again",
            f"somebody paid in 7 miles between your trips, and it answered {moved}, though there "
            f"were enough: {balances()}",
        )
        moved = visit(target, 7)
        trial.require(
            moved and balances() == [200, 347],
            "what is paid in at the other end stays",
            f"somebody paid 7 miles to the target between your trips, it answered {moved}, and "
            f"what was paid in meanwhile is gone: {balances()}",
        )
    fresh(1000)
    moved = trial.together([(source, target, 100)] * 16)
    trial.expect(
        sum(map(bool, moved)) == 10 and balances() == [0, 1040],
        "of sixteen at once, ten find 100 of 1,000 miles",
        f"sixteen at once moved 100 of 1,000 miles: {sum(map(bool, moved))} heard True, and the "
        f"accounts have {balances()}",
    )
