"""Exercises prove themselves, and a check survives whatever an answer does to it."""

import _thread
import contextlib
import gc
import inspect
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import redis_lab as rl
from redis_lab.course import answers
from redis_lab.course.exercise import Exercise, find, ids, judge
from redis_lab.course.gaps import mortal
from redis_lab.course.trial import Gaps, Trial
from redis_lab.course.verify import verify, verify_all
from redis_lab.lab.backends import servers_here

TICKET = find("strings.ticket")
KEPT: list[object] = []


@pytest.fixture
def trial():
    """A trial of an answer on a standalone server; call it with the answer."""
    with rl.standalone() as lab:
        trials = []

        def start(answer, seconds=5.0):
            trials.append(Trial(answer, lab, seconds))
            return trials[-1]

        yield start
        for each in trials:
            each.end()


@pytest.mark.parametrize("name", ids())
def test_an_exercise_proves_itself(name):
    """The stub fails, the solution passes, each wrong answer is refused for its own reason.

    What needs more than the servers here is proved in containers: tests/test_docker_exercises.py.
    """
    exercise = find(name)
    lacks = [each.lacks(exercise.min_version, exercise.modules) for each in servers_here()]
    if all(lacks):
        pytest.skip(f"{name}: the server {lacks[0]}")
    assert verify(exercise) == []


@pytest.mark.parametrize("name", ids())
def test_an_exercise_has_all_its_parts(name):
    """Three hints, two wrong answers, a lesson; one name and signature for all its functions."""
    exercise = find(name)
    assert len(exercise.hints) >= 3 and len(set(exercise.hints)) == len(exercise.hints)
    assert len(exercise.wrong) >= 2
    assert exercise.title and exercise.why and inspect.getdoc(exercise.stub)
    assert all(len(inspect.getdoc(wrong)) >= 5 for wrong in exercise.wrong.values())
    takes = inspect.signature(exercise.stub)
    for function in (exercise.solution, *exercise.wrong.values()):
        assert inspect.signature(function) == takes
        assert re.match(rf"(def|class) {exercise.name}\b", exercise.source(function))
        assert len(exercise.source(function).splitlines()) <= 25


def broken(**changes):
    parts = {name: getattr(TICKET, name) for name in Exercise.__dataclass_fields__}
    return Exercise(**{**parts, **changes})


def test_verify_finds_each_kind_of_fault():
    """A passing stub, a failing solution, a passing wrong answer, a refusal for another reason."""

    def wrong_reason(r, desk):
        """the moon is full"""
        return r.incr(desk)

    assert verify(broken(stub=TICKET.solution)) == ["the stub passes"]
    assert "the solution does not pass" in verify(broken(solution=TICKET.stub))[0]
    passing = broken(wrong={"wrong_but_right": TICKET.solution})
    assert verify(passing) == ["wrong_but_right passes"]
    (fault,) = verify(broken(wrong={"wrong_reason": wrong_reason}))
    assert fault.startswith("wrong_reason is refused, but not for 'the moon is full'")


def test_a_check_that_looks_at_nothing_passes_nobody():
    """Without a finding there is no pass: an empty check is a fault that verify sees."""
    faults = verify(broken(check=lambda trial: None, wrong={}))
    assert faults == ["the solution does not pass: the check looked at nothing"]


def test_verify_all_runs_in_parallel_and_names_what_it_does_not_know():
    """Findings come for each id; an unknown id is an error before anything runs."""
    found = {finding.id: finding.faults for finding in verify_all(["start.one_trip", "start.gone"])}
    assert found == {"start.one_trip": (), "start.gone": ()}
    with pytest.raises(ValueError, match=r"near it are .*start\.one_trip"):
        next(verify_all(["start.onetrip"]))


# what answers do


def reasons(answer, exercise=TICKET):
    return " | ".join(judge(exercise, answer).reasons)


def test_what_is_no_function_is_told_how_to_hand_one_over():
    """A value, None, wrong arguments, a coroutine: each gets the form that is expected."""

    async def coroutine(r, desk):
        return 1

    assert "check wants the function itself, not a value, 3" in reasons(3)
    assert "not None" in reasons(None)
    assert "your function takes (); it will be called as ticket(r, desk)" in reasons(lambda: 1)
    assert "write it with def, not async def" in reasons(coroutine)


