"""Put aside what can never be written, with its reason; wait where the store is away."""

NOTEBOOK = "32"
TITLE = "A row that can't be written"
HINTS = (
    "Two kinds of errors, two answers: catch the one that you were told about, and no other.",
    "Into `dead` and out of `writes` has to be one step: a transaction.",
    "`except ValueError as error:` around `save` alone; `str(error)` is its text.",
    'For a bad row: `pipe.xadd("dead", {**row, "error": str(error)}).xdel("writes", id).execute()`'
    " of `r.pipeline()`.",
)
WHY = (
    "One row that a database refuses must not stop all behind it, and a database that is away must "
    "not send the whole queue to the dead letters. The type of the error decides, so look it up."
)


def stub(r, most, save):
    """Bring the `most` oldest writes to save(key, value), or to `dead`; how many were saved."""


def solution(r, most, save):
    saved = 0
    for id, row in r.xrange("writes", count=most):
        with r.pipeline() as pipe:
            try:
                save(row["key"], row["value"])
                saved += 1
            except ValueError as error:
                pipe.xadd("dead", {**row, "error": str(error)})
            pipe.xdel("writes", id).execute()
    return saved


def wrong_any_error(r, most, save):
    """the store was away"""
    saved = 0
    for id, row in r.xrange("writes", count=most):
        with r.pipeline() as pipe:
            try:
                save(row["key"], row["value"])
                saved += 1
            except Exception as error:
                pipe.xadd("dead", {**row, "error": str(error)})
            pipe.xdel("writes", id).execute()
    return saved


def wrong_two_trips(r, most, save):
    """in both"""
    saved = 0
    for id, row in r.xrange("writes", count=most):
        try:
            save(row["key"], row["value"])
            saved += 1
        except ValueError as error:
            r.xadd("dead", {**row, "error": str(error)})
        r.xdel("writes", id)
    return saved


def wrong_one_trip(r, most, save):
    """cut in two"""
    saved = 0
    for id, row in r.xrange("writes", count=most):
        pipe = r.pipeline(transaction=False)
        try:
            save(row["key"], row["value"])
            saved += 1
        except ValueError as error:
            pipe.xadd("dead", {**row, "error": str(error)})
        pipe.xdel("writes", id).execute()
    return saved


def wrong_other_order(r, most, save):
    """is in neither of them"""
    saved = 0
    for id, row in r.xrange("writes", count=most):
        try:
            save(row["key"], row["value"])
            saved += 1
            r.xdel("writes", id)
        except ValueError as error:
            r.xdel("writes", id)
            r.xadd("dead", {**row, "error": str(error)})
    return saved


def wrong_takes_first(r, most, save):
    """neither saved nor queued"""
    saved = 0
    for id, row in r.xrange("writes", count=most):
        r.xdel("writes", id)
        try:
            save(row["key"], row["value"])
            saved += 1
        except ValueError as error:
            r.xadd("dead", {**row, "error": str(error)})
    return saved


def wrong_stops(r, most, save):
    """waits behind it"""
    saved = 0
    for id, row in r.xrange("writes", count=most):
        try:
            save(row["key"], row["value"])
        except ValueError as error:
            r.pipeline().xadd("dead", {**row, "error": str(error)}).xdel("writes", id).execute()
            break
        r.xdel("writes", id)
        saved += 1
    return saved


def wrong_logs(r, most, save):
    """not in dead"""
    import logging

    saved = 0
    for id, row in r.xrange("writes", count=most):
        try:
            save(row["key"], row["value"])
            saved += 1
        except ValueError as error:
            logging.getLogger("flusher").debug("dropped %s: %s", row, error)
        r.xdel("writes", id)
    return saved


def wrong_no_reason(r, most, save):
    """or why it was refused"""
    saved = 0
    for id, row in r.xrange("writes", count=most):
        with r.pipeline() as pipe:
            try:
                save(row["key"], row["value"])
                saved += 1
            except ValueError:
                pipe.xadd("dead", {**row, "error": "not saved"})
            pipe.xdel("writes", id).execute()
    return saved


def wrong_keeps_quiet(r, most, save):
    """the caller was not told"""
    saved = 0
    for id, row in r.xrange("writes", count=most):
        with r.pipeline() as pipe:
            try:
                save(row["key"], row["value"])
                saved += 1
            except ValueError as error:
                pipe.xadd("dead", {**row, "error": str(error)})
            except Exception:
                break
            pipe.xdel("writes", id).execute()
    return saved


def wrong_goes_past(r, most, save):
    """went on behind it"""
    saved, away = 0, None
    for id, row in r.xrange("writes", count=most):
        with r.pipeline() as pipe:
            try:
                save(row["key"], row["value"])
                saved += 1
            except ValueError as error:
                pipe.xadd("dead", {**row, "error": str(error)})
            except Exception as error:
                away = error
                continue
            pipe.xdel("writes", id).execute()
    if away:
        raise away
    return saved


