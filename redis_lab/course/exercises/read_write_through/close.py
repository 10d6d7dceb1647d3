"""Close the race: a reader that never leaves an answer which a writer has overtaken."""

NOTEBOOK = "31"
TITLE = "Close the race"
HINTS = (
    "What you read before you ask must be something that a writer's `DEL` takes away.",
    "On a miss, leave a claim before you ask: `SET claim:… <token> NX PX 5000`.",
    "The store must look at the claim and write in one moment. That is a script of four lines.",
    "The token: `secrets.token_hex(8)`, so that nobody takes another's claim for his own.",
    "`if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end`, then `SET KEYS[1] … EX 60`.",
)
WHY = (
    "The race needs no bad luck, only a slow question and a busy key. A claim that dies with the "
    "deletion closes it, whatever the reader is late for: a query, a pause of the garbage "
    "collector, a lost packet."
)


def stub(r, plane, load):
    """The answer of load(plane), from Redis where it is there; nothing overtaken is kept."""


def solution(r, plane, load):
    import json
    import secrets

    key, claim, token = f"plane:{plane}", f"claim:{plane}", secrets.token_hex(8)
    if text := r.get(key):
        return json.loads(text)
    r.set(claim, token, nx=True, px=5000)
    answer = load(plane)
    script = """if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
        redis.call('DEL', KEYS[2])
        return redis.call('SET', KEYS[1], ARGV[2], 'EX', 60)"""
    r.eval(script, 2, key, claim, token, json.dumps(answer))
    return answer


def wrong_late(r, plane, load):
    """while it was asked"""
    import json

    if text := r.get(f"plane:{plane}"):
        return json.loads(text)
    answer = load(plane)
    r.set(f"plane:{plane}", json.dumps(answer), ex=60, nx=True)
    return answer


def wrong_looks_first(r, plane, load):
    """between its look and its store"""
    import json
    import secrets

    key, claim, token = f"plane:{plane}", f"claim:{plane}", secrets.token_hex(8)
    if text := r.get(key):
        return json.loads(text)
    r.set(claim, token, nx=True, px=5000)
    answer = load(plane)
    if r.get(claim) == token:
        r.set(key, json.dumps(answer), ex=60)
        r.delete(claim)
    return answer


def wrong_one_token(r, plane, load):
    """another reader's claim"""
    import json

    key, claim = f"plane:{plane}", f"claim:{plane}"
    if text := r.get(key):
        return json.loads(text)
    r.set(claim, "busy", nx=True, px=5000)
    answer = load(plane)
    script = """if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
        redis.call('DEL', KEYS[2])
        return redis.call('SET', KEYS[1], ARGV[2], 'EX', 60)"""
    r.eval(script, 2, key, claim, "busy", json.dumps(answer))
    return answer


def wrong_immortal_claim(r, plane, load):
    """for ever"""
    import json
    import secrets

    key, claim, token = f"plane:{plane}", f"claim:{plane}", secrets.token_hex(8)
    if text := r.get(key):
        return json.loads(text)
    r.set(claim, token, nx=True)
    answer = load(plane)
    script = """if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
        redis.call('DEL', KEYS[2])
        return redis.call('SET', KEYS[1], ARGV[2], 'EX', 60)"""
    r.eval(script, 2, key, claim, token, json.dumps(answer))
    return answer


def wrong_waits(r, plane, load):
    """it waits"""
    import json
    import secrets
    import time

    key, claim, token = f"plane:{plane}", f"claim:{plane}", secrets.token_hex(8)
    for _ in range(50):
        if text := r.get(key):
            return json.loads(text)
        if r.set(claim, token, nx=True, px=5000):
            break
        time.sleep(0.01)
    answer = load(plane)
    script = """if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
        redis.call('DEL', KEYS[2])
        return redis.call('SET', KEYS[1], ARGV[2], 'EX', 60)"""
    r.eval(script, 2, key, claim, token, json.dumps(answer))
    return answer