def test_where_a_class_is_asked_for_its_methods_are_looked_at():
    """A function, an object, a missing method, other arguments: each gets the form expected."""

    class Short:
        def __init__(self, r):
            self.depart = None

    class Other(Short):
        def depart(self, dest):
            return dest

    exercise = find("sorted_sets.last_hour")
    asked = "check wants the class itself. Write class last_hour: and hand last_hour"
    assert asked in reasons(lambda r: 1, exercise)
    assert asked in reasons(exercise.solution(None), exercise)
    assert "no method depart. Write def depart(self, dest, at):" in reasons(Short, exercise)
    assert "takes (self, dest); it will be called as depart(self, dest, at)" in (
        reasons(Other, exercise)
    )


class Hostile:
    """What its repr() and str() raise is nobody's concern."""

    def __repr__(self):
        raise RuntimeError("no")

    def __eq__(self, other):
        raise RuntimeError("never")


def test_whatever_an_answer_returns_becomes_a_verdict():
    """A result that can't be compared or shown, or of another type, is a sentence, no traceback."""
    assert "not a value, <a Hostile: its repr raised RuntimeError>" in reasons(Hostile())
    assert "the check could not go on: RuntimeError" in reasons(lambda r, desk: Hostile())
    assert reasons(lambda r, desk: None if desk == "EWR-4" else 1)


def test_a_claim_is_one_line(trial):
    """Right three times is one line; wrong once is wrong, with the first reason."""
    trial = trial(lambda r: 1)
    for passed in (True, True, True):
        trial.expect(passed, "it counts", "never")
    assert [(line.claim, line.passed) for line in trial.lines] == [("it counts", True)]
    for passed, why in ((False, "first"), (True, ""), (False, "last")):
        trial.expect(passed, "it counts", why)
    assert [(line.passed, line.why_not) for line in trial.lines] == [(False, "first")]


def test_an_answer_that_goes_to_redis_too_early_is_refused():
    """A client that is to die, used where the check doesn't expect it, is no traceback."""

    def check(trial):
        trial.client(mortal(0)).ping()

    assert "it went to Redis where nothing" in reasons(
        lambda r, desk: 1, replace(TICKET, check=check)
    )


def test_a_reason_is_never_long():
    """An answer that returns a book does not fill the notebook."""
    assert len(reasons(lambda r, desk: "x" * 1_000_000)) < 2000


def test_an_error_in_a_helper_is_shown_with_the_line_that_called_it():
    """Lines are counted from the learner's function only where they lie in it."""

    def helper(r):
        raise ValueError("too late")

    def ticket(r, desk):
        return helper(r)

    assert "called from line 2 of your function: raise ValueError" in reasons(ticket)


def test_checks_may_run_at_once_and_output_comes_back():
    """Two checks in two threads take turns; what is printed afterwards is seen again."""
    before = sys.stdout
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda _: judge(TICKET, TICKET.solution), range(4)))
    assert all(verdict.passed for verdict in verdicts)
    assert sys.stdout is before


def test_many_that_hang_cost_one_time_limit(trial):
    """Twenty that hang are ended together: not twenty times as long as one."""
    release, took = threading.Event(), {}
    for count in (1, 20):
        began = time.monotonic()
        with pytest.raises(answers.Refused, match="did not come back"):
            hanging = trial(lambda r, n: release.wait(60), seconds=0.2)
            hanging.together([(n,) for n in range(count)])
        took[count] = time.monotonic() - began
    release.set()
    assert took[20] < 8 * took[1]


def test_none_is_noticed():
    """An answer that never returns anything is asked whether a return is missing."""
    assert "is a return missing?" in reasons(lambda r, desk: None)


def test_an_exception_is_shown_with_the_learners_line():
    """The line is counted in the learner's function, and frames of ours are left out."""

    def ticket(r, desk):
        number = r.incr(desk)
        return number / 0

    assert (
        "it raised ZeroDivisionError: division by zero, at line 3 of your function: "
        "return number / 0" in reasons(ticket)
    )


def test_an_error_of_redis_is_shown_with_the_learners_line_and_a_hint():
    """The line is where the learner called redis-py, not where redis-py raised."""

    def ticket(r, desk):
        r.set(desk, "text")
        return r.incr(desk)

    said = reasons(ticket)
    assert "at line 3 of your function: return r.incr(desk)" in said
    assert "Redis refused the command" in said


