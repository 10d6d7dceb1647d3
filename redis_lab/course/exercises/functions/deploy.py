"""Versions side by side: a library for each version, so that no deployment takes another's away."""

NOTEBOOK = "23"
TITLE = "Yesterday's version stays"
HINTS = (
    "A library is replaced as a whole. What if each version had a library of its own?",
    "`#!lua name=price_v7` on the first line, then `redis.register_function('price_v7', ` and the "
    "body. A version that is there already need not be loaded.",
    "`r.function_list()` tells the libraries: yours are `price_v` and a number. Compare numbers, "
    "not texts, and compare with the newest that is there: you may be the late one.",
    "Load first, delete then: `r.function_delete('price_v5')` for each that is older than the "
    "newest by two or more.",
)
WHY = (
    "Two versions of a program run at the same time in every rolling deployment. With the version "
    "in the name both find what they were written for, and the order of starts doesn't matter."
)


def stub(r, version, body):
    """Make price_v<version> callable, and keep that of the version before; older ones go."""


def solution(r, version, body):
    names = [library["library_name"][7:] for library in r.function_list(library="price_v*")]
    there = {int(name) for name in names if name.isdigit()}
    newest = max({version, *there})
    if version not in there and version >= newest - 1:
        name = f"price_v{version}"
        r.function_load(f"#!lua name={name}\nredis.register_function('{name}', {body})")
    for old in there:
        if old < newest - 1:
            r.function_delete(f"price_v{old}")


def wrong_replaces(r, version, body):
    """the version before is gone"""
    r.function_load(
        f"#!lua name=price\nredis.register_function('price_v{version}', {body})", replace=True
    )


def wrong_keeps_all(r, version, body):
    """nobody calls it any more"""
    name = f"price_v{version}"
    r.function_load(f"#!lua name={name}\nredis.register_function('{name}', {body})", replace=True)


def wrong_counts_back(r, version, body):
    """version 11 was skipped"""
    name, old = f"price_v{version}", f"price_v{version - 2}"
    if not r.function_list(library=name):
        r.function_load(f"#!lua name={name}\nredis.register_function('{name}', {body})")
        if r.function_list(library=old):
            r.function_delete(old)


def wrong_flushes(r, version, body):
    """another team's function is gone"""
    kept = [
        each["library_code"]
        for each in r.function_list(withcode=True)
        if each["library_name"] == f"price_v{version - 1}"
    ]
    name = f"price_v{version}"
    source = f"#!lua name={name}\nredis.register_function('{name}', {body})"
    with r.pipeline() as pipe:
        pipe.function_flush("SYNC")
        for code in [*kept, source]:
            pipe.function_load(code)
        pipe.execute()


def wrong_deletes_first(r, version, body):
    """between two trips"""
    names = [each["library_name"] for each in r.function_list()]
    name = f"price_v{version}"
    source = f"#!lua name={name}\nredis.register_function('{name}', {body})"
    texts = [
        each["library_code"]
        for each in r.function_list(withcode=True)
        if each["library_name"] == f"price_v{version - 1}"
    ]
    for each in names:
        if each.startswith("price_v"):
            r.function_delete(each)
    for text in [*texts, source]:
        r.function_load(text)


def wrong_order_of_texts(r, version, body):
    """10 comes after 9"""
    name = f"price_v{version}"
    r.function_load(f"#!lua name={name}\nredis.register_function('{name}', {body})", replace=True)
    names = [each["library_name"] for each in r.function_list()]
    mine = sorted(each for each in names if each.startswith("price_v"))
    for each in mine[:-2]:
        r.function_delete(each)


def wrong_late_one_wins(r, version, body):
    """a late start"""
    name = f"price_v{version}"
    r.function_load(f"#!lua name={name}\nredis.register_function('{name}', {body})", replace=True)
    for each in r.function_list():
        if each["library_name"].startswith("price_v") and each["library_name"] not in (
            name,
            f"price_v{version - 1}",
        ):
            r.function_delete(each["library_name"])


def wrong_twice(r, version, body):
    """deployed a second time"""
    name = f"price_v{version}"
    r.function_load(f"#!lua name={name}\nredis.register_function('{name}', {body})")
    for each in r.function_list(library="price_v*"):
        if int(each["library_name"][7:]) < version - 1:
            r.function_delete(each["library_name"])


