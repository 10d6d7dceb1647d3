"""A load generator that does not leave out those who would have suffered."""

NOTEBOOK = "71"
TITLE = "A load that doesn't wait its turn"
HINTS = (
    "When is call number n due? That depends on n, the rate and the beginning, and not on how long "
    "the others took.",
    "If it is too early, sleep until it is due; if it is too late, go at once.",
    "A user waits from the moment it was due, whether or not you had got round to it.",
    "`due = start + n / rate`; `sleep(max(0, due - clock()))`; `call()`; `clock() - due`.",
)
WHY = (
    "Most load tests are loops, and report a p99 that no user has. Before you believe a number, "
    "ask what the generator did while the server was silent."
)


def stub(call, rate, count, clock, sleep):
    """Make count calls, rate a second; a list of the seconds that each user waited, in order."""


def solution(call, rate, count, clock, sleep):
    start, waits = clock(), []
    for number in range(count):
        due = start + number / rate
        if due > clock():
            sleep(due - clock())
        call()
        waits.append(clock() - due)
    return waits


def wrong_a_loop(call, rate, count, clock, sleep):
    """as fast as it can"""
    waits = []
    for _ in range(count):
        began = clock()
        call()
        waits.append(clock() - began)
    return waits


def wrong_sleeps_after_each(call, rate, count, clock, sleep):
    """less is asked for"""
    waits = []
    for _ in range(count):
        began = clock()
        call()
        waits.append(clock() - began)
        sleep(1 / rate)
    return waits


def wrong_from_its_start(call, rate, count, clock, sleep):
    """from when it was due"""
    start, waits = clock(), []
    for number in range(count):
        sleep(max(0.0, start + number / rate - clock()))
        began = clock()
        call()
        waits.append(clock() - began)
    return waits


def wrong_skips_what_is_late(call, rate, count, clock, sleep):
    """left out"""
    start, waits = clock(), []
    for number in range(count):
        due = start + number / rate
        if clock() > due + 1 / rate:
            continue
        sleep(max(0.0, due - clock()))
        call()
        waits.append(clock() - due)
    return waits


def wrong_starts_again(call, rate, count, clock, sleep):
    """less is asked for after"""
    waits, due = [], clock()
    for _ in range(count):
        sleep(max(0.0, due - clock()))
        call()
        waits.append(clock() - due)
        due = max(due + 1 / rate, clock())
    return waits


def check(trial):
    def play(label, rate, count, slow):
        """One load on a clock that costs no time. slow: seconds of some calls, by number."""
        now, starts, looks = [1000.0], [], []

        def clock():
            looks.append(now[0])
            now[0] += 1e-6  # whoever looks at it again and again must get somewhere
            return now[0]

        def sleep(seconds):
            if seconds < 0:
                raise ValueError("sleep length must be non-negative")
            now[0] += seconds

        def call():
            starts.append(now[0])
            now[0] += slow.get(len(starts) - 1, 0.0005)

        said = trial.call(call, rate, count, clock, sleep)
        free, begins, right = 0.0, [], []
        for number in range(count):
            due = number / rate
            begins.append(max(due, free))
            free = begins[-1] + slow.get(number, 0.0005)
            right.append(free - due)
        trial.require(
            len(starts) == count,
            "every call is made",
            f"{label}: {len(starts):,} calls of {count:,} were made: who came during the stall "
            "was left out"
            if starts
            else f"{label}: call() was never called",
        )
        trial.require(
            bool(looks),
            "it tells the time by clock()",
            f"{label}: clock() was never asked; this load must live by the clock that it is given",
        )
        began = [start - starts[0] for start in starts]
        early = next((n for n in range(count) if began[n] < begins[n] - 0.0009), None)
        trial.require(
            early is None,
            "none is made before it is due",
            f"{label}: call {early} was made {begins[early or 0] - began[early or 0]:.3f} s before "
            "it was due: these go as fast as it can, not by the clock",
        )
        off = max(range(count), key=lambda n: began[n] - begins[n])
        stalled = f" after call {max(slow)} had taken {max(slow.values())} s" if slow else ""
        trial.require(
            began[off] - begins[off] < 0.02,
            "and none later than it must be",
            f"{label}: call {off} was made {began[off] - begins[off]:.2f} s late: less is asked "
            f"for{stalled}, for the next call waits for something else than its turn",
        )
        trial.require(
            isinstance(said, list | tuple)
            and len(said) == count
            and all(isinstance(wait, int | float) for wait in said),
            "it answers a wait for each call",
            f"{label}: a list of {count} numbers was expected, and it answered {said!r:.80}",
        )
        off = max(range(count), key=lambda n: abs(said[n] - right[n]))
        thousands = abs(said[off] / 1000 - right[off]) < 0.02 and said[off] > 0.1
        why = "seconds were asked for" if thousands else "a wait counts from when it was due"
        trial.require(
            abs(said[off] - right[off]) < 0.02,
            "a wait counts from when the call was due",
            f"{label}: call {off} was answered {right[off]:.3f} s after its time, and it reports "
            f"{said[off]:.3f}: {why}",
        )

    play("a calm server", 100, 200, {})
    play("one stall", 500, 1000, {300: 0.6})
    play("two stalls", 200, 400, {50: 0.4, 250: 0.8})