def test_what_blocks_without_a_timeout_is_told_to_have_one():
    """BLPOP without a timeout ends at the client's own, with a sentence about it."""
    assert "A blocking command needs a timeout" in reasons(lambda r, desk: r.blpop("nothing"))


def test_a_loop_without_end_is_ended(trial):
    """The thread is gone afterwards, and the line is named."""

    def spin(r):
        while True:
            pass

    with pytest.raises(answers.Refused, match=r"did not come back in 0.2 s, at line \d of your"):
        trial(spin, seconds=0.2).run()
    assert "answer" not in {thread.name for thread in threading.enumerate()}


def test_a_loop_that_swallows_everything_can_not_hold_the_check(trial):
    """Even an answer that catches what ends it is given up; its client no longer works."""
    release = threading.Event()

    def stubborn(r):
        while not release.is_set():
            with contextlib.suppress(BaseException):
                r.incr("count")

    with pytest.raises(answers.Refused, match="did not come back"):
        trial(stubborn, seconds=0.2).run()
    release.set()


def test_printing_much_fills_nothing():
    """The beginning is kept, the rest is counted."""
    verdict = judge(TICKET, lambda r, desk: print("x" * 10_000_000))
    assert len(verdict.printed) < 1000
    assert "characters in all" in verdict.printed


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda r, desk: r.flushall(), "it calls FLUSHALL"),
        (lambda r, desk: r.keys(), "SCAN asks in pieces"),
        (lambda r, desk: r.close(), "it closes the client"),
        (lambda r, desk: r.execute_command("MULTI"), "leaves a MULTI open"),
        (lambda r, desk: KEPT.append(p := r.pubsub()) or p.subscribe("news"), "subscription open"),
        (lambda r, desk: r.shutdown(nosave=True), "the server went away"),
    ],
    ids=["flushall", "keys", "close", "multi", "subscribe", "shutdown"],
)
def test_what_no_answer_may_do_is_refused_in_words(answer, said):
    """Whatever it returned, and whatever else failed."""
    assert said in reasons(answer)


def test_a_right_answer_that_uses_keys_does_not_pass():
    """A forbidden command spoils an answer that does all else right."""

    def ticket(r, desk):
        r.keys("nothing")
        return TICKET.solution(r, desk)

    assert not judge(TICKET, ticket).passed


def test_nothing_is_left_of_a_check():
    """Its server is gone when the verdict is there, also after a refusal."""
    before = len(rl.lab.running())
    judge(TICKET, TICKET.solution)
    judge(TICKET, lambda r, desk: 1 / 0)
    assert len(rl.lab.running()) == before


# what a check can ask


def test_others_act_between_two_trips(trial):
    """The gap is before the second command; an answer of one trip leaves none."""
    one = trial(lambda r, key: r.incr(key))
    two = trial(lambda r, key: r.set(key, int(r.get(key) or 0) + 1))
    for each in (one, two):
        each.run("n", between=lambda each=each: each.r.incr("n"))
    assert one.r.get("n") == "2"  # one INCR, then GET 1, a rival's 2, SET 2


@pytest.mark.parametrize("after", [1, 2])
def test_a_crash_ends_the_answer_after_so_many_trips(trial, after):
    """What came before is done, what comes after is not; a shorter answer is not killed."""

    def steps(r):
        try:
            for number in range(3):
                r.rpush("steps", number)
        except Exception:
            r.rpush("steps", "caught")

    trial = trial(steps)
    assert trial.crash(after=after)
    assert trial.r.llen("steps") == after
    assert not trial.crash(after=9)


def test_trips_are_counted_as_the_client_waits(trial):
    """A pipeline is one trip, however many commands; greetings of connections are none."""

    def load(r, keys):
        with r.pipeline(transaction=False) as pipe:
            for number in range(keys):
                pipe.set(number, number)
            pipe.execute()

    assert trial(load).trips_of(100) == 1
    assert trial(lambda r: [r.get(n) for n in range(5)]).trips_of() == 5


def test_the_servers_count_agrees(trial):
    """Commands by name, and round trips as the server read them."""

    def work(r):
        r.set("a", 1)
        r.pipeline().get("a").get("b").execute()

    trial = trial(work)
    with trial.cost() as cost:
        trial.run()
    assert cost.commands == {"set": 1, "get": 2, "multi": 1, "exec": 1}
    assert cost.trips == 2