def wrong_drops_at_the_end(r, most, save):
    """saved and still queued"""
    saved = []
    for id, row in r.xrange("writes", count=most):
        try:
            save(row["key"], row["value"])
            saved.append(id)
        except ValueError as error:
            r.pipeline().xadd("dead", {**row, "error": str(error)}).xdel("writes", id).execute()
    if saved:
        r.xdel("writes", *saved)
    return len(saved)


def check(trial):
    from redis_lab.course.answers import Refused

    flights = ["UA1545", "UA1714", "AA1141", "B6725", "DL461"]
    told = []

    def save(key, value):
        if value == "gone fishing":
            raise ValueError(f"{key} can't be gone fishing")
        told.append(key)

    def queue(**bad):
        told.clear()
        trial.r.delete("writes", "dead")
        for flight in flights:
            trial.r.xadd("writes", {"key": flight, "value": bad.get(flight, "left")})

    def keys(stream):
        return [row.get("key") for _, row in trial.r.xrange(stream)]

    queue()
    given = trial.run(3, save)
    trial.require(
        given == 3 and told == flights[:3],
        "three good rows are saved, in their order",
        f"of five writes three were asked for: it returned {given!r} and saved {told}",
    )
    trial.expect(
        keys("writes") == flights[3:] and not keys("dead"),
        "and leave the queue",
        f"then {keys('writes')} are queued and {keys('dead')} dead",
    )
    queue(UA1714="gone fishing")
    given = trial.run(10, save)
    letters = [row for _, row in trial.r.xrange("dead")]
    behind = [flight for flight in flights[2:] if flight not in told]
    trial.expect(
        not behind,
        "the work goes on behind a bad row",
        f"UA1714 is refused, and {', '.join(behind)} waits behind it",
    )
    trial.require(
        keys("dead") == ["UA1714"] and "UA1714" not in keys("writes"),
        "the bad row is in dead, once",
        f"UA1714 was refused: it is not in dead, where {keys('dead')} are"
        if "UA1714" not in keys("dead")
        else f"in dead there are {keys('dead')}, queued are {keys('writes')}",
    )
    reason = letters[0].get("error", "")
    trial.expect(
        letters[0].get("value") == "gone fishing" and "can't be gone fishing" in reason,
        "with its value and the error's text",
        f"whoever reads {letters[0]} doesn't learn what was wanted, or why it was refused: the "
        "error said 'UA1714 can't be gone fishing'",
    )
    trial.expect(
        behind or (given == 4 and not keys("writes")),
        "the number is that of the saved ones",
        f"four were saved, it returned {given!r}, and {keys('writes')} are queued",
    )
    for after in range(1, 9):
        queue(UA1714="gone fishing")
        if not trial.crash(10, save, after=after):
            break
        queued, dead = keys("writes"), keys("dead")
        gone = [each for each in flights if each not in {*told, *queued, *dead}]
        twice = sorted(set(queued) & set(dead))
        lost = "in neither of them" if gone == ["UA1714"] else "neither saved nor queued"
        trial.expect(
            not gone and not twice,
            f"a death after {after} trips leaves each write in one place",
            f"it died after {after} trips: {', '.join(twice)} is in both"
            if twice
            else f"it died after {after} trips: {', '.join(gone)} is {lost}",
        )
    queue(UA1545="gone fishing")
    with trial.cost() as cost:
        trial.run(1, save)
    trial.expect(
        cost.indivisible,
        "into dead and out of the queue is one step",
        "a death may come while the commands are sent: into dead and out of the queue can be cut "
        "in two",
    )
    for after in (1, 2, 3):
        queue()
        trial.crash(10, save, after=after)
        gone = [each for each in flights if each not in {*told, *keys("writes")}]
        trial.expect(
            not gone,
            f"so too where all are good, after {after} trips",
            f"it died after {after} trips: {', '.join(gone)} is neither saved nor queued",
        )
    for kind in () if behind else (OSError, RuntimeError, KeyError):

        def away(key, value, kind=kind):
            if key == "AA1141":
                raise kind("the store is away")
            save(key, value)

        queue(UA1545="gone fishing")
        said = None
        try:
            given = trial.run(10, away)
        except Refused as refusal:
            said = str(refusal)
        trial.expect(
            said is not None and "the store is away" in said,
            f"{kind.__name__} reaches the caller",
            f"save raised {kind.__name__}, and the caller was not told: it returned {given!r}"
            if said is None
            else said,
        )
        trial.expect(
            keys("dead") == ["UA1545"],
            "only the bad row is dead",
            f"save raised {kind.__name__}: the store was away, and {keys('dead')} are dead letters",
        )
        trial.expect(
            keys("writes")[-3:] == flights[2:] and told == ["UA1714"],
            "that one and all behind it stay where they are",
            f"{kind.__name__} at AA1141, which is neither saved nor queued now"
            if "AA1141" not in [*told, *keys("writes")]
            else f"{kind.__name__} at AA1141, and it went on behind it: {told} are saved, "
            f"{keys('writes')} are queued",
        )
        trial.expect(
            "UA1714" not in {*told} & {*keys("writes")},
            "what was saved before it has left the queue",
            f"{kind.__name__} at AA1141: UA1714 is saved and still queued, it will be saved again",
        )