def check(trial):
    import redis

    from redis_lab.course.answers import Refused

    def body(version):
        return f"function(keys, args) return {version} * tonumber(args[1]) end"

    def priced(version):
        try:
            return trial.r.fcall(f"price_v{version}", 0, 100)
        except redis.ResponseError as error:
            return str(error)

    def state(*versions):
        return {version: priced(version) for version in versions}

    trial.r.function_load(
        "#!lua name=lounge\nredis.register_function('lounge_open', function() return 1 end)"
    )
    trial.run(1, body(1))
    trial.require(
        priced(1) == 100,
        "the first version can be called",
        f"after deploy(r, 1, …) a call of price_v1 with 100 answers {priced(1)!r}, not 100",
    )
    trial.run(2, body(2))
    trial.require(
        priced(2) == 200,
        "so can the second",
        f"after deploy(r, 2, …) a call of price_v2 with 100 answers {priced(2)!r}, not 200",
    )
    trial.require(
        priced(1) == 100,
        "and the first still, for programs that have not been replaced yet",
        f"version 2 was deployed, and price_v1 answers {priced(1)!r}: the version before is gone",
    )
    trial.run(3, body(3))
    now = state(1, 2, 3)
    trial.expect(
        now[2] == 200 and now[3] == 300,
        "with version 3 there are 2 and 3",
        f"calls of versions 2 and 3 answer {now[2]!r} and {now[3]!r}",
    )
    trial.expect(
        "not found" in str(now[1]),
        "and 1 has gone",
        f"version 3 was deployed, price_v1 answers {now[1]!r}: nobody calls it any more",
    )
    try:
        trial.run(3, body(3))
        again = ""
    except Refused as refused:
        again = str(refused)
    now = state(2, 3)
    trial.expect(
        not again and list(now.values()) == [200, 300],
        "to deploy what is there changes nothing",
        f"version 3 was deployed a second time, as each program does that starts: {again or now}",
    )
    trial.run(2, body(2))
    now = state(2, 3)
    trial.expect(
        list(now.values()) == [200, 300],
        "a late start of version 2 takes nothing away",
        f"version 2 was deployed once more, and versions 2 and 3 answer {list(now.values())}: a "
        "late start must not end the newer version",
    )
    seen = []
    for after in range(1, 6):
        for each in trial.r.function_list(library="price*"):
            trial.r.function_delete(each["library_name"])
        trial.run(7, body(7))
        trial.run(8, body(8))
        trial.run(9, body(9), between=lambda: seen.append(priced(8)), after=after)
    trial.expect(
        all(each == 800 for each in seen),
        "the version before can be called at every moment",
        "version 9 was being deployed, and between two trips a call of price_v8 answered "
        f"{next((each for each in seen if each != 800), '')!r}",
    )
    trial.run(10, body(10))
    now = state(8, 9, 10)
    trial.expect(
        now[9] == 900 and now[10] == 1000 and "not found" in str(now[8]),
        "versions are numbers: with 10, 9 stays and 8 goes",
        f"version 10 was deployed after 8 and 9; they answer {now}: 10 comes after 9",
    )
    before = state(9, 10)
    try:
        trial.run(11, "function(keys, args) retrun 1 end")
        heard = False
    except Refused:
        heard = True
    now = state(9, 10)
    trial.expect(
        heard and now == before,
        "a rule with a typing error is an exception, and changes nothing",
        f"the body of version 11 was no Lua; {'an' if heard else 'no'} exception came; versions 9 "
        f"and 10 answered {list(before.values())}, and now {list(now.values())}",
    )
    trial.run(12, body(12))
    now = state(9, 12)
    trial.expect(
        now[12] == 1200 and "not found" in str(now[9]),
        "a skipped version is no reason to stay: with 12, 9 goes",
        f"after 9 and 10 version 11 was skipped, and 12 deployed; 9 and 12 answer "
        f"{list(now.values())}",
    )
    names = [each["library_name"] for each in trial.r.function_list()]
    trial.expect(
        "lounge" in names,
        "the libraries of others stay",
        f"there was a library lounge, and now there are {names}: another team's function is gone",
    )
