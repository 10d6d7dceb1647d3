"""Back-pressure: a put that refuses above a limit, and counts what is held too."""

NOTEBOOK = "51"
TITLE = "A queue that says no"
HINTS = (
    "Whoever looks first and puts then has a gap, and in it stand all the others.",
    "Taking back what was too many comes too late: a worker may have it, or it was not yours.",
    "Count two lists and push in one script; or WATCH both, and try again when EXEC refuses.",
    "`if LLEN of KEYS[1] + LLEN of KEYS[2] >= tonumber(ARGV[2]) then return 0 end`, then `RPUSH`.",
)
WHY = (
    "A queue without a limit answers overload with waiting, then with memory, then with the end "
    "of the server. A refusal comes at once, at the place where somebody can still do something "
    "about it. What is held counts too: it comes back when its worker dies."
)
WAITING, TAKEN = "{jobs}:waiting", "{jobs}:taken"


def stub(r, job, limit):
    """True if job was appended to {jobs}:waiting; False if limit wait or are in {jobs}:taken."""


def solution(r, job, limit):
    source = """
        local unfinished = redis.call('LLEN', KEYS[1]) + redis.call('LLEN', KEYS[2])
        if unfinished >= tonumber(ARGV[2]) then return 0 end
        redis.call('RPUSH', KEYS[1], ARGV[1])
        return 1
    """
    return r.eval(source, 2, "{jobs}:waiting", "{jobs}:taken", job, limit) == 1


def wrong_looks_first(r, job, limit):
    """came in between"""
    with r.pipeline() as pipe:
        if sum(pipe.llen("{jobs}:waiting").llen("{jobs}:taken").execute()) >= limit:
            return False
    r.rpush("{jobs}:waiting", job)
    return True


def wrong_forgets_the_held(r, job, limit):
    """jobs that are held"""
    source = """
        if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
        return redis.call('RPUSH', KEYS[1], ARGV[1])
    """
    return r.eval(source, 1, "{jobs}:waiting", job, limit) > 0


def wrong_trims(r, job, limit):
    """that had been accepted is gone"""
    with r.pipeline() as pipe:
        pipe.rpush("{jobs}:waiting", job).ltrim("{jobs}:waiting", -limit, -1).execute()
    return True


def wrong_takes_back(r, job, limit):
    """a worker saw a job that was refused"""
    with r.pipeline() as pipe:
        pipe.rpush("{jobs}:waiting", job).llen("{jobs}:taken")
        if sum(pipe.execute()) <= limit:
            return True
    r.lrem("{jobs}:waiting", -1, job)
    return False


def wrong_one_too_many(r, job, limit):
    """one more than the limit"""
    source = """
        local unfinished = redis.call('LLEN', KEYS[1]) + redis.call('LLEN', KEYS[2])
        if unfinished > tonumber(ARGV[2]) then return 0 end
        redis.call('RPUSH', KEYS[1], ARGV[1])
        return 1
    """
    return r.eval(source, 2, "{jobs}:waiting", "{jobs}:taken", job, limit) == 1


def wrong_pushes_left(r, job, limit):
    """not at the right"""
    source = """
        local unfinished = redis.call('LLEN', KEYS[1]) + redis.call('LLEN', KEYS[2])
        if unfinished >= tonumber(ARGV[2]) then return 0 end
        redis.call('LPUSH', KEYS[1], ARGV[1])
        return 1
    """
    return r.eval(source, 2, "{jobs}:waiting", "{jobs}:taken", job, limit) == 1


def wrong_counter_beside(r, job, limit):
    """a counter that workers know nothing of"""
    if r.incr("{jobs}:count") > limit:
        r.decr("{jobs}:count")
        return False
    r.rpush("{jobs}:waiting", job)
    return True