def test_many_run_at_once_with_a_client_each(trial):
    """All are inside at the same moment, results come in the order of the calls."""
    barrier = threading.Barrier(8)

    def meet(r, number):
        barrier.wait(5)
        return number, r.client_id()

    results = trial(meet).together([(n,) for n in range(8)])
    assert [number for number, _ in results] == list(range(8))
    assert len({client for _, client in results}) == 8


@pytest.mark.parametrize("transaction", [False, True])
def test_who_dies_while_sending_leaves_what_arrived(trial, transaction):
    """Half of a pipeline is done, half of a transaction is nothing; the dead send no more."""

    def work(r):
        try:
            pipe = r.pipeline(transaction=transaction)
            for _ in range(100):
                pipe.incr("count")
            pipe.execute()
        finally:
            r.set("afterwards", 1)

    trial = trial(work)
    assert trial.crash(after=0, torn=True)
    trial.r.set("barrier", 1)
    arrived = int(trial.r.get("count") or 0)
    assert arrived == 0 if transaction else 0 < arrived < 100
    assert not trial.r.exists("afterwards")
    assert not trial.crash(after=5, torn=True)
    assert int(trial.r.get("count")) == arrived + 100


def test_a_transaction_is_indivisible(trial):
    """So is a script; a pipeline is not."""
    ways = {
        "MULTI": lambda r: r.pipeline().incr("a").incr("b").execute(),
        "script": lambda r: r.eval("return 1", 0),
        "pipeline": lambda r: r.pipeline(transaction=False).incr("a").incr("b").execute(),
    }
    found = {}
    for name, way in ways.items():
        judged = trial(way)
        with judged.cost() as cost:
            judged.run()
        found[name] = cost.indivisible
    assert found == {"MULTI": True, "script": True, "pipeline": False}


def test_the_dead_tidy_up_in_silence(trial, monkeypatch):
    """A pipeline that watched sends UNWATCH when it is thrown away: no traceback on the page."""

    def watching(r):
        with r.pipeline() as pipe:
            pipe.watch("seat")
            pipe.get("seat")
            pipe.multi()
            pipe.set("seat", "12C").execute()

    complaints = []
    monkeypatch.setattr("sys.unraisablehook", complaints.append)
    judged = trial(watching)
    for after in (1, 2):
        judged.crash(after=after)
    gc.collect()
    assert not complaints and not judged.r.exists("seat")


def test_a_cluster_can_be_asked_as_well():
    """Clients are watched, and counted, on every node of a cluster."""
    with rl.cluster(primaries=3, replicas=0) as lab:
        trial = Trial(lambda r: [r.set(key, 1) for key in "abcdef"], lab, 5.0)
        with trial.cost() as cost:
            trial.run()
        assert cost.commands["set"] == 6
        assert set(trial.keyspace()) == set("abcdef")
        gaps = Gaps()
        trial.call(trial.client(gaps))
        assert gaps.trips == 6
        trial.end()


def test_the_keyspace_tells_types_and_times(trial):
    """Every key with its type and its seconds, None where it stays."""
    trial = trial(lambda r: None)
    trial.r.set("goes", 1, ex=100)
    trial.r.rpush("stays", 1)
    keys = trial.keyspace()
    assert keys["stays"] == ("list", None)
    assert keys["goes"][0] == "string" and 99 < keys["goes"][1] <= 100


def test_stop_in_the_middle_leaves_no_server(monkeypatch, labs_left):
    """Ctrl-C while the answer runs ends the check, and what it had started."""
    begun = threading.Event()

    def slow(r, desk):
        begun.set()
        while True:
            time.sleep(0.01)

    def interrupt():
        begun.wait(10)
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        judge(TICKET, slow)
    assert labs_left() == []
    assert sys.stdout is not None and not isinstance(sys.stdout, answers.Printed)


def test_an_exercise_says_what_its_lab_is_made_of():
    """OPTIONS reach the call that starts the lab: three primaries, no replica, a spare."""
    found = find("resharding.grow")
    assert found.options == {"replicas": 0, "spares": 1}
    seen = []
    judge(replace(found, check=lambda trial: seen.extend(trial.lab.nodes)), found.solution)
    assert [node.name for node in seen] == ["redis-1", "redis-2", "redis-3", "redis-4"]
    assert {node.last_role for node in seen} == {"primary"}
