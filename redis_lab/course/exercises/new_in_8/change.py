"""Compare and set with the answer, in one command that keeps the end."""

NOTEBOOK = "80"
TITLE = "Change what is still there"
MIN_VERSION = "8.4"
HINTS = (
    "Since 8.4 `SET` takes a condition on the value that stands there.",
    "What stands there when the condition fails? An option of `SET` tells it, with the same reply.",
    "`r.set(…, ifeq=…, get=True)` answers the old value, written or not. If that is what the agent "
    "saw, it was written.",
    "A `SET` drops the end of a key, this one too, unless you say `keepttl=True`.",
)
WHY = (
    "Compare-and-set with its answer in one trip: who is refused has in hand what the next try "
    "needs, and no second look can be overtaken."
)


def stub(r, flight, seen, gate):
    """Send the flight to gate if it stands where it was seen; answer its gate, None for none."""


def solution(r, flight, seen, gate):
    stood = r.set(f"gate:{flight}", gate, ifeq=seen, get=True, keepttl=True)
    return gate if stood == seen else stood


def wrong_watch(r, flight, seen, gate):
    """WatchError"""
    with r.pipeline() as pipe:
        pipe.watch(f"gate:{flight}")
        stands = pipe.get(f"gate:{flight}")
        if stands != seen:
            return stands
        pipe.multi()
        pipe.set(f"gate:{flight}", gate, keepttl=True).execute()
        return gate


def wrong_look_first(r, flight, seen, gate):
    """the other agent's change was lost"""
    stands = r.get(f"gate:{flight}")
    if stands != seen:
        return stands
    r.set(f"gate:{flight}", gate, keepttl=True)
    return gate


def wrong_drops_the_end(r, flight, seen, gate):
    """its end is gone"""
    stood = r.set(f"gate:{flight}", gate, ifeq=seen, get=True)
    return gate if stood == seen else stood


def wrong_an_end_of_its_own(r, flight, seen, gate):
    """not the end it had"""
    stood = r.set(f"gate:{flight}", gate, ifeq=seen, get=True, ex=3600)
    return gate if stood == seen else stood


def wrong_says_what_was_seen(r, flight, seen, gate):
    """where it was seen, and not where it is"""
    done = r.set(f"gate:{flight}", gate, ifeq=seen, keepttl=True)
    return gate if done else seen


def wrong_says_whether(r, flight, seen, gate):
    """a gate was asked"""
    return bool(r.set(f"gate:{flight}", gate, ifeq=seen, keepttl=True))


def wrong_hands_on(r, flight, seen, gate):
    """where it was before"""
    return r.set(f"gate:{flight}", gate, ifeq=seen, get=True, keepttl=True)


def wrong_looks_again(r, flight, seen, gate):
    """the server ran 2 commands"""
    r.set(f"gate:{flight}", gate, ifeq=seen, keepttl=True)
    return r.get(f"gate:{flight}")


def check(trial):
    r, key = trial.r, "gate:UA1545"
    r.set(key, "C130", ex=5000)
    told = trial.run("UA1545", "C130", "C140")
    if isinstance(told, bool):
        trial.require(
            False,
            "it answers a gate",
            f"it answered {told!r}: a gate was asked. (`execute_command` makes True or False of "
            "what a SET replies, with GET too; `r.set(…, get=True)` doesn't)",
        )
    stands, left = r.get(key), r.ttl(key)
    trial.require(
        stands == "C140",
        "a flight that is where it was seen is sent to the new gate",
        f"UA1545 was at C130, as seen, and stands at {stands} afterwards, not at C140",
    )
    trial.require(
        told == "C140",
        "and the answer is the new gate",
        f"it answered {told!r}, where it was before; it is at C140 now",
    )
    trial.expect(left != -1, "it keeps an end", f"{key} had 5,000 s to live, and its end is gone")
    trial.expect(
        left == -1 or 4900 < left <= 5000,
        "and that is the end it had",
        f"{key} had 5,000 s to live and has {left:,} s: that is not the end it had",
    )
    r.set("gate:B6725", "A7", ex=5000)
    told = trial.run("B6725", "A5", "A9")
    trial.expect(
        r.get("gate:B6725") == "A7",
        "one that is elsewhere stays there",
        f"B6725 was at A7, an agent had seen A5, and now it stands at {r.get('gate:B6725')}",
    )
    trial.expect(
        told == "A7",
        "and the answer is where it is",
        f"it answered {told!r}"
        + (": where it was seen, and not where it is, A7" if told == "A5" else ", and it is at A7"),
    )
    told = trial.run("DL1743", "D1", "D2")
    trial.expect(
        told is None and not r.exists("gate:DL1743"),
        "a flight without a gate gets none",
        f"DL1743 had no gate; it answered {told!r}, and the key says {r.get('gate:DL1743')!r}",
    )
    came = []

    def another():
        came.append(r.get(key))
        r.set(key, "B22", ex=5000)

    for after in (1, 2):
        came.clear()
        r.set(key, "C130", ex=5000)
        trial.run("UA1545", "C130", "C140", between=another, after=after)
        trial.expect(
            not came or came == ["C140"] or r.get(key) == "B22",
            "nobody comes between looking and writing",
            f"another agent said B22 between your trips, and it stands at {r.get(key)}: the other "
            "agent's change was lost",
        )
    with trial.cost() as cost:
        trial.run("B6725", "A5", "A9")
    number = sum(cost.commands.values())
    trial.expect(
        number == 1 and not cost.indivisible,
        "one command, no script",
        "it is a script, and one new command does the same"
        if cost.commands["eval"] + cost.commands["evalsha"]
        else f"the server ran {number} commands: {', '.join(sorted(cost.commands))}",
    )
