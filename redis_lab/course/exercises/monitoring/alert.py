"""Wake somebody when readers suffer, once, and never for a blip."""

NOTEBOOK = "72"
TITLE = "Write the alert"
HINTS = (
    "Walk through the samples once. What has to be remembered from one to the next?",
    "Three things: since when it is bad, since when it is good again, and whether you have woken "
    "somebody already.",
    "`nan > 5` is False: ask for what is good, `late <= 5`, and everything else is bad.",
    "Times come from the samples: `now - bad_since >= 3`. Samples are missing when it matters.",
)
WHY = (
    "A symptom, a duration and a way back: with these three an alarm is believed. Each of them "
    "that is left out wakes somebody for nothing, and after a week nobody gets up."
)


def stub(samples):
    """The moments at which somebody is woken, as a list.

    samples: pairs (at, late), by time: seconds, and percent of pages late, nan if unknown.
    Bad is more than 5 percent, or unknown. Bad at every sample for 3 s wakes somebody. It wakes
    nobody again until every sample was good for 5 s.
    """


def solution(samples):
    woken, bad_since, good_since, awake = [], None, None, False
    for now, late in samples:
        if late <= 5:
            bad_since, good_since = None, now if good_since is None else good_since
            awake = awake and now - good_since < 5
        else:
            good_since, bad_since = None, now if bad_since is None else bad_since
            if not awake and now - bad_since >= 3:
                woken.append(now)
                awake = True
    return woken


def wrong_every_sample(samples):
    """only one sample was bad"""
    woken, awake = [], False
    for now, late in samples:
        if late > 5 and not awake:
            woken.append(now)
        awake = late > 5
    return woken


def wrong_counts_samples(samples):
    """samples came late"""
    woken, bad, good, awake = [], 0, 0, False
    for now, late in samples:
        bad, good = (0, good + 1) if late <= 5 else (bad + 1, 0)
        awake = awake and good < 11
        if bad >= 7 and not awake:
            woken.append(now)
            awake = True
    return woken


def wrong_unknown_is_good(samples):
    """nobody could tell"""
    woken, bad_since, good_since, awake = [], None, None, False
    for now, late in samples:
        if late > 5:
            good_since, bad_since = None, now if bad_since is None else bad_since
            if not awake and now - bad_since >= 3:
                woken.append(now)
                awake = True
        else:
            bad_since, good_since = None, now if good_since is None else good_since
            awake = awake and now - good_since < 5
    return woken


def wrong_no_way_back(samples):
    """woken again"""
    woken, bad_since, awake = [], None, False
    for now, late in samples:
        if late <= 5:
            bad_since, awake = None, False
            continue
        bad_since = now if bad_since is None else bad_since
        if now - bad_since >= 3 and not awake:
            woken.append(now)
            awake = True
    return woken


def wrong_once_for_ever(samples):
    """second fault"""
    bad_since = None
    for now, late in samples:
        if late <= 5:
            bad_since = None
        else:
            bad_since = now if bad_since is None else bad_since
            if now - bad_since >= 3:
                return [now]
    return []


def wrong_mean(samples):
    """was good in between"""
    woken, awake, good_since, recent = [], False, None, []
    for now, late in samples:
        recent = [(at, value) for at, value in [*recent, (now, late)] if now - at <= 3]
        mean = sum(value for _, value in recent) / len(recent)
        good_since = (good_since or now) if late <= 5 else None
        awake = awake and not (good_since and now - good_since >= 5)
        if not mean <= 5 and not awake and not late <= 5 and not recent[0][1] <= 5:
            woken.append(now)
            awake = True
    return woken


def check(trial):
    import math

    from redis_lab.data import incident, incident_truth

    def day(*parts, every=0.5):
        """Samples: (seconds, late) one after another, each told every half second."""
        told, at = [], 0.0
        for seconds, late in parts:
            for _ in range(round(seconds / every)):
                told.append((at, late))
                at += every
        return told

    def ask(samples):
        said = trial.call(list(samples))
        try:
            return [float(each) for each in said]
        except (TypeError, ValueError):
            return said

    said = ask(day((10, 1), (20, 40), (10, 1)))
    trial.require(
        said in ([13.0], [10.0]),
        "a fault wakes somebody, once",
        f"bad from 10 s to 30 s: somebody is woken at 13.0 s, and it said {said!r:.80}",
    )
    trial.expect(
        said == [13.0],
        "after three bad seconds",
        "bad from 10 s to 30 s: somebody is woken at 13.0 s, and it said 10.0: at that moment "
        "only one sample was bad",
    )
    said = ask(day((10, 5), (2, 90), (10, 5), (0.5, 100), (10, 0)))
    trial.expect(
        said == [],
        "a blip wakes nobody",
        f"two bad seconds, and later half a one; 5 percent is good: it said {said!r:.80}",
    )
    said = ask(day((5, 0), (2, 99), (0.5, 0), (2, 99), (0.5, 0), (2, 99), (10, 0)))
    trial.expect(
        said == [],
        "every sample of the three seconds is bad",
        f"every two seconds one sample was good in between, so no three seconds are bad: it said "
        f"{said!r:.80}",
    )
    said = ask(day((5, 0), (6, 30), (2, 0), (6, 30), (4, 0), (6, 30), (9, 0)))
    trial.expect(
        said == [8.0],
        "what comes back within five seconds is the same alarm",
        f"bad, good for 2 s, bad, good for 4 s, bad: one night, one alarm at 8.0 s; it said "
        f"{said!r:.80}{': woken again for the same thing' if len(said or []) > 1 else ''}",
    )
    said = ask(day((5, 0), (6, 30), (9, 0), (6, 30), (9, 0)))
    trial.expect(
        said == [8.0, 23.0],
        "after five good seconds the next is a new one",
        f"bad at 5 s and, after nine good seconds, at 20 s: the second fault is one as well; it "
        f"said {said!r:.80}",
    )
    unknown = math.nan
    said = ask(day((5, 0), (8, unknown), (9, 0), (1.5, 50), (1.5, unknown), (2, 50), (9, 0)))
    trial.expect(
        said == [8.0, 25.0],
        "unknown is bad",
        "for eight seconds nobody could tell, and later in the middle of a fault: somebody is "
        f"woken at 8.0 and 25.0 s; it said {said!r:.80}",
    )
    late = [(float(at), 0.0) for at in range(10)] + [(12.0, 60.0), (15.5, 60.0), (16.0, 0.0)]
    said = ask(late)
    trial.expect(
        said == [15.5],
        "seconds are counted, not samples",
        f"the samples came late, as they do when a server suffers: bad at 12.0 and at 15.5 s; it "
        f"said {said!r:.80}",
    )
    record, truth = incident(), incident_truth()
    for run, wanted in (("quiet", 0), ("incident", 3)):
        part = record[record.run == run].iloc[1:]
        said = ask(zip(part["at"].tolist(), part.late_percent.astype(float).tolist(), strict=True))
        trial.expect(
            len(said) == wanted,
            f"on the recorded {run} it wakes somebody {wanted} times",
            f"it woke somebody {len(said)} times, at {said!r:.80}; done to the server were "
            f"{dict(zip(truth.what, truth['at'], strict=True))}",
        )
