"""Choose a patience: longer than the longest honest stall, short enough for the promise."""

NOTEBOOK = "62"
TITLE = "Tune for three seconds"
HINTS = (
    "The figure of the silences shows a part that no setting shortens: two seconds to plan with, "
    "says the text below it. What is left of 2.75 s when they are taken off?",
    "From below: a stall shorter than `down_after` can never be an alarm, whenever it begins.",
    "Between 0.4 s and what is left, leave room on both sides: `{'down_after': …}`.",
)
WHY = (
    "A promise about silence is a sum: patience, plus a vote, plus belief. Only the patience is "
    "yours, and your longest honest stall has a claim to it first."
)


def stub():
    """The options for rl.sentinel: 2.75 s of silence, and no failover for stalls below 0.4 s."""


def solution():
    return {"down_after": 0.5}


def wrong_as_in_production():
    """5 s pass before a Sentinel loses patience"""
    return {"down_after": 5.0}


def wrong_as_shipped_here():
    """1 s pass before a Sentinel loses patience"""
    return {}


def wrong_impatient():
    """a primary that was not dead"""
    return {"down_after": 0.2}


def wrong_one_sentinel():
    """when it dies"""
    return {"down_after": 0.5, "sentinels": 1}


def wrong_two_sentinels():
    """is no majority of 2"""
    return {"down_after": 0.5, "sentinels": 2}


def check(trial):
    import time
    from concurrent.futures import ThreadPoolExecutor

    import redis

    import redis_lab.lab
    from redis_lab.errors import LabUnavailable
    from redis_lab.lab.health import as_dict

    options = trial.call()
    known = {"replicas", "sentinels", "down_after", "config"}
    trial.require(
        isinstance(options, dict) and options.keys() <= known,
        "it answers options of `rl.sentinel`",
        f"it answered {options!r:.80}, not a dict with some of {', '.join(sorted(known))}",
    )
    try:
        with redis_lab.lab.sentinel(**options) as lab:
            said = as_dict(lab.sentinels[0].tell("SENTINEL", "MASTER", "mymaster"))
            count = len(lab.sentinels)
    except (TypeError, ValueError, LabUnavailable) as error:
        trial.require(False, "which it takes", f"rl.sentinel refused them: {error}")
    patience = int(said["down-after-milliseconds"]) / 1000
    trial.require(
        count - 1 > count / 2,
        "a Sentinel may die and the others can still promote",
        "one Sentinel votes for itself: when it dies, nobody is left to promote"
        if count == 1
        else "when one Sentinel dies, the other may promote nobody: 1 is no majority of 2",
    )
    # A Sentinel counts from the first PING without an answer: that is never longer than the stall.
    trial.require(
        patience >= 0.4,
        "a stall of less than 0.4 s is no alarm, whenever it begins",
        f"{patience:g} s without an answer are an alarm: a stall of 0.4 s, and you have deposed a "
        "primary that was not dead",
    )

    def silence(_):
        """Seconds from a kill to the next write."""
        with redis_lab.lab.sentinel(**options) as lab:
            client = lab.client(socket_timeout=0.3)
            client.set("flight", 0)
            lab.kill(lab.primary)
            killed = time.monotonic()
            while time.monotonic() < killed + 9:
                try:
                    client.set("flight", 1)
                    break
                except redis.RedisError:
                    time.sleep(0.01)
            return time.monotonic() - killed

    with ThreadPoolExecutor() as pool:
        seconds = sorted(pool.map(silence, range(3)))
    times = ", ".join(f"{each:.2f}" for each in seconds)
    trial.expect(
        seconds[-1] < 9,
        "three primaries were killed, and the writes went on",
        f"nine seconds after the kill the slowest of three groups took no write yet: {times} s",
    )
    # Judged by the setting: what was measured is this machine's as well, and it may be busy.
    trial.expect(
        patience <= 0.75,
        "with two seconds planned for vote and belief, 2.75 s are kept",
        f"{patience:g} s pass before a Sentinel loses patience, and 2 s more are to be planned for "
        f"vote and belief: {patience + 2:g} s in all, however lucky it was here ({times} s)",
    )
