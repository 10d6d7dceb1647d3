"""All accounts pay or none does: what EXEC would not take back is looked at before, under WATCH."""

NOTEBOOK = "21"
TITLE = "All of them or none"
HINTS = (
    "EXEC takes nothing back. So everything that could fail must be known before `multi()`.",
    "`pipe.watch(*accounts)` guards them all; then one `pipe.mget(accounts)` looks at them.",
    "`MGET` answers None for a key that is missing, and for one that holds a list or a hash.",
    "`int(None)` is a TypeError, `int('12.5')` a ValueError: neither account can pay.",
)
WHY = (
    "Redis rolls nothing back: it assumes that a command which fails at EXEC is a mistake in the "
    "program. Where the data may be wrong, the check is yours, and WATCH keeps it true until EXEC."
)


def stub(r, accounts, cents):
    """Take so many cents from each account: True; or from none, if one can't pay: False."""


def solution(r, accounts, cents):
    from redis import WatchError

    with r.pipeline() as pipe:
        while True:
            pipe.watch(*accounts)
            try:
                enough = min(int(value) for value in pipe.mget(accounts)) >= cents
            except (TypeError, ValueError):
                return False
            if not enough:
                return False
            pipe.multi()
            for account in accounts:
                pipe.decrby(account, cents)
            try:
                return bool(pipe.execute())
            except WatchError:
                continue


def wrong_trusts_exec(r, accounts, cents):
    """the others had paid"""
    from redis import ResponseError, WatchError

    with r.pipeline() as pipe:
        while True:
            pipe.watch(*accounts)
            values = [value for value in pipe.mget(accounts) if value and value.isdigit()]
            if any(int(value) < cents for value in values):
                return False
            pipe.multi()
            for account in accounts:
                pipe.decrby(account, cents)
            try:
                pipe.execute()
                return True
            except WatchError:
                continue
            except ResponseError:
                return False


def wrong_gives_back(r, accounts, cents):
    """for a moment"""
    paid = []
    for account in accounts:
        try:
            if not r.exists(account) or r.decrby(account, cents) < 0:
                if r.exists(account):
                    r.incrby(account, cents)
                break
        except Exception:
            break
        paid.append(account)
    else:
        return True
    for account in paid:
        r.incrby(account, cents)
    return False


def wrong_watches_the_first(r, accounts, cents):
    """below zero"""
    from redis import WatchError

    with r.pipeline() as pipe:
        while True:
            pipe.watch(accounts[0])
            try:
                if min(int(value) for value in pipe.mget(accounts)) < cents:
                    return False
            except (TypeError, ValueError):
                return False
            pipe.multi()
            for account in accounts:
                pipe.decrby(account, cents)
            try:
                return bool(pipe.execute())
            except WatchError:
                continue


def wrong_missing_is_zero(r, accounts, cents):
    """it raised"""
    from redis import WatchError

    with r.pipeline() as pipe:
        while True:
            pipe.watch(*accounts)
            if min(int(pipe.get(account) or 0) for account in accounts) < cents:
                return False
            pipe.multi()
            for account in accounts:
                pipe.decrby(account, cents)
            try:
                return bool(pipe.execute())
            except WatchError:
                continue


def wrong_gives_up(r, accounts, cents):
    """all of them could pay"""
    from redis import WatchError

    with r.pipeline() as pipe:
        pipe.watch(*accounts)
        try:
            if min(int(value) for value in pipe.mget(accounts)) < cents:
                return False
        except (TypeError, ValueError):
            return False
        pipe.multi()
        for account in accounts:
            pipe.decrby(account, cents)
        try:
            return bool(pipe.execute())
        except WatchError:
            return False


def check(trial):
    accounts = [f"cents:{name}" for name in ("ann", "bob", "cid")]

    def fresh(**other):
        """Each account has 500, bob's what the caller says."""
        trial.r.delete(*accounts)
        trial.r.mset(dict.fromkeys(accounts, 500))
        for kind, value in other.items():
            trial.r.delete(accounts[1])
            if kind == "list":
                trial.r.rpush(accounts[1], *value)
            elif kind == "text":
                trial.r.set(accounts[1], value)

    def balances():
        return trial.r.mget(accounts)

    def charge(cents, **options):
        return bool(trial.run(accounts, cents, **options))

    fresh()
    with trial.cost() as cost:
        paid = charge(200)
    trial.require(
        paid and balances() == ["300"] * 3,
        "three who can pay have paid",
        f"each had 500, 200 were due; it answered {paid}, and they have {balances()}",
    )
    scripts = [name for name in cost.commands if name.startswith(("eval", "fcall"))]
    trial.expect(not scripts, "without a script", f"it called {scripts}: those come in notebook 22")
    paid = charge(300)
    trial.expect(
        paid and balances() == ["0"] * 3,
        "also the last cent",
        f"each had 300, 300 were due; it answered {paid}, and they have {balances()}",
    )
    cases = {
        "has too little": {"text": 199},
        "does not exist": {"none": 0},
        "holds 12.5, no whole number": {"text": "12.5"},
        "is a list": {"list": ["500"]},
    }
    for what, other in cases.items():
        fresh(**other)
        before = trial.keyspace(), balances()
        paid = charge(200)
        now = balances()
        trial.require(
            (trial.keyspace(), now) == before,
            f"if one {what}, nobody pays",
            f"the second account {what}; it answered {paid}, and the others had paid: {now}"
            if now[0] != "500" or now[2] != "500"
            else f"the second account {what}, and was changed: {before[1]} became {now}",
        )
        trial.expect(
            not paid, "and the answer is False", f"the second account {what}: it answered True"
        )
        for after in range(1, 7):
            fresh(**other)
            seen = []
            charge(200, between=lambda seen=seen: seen.append(balances()), after=after)
            trial.require(
                not seen or seen[0] == before[1],
                "nor for a moment",
                f"the second account {what}; for a moment others saw {seen}: the first had paid",
            )
    for after in range(1, 7):
        came = []

        def visit(account, cents, after=after, came=came):
            """Whether 200 were paid while somebody changed that account by so many cents."""

            def rival():
                if trial.r.get(account) == "500":
                    came.append(trial.r.incrby(account, cents))

            fresh()
            came.clear()
            return charge(200, between=rival, after=after)

        paid = visit(accounts[2], -400)
        if not came:
            break
        trial.require(
            not paid and balances() == ["500", "500", "100"],
            "what somebody spends meanwhile can't be taken",
            f"somebody spent 400 of the third account's 500 between your trips; it answered "
            f"{paid}, and they have {balances()}"
            + (": below zero" if int(balances()[2]) < 0 else ""),
        )
        paid = visit(accounts[0], 7)
        trial.require(
            paid and balances() == ["307", "300", "300"],
            "who is disturbed tries again",
            f"somebody paid 7 cents in between your trips, and it answered {paid} though all of "
            f"them could pay: {balances()}",
        )
    fresh()
    paid = trial.together([(accounts, 50)] * 16)
    trial.expect(
        sum(map(bool, paid)) == 10 and balances() == ["0"] * 3,
        "of sixteen at once, ten find 50 of 500 cents",
        f"sixteen at once took 50 of 500 cents: {sum(map(bool, paid))} heard True, and the "
        f"accounts have {balances()}",
    )