def check(trial):
    database, loads = {}, []

    def load(plane):
        loads.append(plane)
        return {"flights": 575, "minutes": database.setdefault(plane, 100)}

    def write(plane):
        """What every writer does: the database, then one DEL."""
        database[plane] = database.setdefault(plane, 100) + 1
        trial.r.delete(f"plane:{plane}", f"claim:{plane}")

    def right(plane):
        return {"flights": 575, "minutes": database.setdefault(plane, 100)}

    def shown(plane):
        """What the next reader sees, and whether that is what the database has."""
        answer = trial.run(plane, load)
        return answer, answer == right(plane)

    first = trial.run("N725MQ", load)
    trial.require(
        first == right("N725MQ"),
        "a miss gives what load() gave",
        f"load() gave {right('N725MQ')}, you {first}",
    )
    asked = len(loads)
    again = trial.run("N725MQ", load)
    trial.require(
        again == first and len(loads) == asked,
        "the second call is answered from Redis",
        f"the second call gave {again}, and asked load() {len(loads) - asked} times",
    )
    hit = trial.trips_of("N725MQ", load)
    trial.expect(hit == 1, "a hit is one trip", f"a hit took {hit} trips")
    write("N725MQ")
    again, fresh = shown("N725MQ")
    trial.expect(
        fresh,
        "after a writer's DEL the new answer is given",
        f"a writer corrected; it gave {again}",
    )

    def overtaken(plane):
        old = load(plane)
        write(plane)
        return old

    trial.run("N1", overtaken)
    answer, fresh = shown("N1")
    trial.require(
        fresh,
        "a question that a writer overtakes leaves nothing behind",
        f"a writer came while it was asked, and its answer was stored after the DEL: {answer}",
    )
    for after in (1, 2, 3, 4):
        plane = f"N2{after}"
        trial.run(plane, load, between=lambda: write(plane), after=after)  # noqa: B023
        answer, fresh = shown(plane)
        trial.expect(
            fresh,
            f"a writer in the gap after {after} trips leaves nothing old",
            f"a writer came after {after} trips, between its look and its store, and the old "
            f"answer stayed: {answer}",
        )
    for after in (1, 2):
        plane = f"N3{after}"

        def overtaken_twice(plane, after=after):
            old = load(plane)
            write(plane)
            trial.crash(plane, load, after=after)  # another reader, who has got so far
            return old

        trial.run(plane, overtaken_twice)
        answer, fresh = shown(plane)
        trial.expect(
            fresh,
            f"another reader who came after the writer, by {after} trips, changes nothing",
            f"it stored an overtaken answer under another reader's claim: {answer}",
        )
    for after in (1, 2, 3):
        plane = f"N4{after}"
        trial.crash(plane, load, after=after)
        answer, fresh = shown(plane)
        trial.expect(
            fresh,
            f"a reader that dies after {after} trips keeps nobody from an answer",
            f"after a reader's death the next one got {answer}",
        )
        immortal = [key for key, (_, left) in trial.keyspace().items() if left is None]
        trial.expect(
            not immortal,
            "and nothing that it left lives for ever",
            f"after a reader's death this is left, and lives for ever: {immortal}",
        )
    claims = [left for key, (_, left) in trial.keyspace().items() if not key.startswith("plane:")]
    longest = max((left or 0 for left in claims), default=0)
    trial.expect(longest <= 10, "a claim ends within 10 s", f"one has {longest:.0f} s")
    longest = max((left or 0 for _, left in trial.keyspace().values()), default=0)
    trial.expect(longest <= 60, "an answer lives for 60 s at most", f"one has {longest:.0f} s")

    def met(plane):
        trips.append(trial.trips_of(plane, load))
        if trips[-1] <= 10:
            others.append(trial.run(plane, load))
        return load(plane)

    trips: list = []
    others: list = []
    answer = trial.run("N5", met)
    trial.require(
        max(trips, default=0) <= 10,
        "of two readers at once neither waits for the other",
        f"while another reader was asking, it made {max(trips, default=0)} trips: it waits",
    )
    trial.expect(
        [answer, *others] == [right("N5")] * 2,
        "and both get the answer",
        f"two readers at once got {answer} and {others}",
    )
    asked = len(loads)
    trial.run("N5", load)
    trial.expect(
        len(loads) == asked,
        "and it is kept",
        "after two readers at once nothing was kept: load() is asked again",
    )
