"""Write a library: what it remembers, what it says of itself, and which keys it touches."""

NOTEBOOK = "23"
TITLE = "A library for the desk"
HINTS = (
    "A library is a text: `#!lua name=…` alone on its first line, then "
    "`redis.register_function(…)` for each function. It touches the keys that it is given.",
    "To count in a variable of the library is forgotten at the next load: the number lives in "
    "`keys[1]`, the buyers live in `keys[2]`.",
    "A reading function that is to run on replicas and on a full server needs a flag, and with a "
    "flag comes the long form: `redis.register_function{function_name='…', callback=…, "
    "flags={'no-writes'}}`.",
    "`seats_sell` looks first: `HGET keys[2] args[1]`, then `GET keys[1]`; only then `DECR` and "
    "`HSET`. A missing key answers `false`, and texts become numbers by `tonumber`.",
)
WHY = (
    "What a function says of itself decides where it may run. Redis never looks at its lines: "
    "without the flag a harmless look is refused on every replica and on every full server."
)
SHAPE = "replicated"


def stub():
    """The text of a library with seats_sell (free, sold; buyer) and seats_free (free)."""


def solution():
    return """#!lua name=seats
    local function free(keys) return tonumber(redis.call('GET', keys[1]) or 0) end
    redis.register_function{function_name='seats_free', callback=free, flags={'no-writes'}}
    redis.register_function('seats_sell', function(keys, args)
        local seat = redis.call('HGET', keys[2], args[1])
        if seat then return tonumber(seat) end
        local left = free(keys)
        if left < 1 then return nil end
        redis.call('HSET', keys[2], args[1], left)
        redis.call('DECR', keys[1])
        return left
    end)"""


def wrong_without_flag():
    """the function does not say that it only reads"""
    return """#!lua name=seats
    local function free(keys) return tonumber(redis.call('GET', keys[1]) or 0) end
    redis.register_function('seats_free', free)
    redis.register_function('seats_sell', function(keys, args)
        local seat = redis.call('HGET', keys[2], args[1])
        if seat then return tonumber(seat) end
        local left = free(keys)
        if left < 1 then return nil end
        redis.call('HSET', keys[2], args[1], left)
        redis.call('DECR', keys[1])
        return left
    end)"""


def wrong_flags_everything():
    """a function that writes was called no-writes"""
    return """#!lua name=seats
    local function free(keys) return tonumber(redis.call('GET', keys[1]) or 0) end
    local function sell(keys, args)
        local seat = redis.call('HGET', keys[2], args[1])
        if seat then return tonumber(seat) end
        local left = free(keys)
        if left < 1 then return nil end
        redis.call('HSET', keys[2], args[1], left)
        redis.call('DECR', keys[1])
        return left
    end
    redis.register_function{function_name='seats_free', callback=free, flags={'no-writes'}}
    redis.register_function{function_name='seats_sell', callback=sell, flags={'no-writes'}}"""


def wrong_in_a_variable():
    """kept in a variable of the library"""
    return """#!lua name=seats
    local sold = {}
    local function free(keys) return tonumber(redis.call('GET', keys[1]) or 0) end
    redis.register_function{function_name='seats_free', callback=free, flags={'no-writes'}}
    redis.register_function('seats_sell', function(keys, args)
        local known = keys[1] .. ' ' .. args[1]
        if sold[known] then return sold[known] end
        local left = free(keys)
        if left < 1 then return nil end
        sold[known] = left
        redis.call('HSET', keys[2], args[1], left)
        redis.call('DECR', keys[1])
        return left
    end)"""


def wrong_keys_of_its_own():
    """not the keys that it was given"""
    return """#!lua name=seats
    local function free() return tonumber(redis.call('GET', 'seats:{UA1545}') or 0) end
    redis.register_function{function_name='seats_free', callback=free, flags={'no-writes'}}
    redis.register_function('seats_sell', function(keys, args)
        local seat = redis.call('HGET', 'sold:{UA1545}', args[1])
        if seat then return tonumber(seat) end
        local left = free()
        if left < 1 then return nil end
        redis.call('HSET', 'sold:{UA1545}', args[1], left)
        redis.call('DECR', 'seats:{UA1545}')
        return left
    end)"""


def wrong_sells_again():
    """asks again"""
    return """#!lua name=seats
    local function free(keys) return tonumber(redis.call('GET', keys[1]) or 0) end
    redis.register_function{function_name='seats_free', callback=free, flags={'no-writes'}}
    redis.register_function('seats_sell', function(keys, args)
        local left = free(keys)
        if left < 1 then return nil end
        redis.call('HSET', keys[2], args[1], left)
        redis.call('DECR', keys[1])
        return left
    end)"""


def wrong_writes_first():
    """an error after the first write"""
    return """#!lua name=seats
    local function free(keys) return tonumber(redis.call('GET', keys[1]) or 0) end
    redis.register_function{function_name='seats_free', callback=free, flags={'no-writes'}}
    redis.register_function('seats_sell', function(keys, args)
        local left = free(keys)
        if left > 0 then redis.call('DECR', keys[1]) end
        local seat = redis.call('HGET', keys[2], args[1])
        if seat then
            if left > 0 then redis.call('INCR', keys[1]) end
            return tonumber(seat)
        end
        if left < 1 then return nil end
        redis.call('HSET', keys[2], args[1], left)
        return left
    end)"""


