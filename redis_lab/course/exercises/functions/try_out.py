"""Load a library on trial, and put back what was there: that one library, and nothing else."""

NOTEBOOK = "23"
TITLE = "On trial"
HINTS = (
    "Before you load, write down what is there: the text of the library of this name, if any.",
    "`r.function_list(library=name, withcode=True)` has the text under `library_code`; the name "
    "is in the first line of the source, behind `name=`.",
    "A dump of all libraries, restored with FLUSH, takes away what others loaded meanwhile; with "
    "REPLACE, it takes them back. Put back one library, by name.",
    "`except BaseException:` then `function_load(old, replace=True)` or `function_delete(name)`, "
    "then `raise`. A source that can't be loaded has changed nothing.",
)
WHY = (
    "FUNCTION DUMP and RESTORE see a server as a whole, and you own a part of it. What undoes a "
    "deployment must know the part, or it undoes those of the neighbours."
)


def stub(r, source, test):
    """Load the library and call test(); if it raises, put back what was there, and raise on."""


def solution(r, source, test):
    import re

    name = re.match(r"#!lua\s+name=(\w+)", source, re.IGNORECASE)[1]
    before = r.function_list(library=name, withcode=True)
    r.function_load(source, replace=True)
    try:
        test()
    except BaseException:
        if before:
            r.function_load(before[0]["library_code"], replace=True)
        else:
            r.function_delete(name)
        raise


def wrong_dump_and_flush(r, source, test):
    """loaded meanwhile by another team is gone"""
    before = r.function_dump()
    r.function_load(source, replace=True)
    try:
        return test()
    except BaseException:
        r.function_restore(before, "FLUSH")
        raise


def wrong_dump_and_replace(r, source, test):
    """a library that was not there before"""
    before = r.function_dump()
    r.function_load(source, replace=True)
    try:
        return test()
    except BaseException:
        r.function_restore(before, "REPLACE")
        raise


def wrong_dump_and_append(r, source, test):
    """the new version is still there"""
    import contextlib

    import redis

    before = r.function_dump()
    r.function_load(source, replace=True)
    try:
        return test()
    except BaseException:
        with contextlib.suppress(redis.ResponseError):
            r.function_restore(before)
        raise


def wrong_deletes(r, source, test):
    """the version that was there"""
    import re

    r.function_load(source, replace=True)
    try:
        return test()
    except BaseException:
        r.function_delete(re.match(r"#!lua\s+name=(\w+)", source)[1])
        raise


def wrong_swallows(r, source, test):
    """was not passed on"""
    import re

    name = re.match(r"#!lua\s+name=(\w+)", source)[1]
    before = r.function_list(library=name, withcode=True)
    r.function_load(source, replace=True)
    try:
        return test()
    except Exception:
        if before:
            r.function_load(before[0]["library_code"], replace=True)
        else:
            r.function_delete(name)
        return False


def wrong_deletes_before(r, source, test):
    """a moment without any"""
    import re

    name = re.match(r"#!lua\s+name=(\w+)", source)[1]
    before = r.function_list(library=name, withcode=True)
    if before:
        r.function_delete(name)
    try:
        r.function_load(source)
        return test()
    except BaseException:
        if before:
            r.function_load(before[0]["library_code"], replace=True)
        elif r.function_list(library=name):
            r.function_delete(name)
        raise


def wrong_tests_elsewhere(r, source, test):
    """ran without the new library"""
    test()
    r.function_load(source, replace=True)


def check(trial):
    import redis

    from redis_lab.course.answers import Refused

    def library(name, number):
        body = f"function() return {number} end"
        return f"#!lua name={name}\nredis.register_function('{name}_v', {body})"

    def version(name):
        try:
            return trial.r.fcall(f"{name}_v", 0)
        except redis.ResponseError as error:
            return str(error)

    seen = []

    class Failed(Exception):
        pass

    def passes():
        seen.append(version("seats"))
        return True

    def fails():
        seen.append(version("seats"))
        raise Failed("the trial failed")

    def tried(source, test, **options):
        """The exception that came out, as text; empty if none did."""
        try:
            trial.run(source, test, **options)
        except Refused as refused:
            return str(refused)
        return ""

    heard = tried(library("seats", 1), passes)
    trial.require(
        seen == [1],
        "the test runs once, with the new library",
        f"in the test a call of the function answered {seen}, not [1]: it ran without the new "
        f"library, or not at all. {heard}",
    )
    trial.require(
        version("seats") == 1 and not heard,
        "what passes stays",
        f"the test passed, and a call answers {version('seats')!r}. {heard}",
    )
    heard = tried(library("seats", 2), fails)
    trial.expect(
        seen[-1] == 2 and version("seats") == 1,
        "where version 2 fails, version 1 is back",
        f"in the test a call answered {seen[-1]!r}, afterwards {version('seats')!r}: "
        + (
            "the new version is still there"
            if version("seats") == 2
            else "the version that was there should be back"
        ),
    )
    trial.expect(
        "the trial failed" in heard,
        "whoever called hears why",
        f"the test raised, and its exception was not passed on: {heard!r}",
    )
    heard = tried(library("gates", 1), fails)
    trial.expect(
        "not found" in str(version("gates")),
        "where there was none, there is none",
        f"the test failed, and a call answers {version('gates')!r}: a library that was not there "
        "before",
    )

    def others_then_fails():
        trial.r.function_load(library("lounge", 2), replace=True)
        trial.r.function_load(library("bags", 1), replace=True)
        raise Failed("the trial failed")

    trial.r.function_load(library("lounge", 1))
    tried(library("seats", 3), others_then_fails)
    trial.expect(
        version("lounge") == 2 and version("bags") == 1,
        "what other teams loaded meanwhile stays",
        f"during the test lounge went from 1 to 2 and bags came; now they answer "
        f"{version('lounge')!r} and {version('bags')!r}: what was loaded meanwhile by another "
        "team is gone",
    )
    trial.r.function_load(library("seats", 1), replace=True)
    heard = tried("#!lua name=seats\nthis is no Lua", passes)
    trial.expect(
        bool(heard) and version("seats") == 1,
        "a library that can't be loaded changes nothing",
        f"the source was no Lua; what came out was {heard!r}, and a call answers "
        f"{version('seats')!r}",
    )
    gaps = []
    for after in range(1, 6):
        trial.r.function_load(library("seats", 1), replace=True)
        tried(
            library("seats", 2), fails, between=lambda: gaps.append(version("seats")), after=after
        )
    trial.expect(
        all(each in (1, 2) for each in gaps),
        "one of the two versions is there at every moment",
        f"between its trips calls were answered by {gaps}: there is a moment without any",
    )
