"""One call, one key: the same in every process, however it was written, and nobody else's."""

NOTEBOOK = "30"
TITLE = "One call, one key"
HINTS = (
    "`inspect.signature(function).bind(*args, **kwargs)` knows which argument is which.",
    "`bound.apply_defaults()` fills in what was left out; then the order is the signature's.",
    "`json.dumps` of a list writes each value by type, and no value can forge a separator; but "
    "look at what else it takes, before you hand it over.",
    "Too long? A digest of the whole (`hashlib.sha256`), not its beginning.",
)
WHY = (
    "Two keys for one call cost a miss. One key for two calls hands out somebody else's answer. "
    "`repr()` and `hash()` make keys that depend on the process: so anything without a spelling of "
    "its own is refused, loudly, on the first call."
)


def stub(function, version, args, kwargs):
    """The key of function(*args, **kwargs) in this version of its result."""


def solution(function, version, args, kwargs):
    import hashlib
    import inspect
    import json

    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    values = list(bound.arguments.values())
    if bad := [value for value in values if type(value) not in (str, int, float, bool, type(None))]:
        raise TypeError(f"no key can be made of {type(bad[0]).__name__}")
    text = json.dumps([function.__qualname__, version, values])
    return text if len(text) <= 200 else "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def wrong_joins(function, version, args, kwargs):
    """share the key"""
    import inspect

    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    if any(type(v) not in (str, int, float, bool, type(None)) for v in bound.arguments.values()):
        raise TypeError
    return ":".join(map(str, [function.__qualname__, version, *bound.arguments.values()]))[:250]


def wrong_as_written(function, version, args, kwargs):
    """two keys for one call"""
    import hashlib
    import json

    if any(type(v) not in (str, int, float, bool, type(None)) for v in (*args, *kwargs.values())):
        raise TypeError
    text = json.dumps([function.__qualname__, version, args, kwargs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def wrong_hash(function, version, args, kwargs):
    """hash()"""
    import inspect

    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    values = tuple((type(value).__name__, value) for value in bound.arguments.values())
    if any(type(v) not in (str, int, float, bool, type(None)) for _, v in values):
        raise TypeError
    return f"{function.__qualname__}:{version}:{hash(values):x}"


def wrong_repr(function, version, args, kwargs):
    """without a spelling of its own"""
    import hashlib
    import inspect

    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    text = repr([function.__qualname__, version, list(bound.arguments.values())])
    return hashlib.sha256(text.encode()).hexdigest()


def wrong_cuts(function, version, args, kwargs):
    """long arguments"""
    import inspect
    import json

    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    values = list(bound.arguments.values())
    if any(type(value) not in (str, int, float, bool, type(None)) for value in values):
        raise TypeError
    return json.dumps([function.__qualname__, version, values])[:250]


def check(trial):
    import builtins
    import sys

    from redis_lab.course.answers import Refused

    def defined(qualname):
        """A query of the board, as each process defines it for itself."""

        def query(origin, dest="LAX", carrier=None):
            pass

        query.__qualname__ = qualname
        return query

    late, early, elsewhere = map(defined, ("board.late", "board.early", "board.late"))

    def key(*args, function=late, version=1, **kwargs):
        return trial.call(function, version, args, kwargs)

    original, hashed = builtins.hash, []

    def watched(value):
        caller = sys._getframe(1).f_globals.get("__name__") or ""
        if caller.partition(".")[0] not in sys.stdlib_module_names:
            hashed.append(value)
        return original(value)

    builtins.hash = watched
    try:
        first = key("JFK", "SFO")
    finally:
        builtins.hash = original
    trial.require(
        isinstance(first, str) and 0 < len(first) <= 250,
        "a key is a text of 250 characters at most",
        f"it gave {first!r}",
    )
    trial.expect(
        not hashed,
        "it is the same in every process",
        "it calls hash(), which is another number in each process",
    )
    trial.expect(
        key("JFK", "SFO", function=elsewhere) == first,
        "it is the same where the function is another object",
        "the same function, defined in another process, gave another key: id() or an address?",
    )
    spellings = [
        key("JFK", "SFO"), key("JFK", dest="SFO"), key(dest="SFO", origin="JFK"),
        key("JFK", "SFO", None), key("JFK", carrier=None, dest="SFO"),
    ]  # fmt: skip
    trial.expect(
        len(set(spellings)) == 1,
        "five ways to write one call are one key",
        f"two keys for one call: {sorted(set(spellings))[:2]}",
    )
    different = {
        'late("JFK", "SFO")': first, 'late("JFK:SFO")': key("JFK:SFO"),
        'late("JFK", "SFO", "UA")': key("JFK", "SFO", "UA"),
        'late("JFK:SFO", "UA")': key("JFK:SFO", "UA"),
        'late("JFK", "SFO:UA", None)': key("JFK", "SFO:UA"),
        'late("JFK", "SFO:UA:None")': key("JFK", "SFO:UA:None"),
        """late('JFK", "SFO')""": key('JFK", "SFO'), """late("JFK', 'SFO")""": key("JFK', 'SFO"),
        'late("1")': key("1"), "late(1)": key(1), "late(True)": key(True), "late(1.0)": key(1.0),
        "late(None)": key(None), 'late("None")': key("None"), 'late("null")': key("null"),
        'late("")': key(""), "late(0)": key(0), "late(False)": key(False), "late(-0.5)": key(-0.5),
        'late("jfk", "SFO")': key("jfk", "SFO"), 'late("JFK ")': key("JFK "), 'late("ß")': key("ß"),
        'late("SFO", "JFK")': key("SFO", "JFK"),
        'late("JFK", carrier="SFO")': key("JFK", carrier="SFO"),
        'version 2 of late("JFK", "SFO")': key("JFK", "SFO", version=2),
        'version 11 of late("1")': key("1", version=11), 'version 1 of late("11")': key("11"),
        'early("JFK", "SFO")': key("JFK", "SFO", function=early),
    }  # fmt: skip
    owners = {}
    for call, its in different.items():
        owners.setdefault(its, []).append(call)
    shared = [calls for calls in owners.values() if len(calls) > 1]
    trial.expect(
        not shared,
        f"{len(different)} different calls have {len(different)} keys",
        f"{' and '.join(shared[0][:2]) if shared else ''} share the key",
    )
    long = [key("x" * 5000 + end, dest) for end in "ab" for dest in ("SFO", "LAX")]
    trial.expect(
        len(set(long)) == 4 and all(isinstance(each, str) and len(each) <= 250 for each in long),
        "long arguments have short keys, and each its own",
        f"of four calls with long arguments there are {len(set(long))} keys, "
        f"of {max(map(len, map(str, long)))} characters",
    )
    trial.expect(key("JFK", "SFO") == first, "asked again it is the same", "asked again it differs")

    class Flight:
        """No spelling but an address in memory."""

    for value in (Flight(), ["JFK"], {"JFK", "LGA"}, b"JFK"):
        try:
            answer = f"it gave {key(value)!r}"
        except Refused as refusal:
            answer = "" if "TypeError" in str(refusal) else str(refusal)
        trial.expect(
            not answer,
            f"a {type(value).__name__} is a TypeError",
            f"a {type(value).__name__} is without a spelling of its own: {answer}",
        )