def wrong_forgets_the_first_line():
    """its first line"""
    return """
    #!lua name=seats
    redis.register_function('seats_sell', function(keys, args) return 1 end)"""


def check(trial):
    import contextlib

    import redis

    def said(client, name, *args):
        try:
            return client.fcall(name, *args)
        except redis.RedisError as error:
            return f"{type(error).__name__}: {error}"

    def flight(name, free):
        keys = [f"seats:{{{name}}}", f"sold:{{{name}}}"]
        trial.r.delete(*keys)
        if free is not None:
            trial.r.set(keys[0], free)
        return keys

    source = trial.call()
    trial.require(
        isinstance(source, str),
        "it is a text",
        f"library() returned {type(source).__name__}, not the text of a library",
    )
    try:
        trial.r.function_load(source)
        refused = ""
    except redis.ResponseError as error:
        refused = str(error)
    trial.require(
        not refused,
        "it can be loaded",
        f"FUNCTION LOAD said {refused!r}: is `#!lua name=…` all of its first line, and does the "
        "rest register functions?",
    )
    ua = flight("UA1545", 3)
    got = [said(trial.r, "seats_sell", 2, *ua, f"buyer:{n}") for n in range(1, 5)]
    flagged = any("read-only" in str(each) for each in got)
    trial.require(
        got == [3, 2, 1, None],
        "three seats go to three buyers, the fourth hears nil",
        "Redis stopped it at its first write: a function that writes was called no-writes"
        if flagged
        else f"of three seats four buyers were told {got}",
    )
    trial.expect(
        trial.r.hgetall(ua[1]) == {"buyer:1": "3", "buyer:2": "2", "buyer:3": "1"}
        and trial.r.get(ua[0]) == "0",
        "the keys tell who has which seat, and that none is left",
        f"not the books that were asked for: {trial.r.get(ua[0])!r}, {trial.r.hgetall(ua[1])!r}",
    )
    other = flight("B6725", 9)
    got = [
        said(trial.r, "seats_sell", 2, *other, "buyer:1"),
        said(trial.r, "seats_free", 1, other[0]),
    ]
    trial.expect(
        [str(each) for each in got] == ["9", "8"],
        "another flight is another flight",
        f"of nine seats of another flight a buyer was told {got[0]!r}, and {got[1]!r} are left: it "
        "uses not the keys that it was given",
    )
    again = said(trial.r, "seats_sell", 2, *other, "buyer:1")
    late = said(trial.r, "seats_sell", 2, *ua, "buyer:3")
    trial.expect(
        again == 9 and late == 1 and trial.r.get(other[0]) == "8",
        "who asks again is told the same seat, on a full plane too",
        f"buyer:1 has seat 9, asks again and hears {again!r}; buyer:3 has seat 1 of a plane that "
        f"is sold out, and hears {late!r}; seats are numbers",
    )
    if again == 9:
        trial.r.function_load(source, replace=True)
        again = said(trial.r, "seats_sell", 2, *other, "buyer:1")
        fresh = said(trial.r, "seats_sell", 2, *other, "buyer:2")
        trial.expect(
            again == 9 and fresh == 8,
            "after the library was loaded again nothing is forgotten",
            f"buyer:1 had seat 9 and buyer:2 none; the library was loaded again, and they hear "
            f"{again!r} and {fresh!r}: what was kept in a variable of the library is gone",
        )
    gone = flight("DL1743", None)
    got = [
        said(trial.r, "seats_free", 1, gone[0]),
        said(trial.r, "seats_sell", 2, *gone, "buyer:1"),
    ]
    trial.expect(
        got == [0, None],
        "a flight that is not on sale has no seats",
        f"of a flight whose keys don't exist it said {got}",
    )
    broken = flight("AA1141", 5)
    trial.r.set(broken[1], "a list, once")
    said(trial.r, "seats_sell", 2, *broken, "buyer:1")
    trial.expect(
        trial.r.get(broken[0]) == "5",
        "an error costs no seat",
        f"the sold key of a flight was a string by mistake; {trial.r.get(broken[0])} of 5 seats "
        "are left: an error after the first write takes nothing back",
    )
    left = trial.r.get(other[0])
    trial.r.wait(1, 5000)
    replica = trial.lab.replicas[0].client()
    with contextlib.closing(replica):
        on_replica = said(replica, "seats_free", 1, other[0])
    trial.expect(
        str(on_replica) == left,
        "seats_free runs on a replica",
        f"asked of a replica, seats_free said {on_replica!r}: the function does not say that it "
        "only reads",
    )
    trial.r.config_set("maxmemory", 1)
    full = said(trial.r, "seats_free", 1, other[0])
    sold_out = said(trial.r, "seats_sell", 2, *other, "buyer:9")
    trial.r.config_set("maxmemory", 0)
    trial.expect(
        str(full) == left,
        "and on a server whose memory is full",
        f"with a full memory seats_free said {full!r}: the function does not say that it only "
        "reads",
    )
    trial.expect(
        "OutOfMemory" in str(sold_out),
        "where nothing is sold",
        f"with a full memory a seat was sold: {sold_out!r}",
    )
