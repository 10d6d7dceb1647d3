"""Many calls of one script in one pipeline: the source travels once, and no call is made twice."""

NOTEBOOK = "22"
TITLE = "Five hundred calls, the source once"
HINTS = (
    "In a pipeline you hear of NOSCRIPT when all is over. Can the pipeline see to it itself that "
    "the script is known?",
    "`SCRIPT LOAD` is a command like others: it can be the first of the pipeline.",
    "Between two commands of a pipeline another client may say `SCRIPT FLUSH`; between two of a "
    "transaction, nobody.",
    "redis-py: `pipe.execute_command('SCRIPT LOAD', source)` in `with r.pipeline() as pipe:`, "
    "then `pipe.evalsha(…)` for each call, with the SHA1 of the source from hashlib.",
)
WHY = (
    "A script is known to one server until it restarts, fails over or is told to forget. What "
    "relies on a hash brings the source along, in the same transaction, or can run twice and half."
)


def stub(r, source, calls):
    """Run the script once for each (keys, args) of calls, in order; the list of its replies.

    Two trips at most, whatever the server knew before; the source is not sent for every call.
    """


def solution(r, source, calls):
    import hashlib

    sha = hashlib.sha1(source.encode()).hexdigest()
    with r.pipeline() as pipe:
        pipe.execute_command("SCRIPT LOAD", source)
        for keys, args in calls:
            pipe.evalsha(sha, len(keys), *keys, *args)
        return pipe.execute()[1:]


def wrong_eval_each(r, source, calls):
    """the source went over the line"""
    with r.pipeline() as pipe:
        for keys, args in calls:
            pipe.eval(source, len(keys), *keys, *args)
        return pipe.execute()


def wrong_loads_before(r, source, calls):
    """forgot all scripts after trip 1"""
    sha = r.script_load(source)
    with r.pipeline() as pipe:
        for keys, args in calls:
            pipe.evalsha(sha, len(keys), *keys, *args)
        return pipe.execute()


def wrong_asks_first(r, source, calls):
    """forgot all scripts after trip 1"""
    import hashlib

    sha = hashlib.sha1(source.encode()).hexdigest()
    known = r.script_exists(sha)[0]
    with r.pipeline() as pipe:
        if not known:
            pipe.execute_command("SCRIPT LOAD", source)
        for keys, args in calls:
            pipe.evalsha(sha, len(keys), *keys, *args)
        return pipe.execute()[-len(calls) :]


def wrong_no_transaction(r, source, calls):
    """in the middle of a trip"""
    import hashlib

    sha = hashlib.sha1(source.encode()).hexdigest()
    with r.pipeline(transaction=False) as pipe:
        pipe.execute_command("SCRIPT LOAD", source)
        for keys, args in calls:
            pipe.evalsha(sha, len(keys), *keys, *args)
        return pipe.execute()[1:]


def wrong_one_by_one(r, source, calls):
    """trips for"""
    run = r.register_script(source)
    return [run(keys=keys, args=args) for keys, args in calls]


def wrong_hopes(r, source, calls):
    """NoScriptError"""
    import hashlib

    sha = hashlib.sha1(source.encode()).hexdigest()
    with r.pipeline() as pipe:
        for keys, args in calls:
            pipe.evalsha(sha, len(keys), *keys, *args)
        return pipe.execute()


def wrong_again_on_any_error(r, source, calls):
    """were made twice"""
    import hashlib

    import redis

    sha = hashlib.sha1(source.encode()).hexdigest()
    for _ in range(2):
        with r.pipeline() as pipe:
            for keys, args in calls:
                pipe.evalsha(sha, len(keys), *keys, *args)
            try:
                return pipe.execute()
            except redis.ResponseError:
                r.script_load(source)
    raise RuntimeError("the script fails")


def wrong_pastes(r, source, calls):
    """the source went over the line"""
    with r.pipeline() as pipe:
        for keys, args in calls:
            words = ", ".join(f"'{each}'" for each in args)
            pipe.eval(f"local ARGV = {{{words}}}\n{source}", len(keys), *keys)
        return pipe.execute()


SOURCE = """
-- Count a sale and answer the total.
-- KEYS: 1 the counter. ARGV: 1 how many. Reply: the total. Atomic.
-- This header is as long as that of many a real script, and it travels with every EVAL. It says
-- what the keys are, what the arguments mean, what comes back, and what is promised to whom.
if ARGV[1] == 'broken' then
  redis.call('INCRBY', KEYS[1], 1000)
  return redis.error_reply('ERR no such number of seats')
end
return redis.call('INCRBY', KEYS[1], ARGV[1])
"""


