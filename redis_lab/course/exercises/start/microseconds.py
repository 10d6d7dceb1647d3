"""Ask the server what a command costs it."""

NOTEBOOK = "00"
TITLE = "Ask the server"
HINTS = (
    "`%redis INFO commandstats` prints what the server counted, a line for each command.",
    '`r.info("commandstats")` is the same as a dict: look at its keys, and what they hold.',
    "`calls`, `usec` and `usec_per_call` stand under `cmdstat_hset`, in lower case.",
)
WHY = (
    "What the server counted is its work alone; a stopwatch in Python measures Python and the way "
    "as well. When users wait, the difference tells you where to look."
)


def stub(r, command):
    """Microseconds that one call of this command took the server on average; None if none ran."""


def solution(r, command):
    counted = r.info("commandstats").get(f"cmdstat_{command.lower()}")
    return counted["usec_per_call"] if counted else None


def wrong_stopwatch(r, command):
    """the way was measured as well"""
    import time

    started = time.perf_counter()
    r.execute_command(command, "probe", "field", "value")
    return (time.perf_counter() - started) * 1e6


def wrong_the_sum(r, command):
    """the sum of all calls"""
    counted = r.info("commandstats").get(f"cmdstat_{command.lower()}")
    return counted["usec"] if counted else None


def wrong_no_such_command(r, command):
    """KeyError"""
    return r.info("commandstats")[f"cmdstat_{command.lower()}"]["usec_per_call"]


def check(trial):
    for number in range(300):
        trial.r.hset(f"flight:{number}", mapping={"gate": "C71", "status": "boarding"})
    counted = trial.r.info("commandstats")["cmdstat_hset"]
    said = trial.run("hset")
    trial.require(
        isinstance(said, int | float) and not isinstance(said, bool),
        "it answers a number",
        f"it answered {said!r}",
    )
    now = trial.r.info("commandstats")["cmdstat_hset"]
    trial.require(
        now["calls"] == counted["calls"],
        "it does not run the command itself",
        f"it ran HSET itself: so the way was measured as well, {said:.0f} µs of it",
    )
    trial.expect(
        abs(said - counted["usec_per_call"]) < 0.01,
        "it is what the server counted for one call",
        f"it answered {said}, the sum of all calls"
        if said == counted["usec"]
        else f"it answered {said}, the server says {counted['usec_per_call']}",
    )
    again = trial.run("HSET")
    trial.expect(
        again is not None and abs(again - said) < 0.01,
        "capitals don't matter",
        f"for HSET it answered {again!r}",
    )
    never = trial.run("geoadd")
    trial.expect(never is None, "None for what never ran", f"it answered {never!r} for GEOADD")