def check(trial):
    import redis_lab.data

    flights = redis_lab.data.flights(limit=60).id.tolist()

    def fill(waiting, taken=0):
        trial.r.delete("none", *trial.r.scan_iter())
        for key, jobs in ((WAITING, flights[:waiting]), (TAKEN, flights[30 : 30 + taken])):
            if jobs:
                trial.r.rpush(key, *jobs)

    def waiting():
        return trial.r.lrange(WAITING, 0, -1)

    def unfinished():
        return trial.r.llen(WAITING) + trial.r.llen(TAKEN)

    fill(0)
    given = [trial.run(job, 4) for job in flights[:3]]
    trial.require(
        given == [True] * 3, "with room it is True", f"three puts under a limit of 4 gave {given}"
    )
    trial.require(
        waiting() == flights[:3],
        "the job stands at the right",
        f"the job is not at the right of {WAITING}: there is {waiting()}",
    )
    trial.run(flights[3], 4)
    given = trial.run(flights[4], 4)
    lost = [job for job in flights[:4] if job not in waiting()]
    trial.require(
        not lost,
        "what was accepted stays",
        f"with four of four places used, {lost[:1]} that had been accepted is gone: workers will "
        "never see it",
    )
    trial.require(
        given is False and waiting() == flights[:4],
        "a full queue is False, and unchanged",
        f"with four of four places used it gave {given!r}, and {len(waiting())} wait: "
        "one more than the limit",
    )
    fill(1, 3)
    given = trial.run(flights[9], 4)
    trial.expect(
        given is False and unfinished() == 4,
        "jobs that are held count",
        f"one waits, three are held, the limit is 4, and it gave {given!r}: "
        "jobs that are held come back when their worker dies",
    )
    fill(3, 1)
    trial.r.lpop(WAITING), trial.r.delete(TAKEN)
    given = trial.run(flights[9], 3), trial.run(flights[10], 3)
    trial.expect(
        given == (True, False),
        "a job that is done makes room",
        f"two wait, the limit is 3; two puts gave {given}",
    )
    fill(0)
    for job in flights[:4]:
        trial.run(job, 4)
    trial.r.lpop(WAITING, 4)
    given = trial.run(flights[9], 4)
    trial.expect(
        given is True,
        "also when it was put by this function",
        f"four were put and done, and the next one gave {given!r}: it trusts "
        "a counter that workers know nothing of",
    )
    for after in (1, 2, 3):
        fill(3)
        rival = []
        mine = trial.run(
            flights[9],
            4,
            after=after,
            between=lambda rival=rival: rival.append(trial.run(flights[8], 4)),
        )
        trial.expect(
            unfinished() <= 4,
            "nobody comes in between",
            f"one place was left, another producer came in between, and {unfinished()} are "
            "unfinished where 4 may be",
        )
        kept = {flights[9]: mine, flights[8]: rival[0] if rival else False}
        trial.expect(
            all((job in waiting()) == bool(said) for job, said in kept.items()),
            "what each was told is so",
            f"two producers and one place: told {kept}, and there is {waiting()[3:]}",
        )
        fill(4)
        seen = []
        trial.run(
            flights[9],
            4,
            after=after,
            between=lambda seen=seen: seen.extend(trial.r.lpop(WAITING, 9) or ()),
        )
        trial.expect(
            flights[9] not in seen,
            "a job that is refused is never seen",
            f"the queue was full; between two trips a worker saw a job that was refused: "
            f"{flights[9]}",
        )
    for used in (3, 4):
        for after in range(1, 6):
            fill(used)
            if not trial.crash(flights[9], 4, after=after):
                break
            trial.expect(
                unfinished() <= 4,
                "so too when a producer dies",
                f"a producer died after {after} trips, and {unfinished()} are unfinished of 4",
            )
    fill(0, 2)
    told = trial.together([(job, 10) for job in flights[:24]])
    accepted = {job for job, said in zip(flights, told, strict=False) if said}
    trial.expect(
        len(accepted) == 8 and set(waiting()) == accepted and trial.r.llen(WAITING) == 8,
        "24 producers at once fill it to the limit",
        f"two were held, the limit is 10: of 24 at once {len(accepted)} were told True, and "
        f"{trial.r.llen(WAITING)} wait",
    )