def check(trial):
    import contextlib

    from redis_lab.course.answers import Refused

    def calls(count, key):
        return [([f"{key}:{number % 5}"], [str(number % 7)]) for number in range(count)]

    def truth(asked):
        totals, replies = {}, []
        for (key,), (number,) in asked:
            totals[key] = totals.get(key, 0) + int(number)
            replies.append(totals[key])
        return replies

    def as_list(answer):
        return list(answer) if isinstance(answer, list | tuple) else answer

    def total(key):
        return sum(int(trial.r.get(each) or 0) for each in trial.r.scan_iter(f"{key}:*"))

    trial.r.script_flush()
    asked = calls(20, "first")
    got = as_list(trial.run(SOURCE, asked))
    trial.require(
        got == truth(asked),
        "on a server that never saw the script, twenty calls give twenty replies, in order",
        f"the server did not know the script, and it answered {got!r:.120}",
    )
    asked = calls(500, "many")
    before = trial.r.info("stats")["total_net_input_bytes"]
    with trial.cost() as cost:
        got = as_list(trial.run(SOURCE, asked))
    sent = trial.r.info("stats")["total_net_input_bytes"] - before
    trial.expect(
        got == truth(asked),
        "five hundred calls, once each",
        f"of five hundred calls it answered {got!r:.80}",
    )
    trial.r.script_flush()
    trips = max(trial.trips_of(SOURCE, calls(500, f"trips{known}")) for known in range(2))
    trial.expect(trips <= 2, "in two trips at most", f"it took {trips} trips for 500 calls")
    times = (sent - 500 * 90) / len(SOURCE)
    trial.expect(
        times < 60 or cost.trips > 400,
        "the source is not sent for every call",
        f"the source went over the line about {times:.0f} times for 500 calls",
    )
    for known, after in ((True, 1), (False, 1), (False, 2)):
        trial.r.script_flush()
        if known:
            trial.r.script_load(SOURCE)
        key = f"forgotten{known}{after}"
        asked = calls(50, key)
        try:
            got = as_list(trial.run(SOURCE, asked, between=trial.r.script_flush, after=after))
        except Refused as refusal:
            got = str(refusal)
        right = got == truth(asked) and total(key) == sum(int(number) for _, (number,) in asked)
        if not right:
            break
    trial.expect(
        right,
        "a server that forgets meanwhile loses no call, and makes none twice",
        f"the server forgot all scripts after trip {after}, the counters are at {total(key)} "
        f"instead of {sum(int(number) for _, (number,) in asked)}, and it answered {got!r:.120}",
    )
    trial.r.script_load(SOURCE)
    asked = calls(50, "halves")
    try:
        got = as_list(trial.call(_forgetful(trial), SOURCE, asked))
    except Refused as refusal:
        got = str(refusal)
    trial.expect(
        got == truth(asked) or not right,
        "nor one that forgets in the middle of a trip",
        "another client said SCRIPT FLUSH when half of a pipeline had arrived, in the middle of a "
        f"trip, and it answered {got!r:.120}",
    )
    trial.r.script_load(SOURCE)
    broken = [*calls(3, "broken"), (["broken:0"], ["broken"]), *calls(3, "broken")]
    with contextlib.suppress(Refused):
        trial.run(SOURCE, broken)
    counted = total("broken")
    trial.expect(
        counted in (1006, 1003),
        "a script that fails is not run again",
        f"one call of seven failed, and the counters are at {counted}, not 1,006: calls were made "
        "twice",
    )


def _forgetful(trial):
    """A client whose long writes arrive in halves; the server forgets its scripts in between."""
    client = trial.client()
    pool = client.connection_pool

    class Halves(pool.connection_class):
        def send_packed_command(self, command, *args, **kwargs):
            whole = command if isinstance(command, bytes) else b"".join(command)
            half = len(whole) // 2 if len(whole) > 2000 else 0
            if half:
                before = arrived()
                super().send_packed_command([whole[:half]], *args, **kwargs)
                while arrived() < before + half:
                    pass
                trial.r.script_flush()
            super().send_packed_command([whole[half:]], *args, **kwargs)

    def arrived():
        return trial.r.info("stats")["total_net_input_bytes"]

    pool.disconnect()
    pool.connection_class = Halves
    pool.reset()
    return client
