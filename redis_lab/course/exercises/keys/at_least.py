"""Prolong, never cut short: EXPIRE GT, and what it means for a key without an end."""

NOTEBOOK = "02"
TITLE = "Never cut short"
HINTS = (
    "Who looks first and writes then may find that the end has moved in between.",
    "`EXPIRE` takes a condition: let the server compare.",
    "`GT` never touches a key without an end: that one lives longer than any number.",
    "`r.pipeline()`, with `expire(key, seconds, gt=True)` and `ttl(key)` in it.",
)
WHY = (
    "Sessions, seats on hold, boards that several writers keep alive: each of them knows how long "
    "it needs the key, and none knows what the others need. The longest wins, whoever comes last."
)


def stub(r, key, seconds):
    """Let the key live so many seconds at least; answer what TTL says then."""


def solution(r, key, seconds):
    with r.pipeline() as pipe:
        return pipe.expire(key, seconds, gt=True).ttl(key).execute()[1]


def wrong_plain_expire(r, key, seconds):
    """cut short"""
    with r.pipeline() as pipe:
        return pipe.expire(key, seconds).ttl(key).execute()[1]


def wrong_look_then_expire(r, key, seconds):
    """another client had prolonged it in between"""
    if 0 <= r.ttl(key) < seconds:
        r.expire(key, seconds)
    return r.ttl(key)


def wrong_gives_everything_an_end(r, key, seconds):
    """lived for ever"""
    with r.pipeline() as pipe:
        pipe.expire(key, seconds, nx=True).expire(key, seconds, gt=True)
        return pipe.ttl(key).execute()[-1]


def wrong_two_trips(r, key, seconds):
    """2 trips"""
    r.expire(key, seconds, gt=True)
    return r.ttl(key)


def wrong_answers_what_was_asked(r, key, seconds):
    """not what TTL says"""
    r.expire(key, seconds, gt=True)
    return seconds


def wrong_the_other_word(r, key, seconds):
    """it still has 100"""
    with r.pipeline() as pipe:
        return pipe.expire(key, seconds, lt=True).ttl(key).execute()[1]


def check(trial):
    def after(key, left, seconds):
        """What TTL says of a key that had so much left, and what the answer said."""
        trial.r.delete(key)
        trial.r.hset(key, mapping={"gate": "C71"})
        if left:
            trial.r.expire(key, left)
        said = trial.run(key, seconds)
        return trial.r.ttl(key), said

    short, said_short = after("board:EWR", 100, 500)
    trial.require(
        495 <= short <= 500,
        "a key with 100 s left gets 500",
        f"a key with 100 s left should get 500, and it still has {short}",
    )
    long, said_long = after("board:JFK", 1000, 500)
    trial.expect(
        995 <= long <= 1000,
        "one with 1,000 s left keeps them",
        f"a key with 1,000 s left was cut short: it has {long}",
    )
    stays, said_stays = after("board:LGA", None, 500)
    trial.expect(
        stays == -1,
        "one without an end keeps none",
        f"a key lived for ever, and now it has {stays} s left",
    )
    none = trial.run("board:TEB", 500)
    trial.expect(
        not trial.r.exists("board:TEB"),
        "what isn't there stays away",
        "it made a key that was not there",
    )
    said = [said_short, said_long, said_stays, none]
    right = all(
        isinstance(one, int) and abs(one - left) <= 2
        for one, left in zip(said, (short, long, stays, -2), strict=True)
    )
    trial.expect(
        right,
        "it answers what TTL says: seconds, -1 or -2",
        f"it answered {said}, which is not what TTL says afterwards: {[short, long, stays, -2]}",
    )
    for gap in (1, 2):
        trial.r.set("board:SWF", "", ex=100)
        acted = []

        def prolong(acted=acted):
            acted.append(trial.r.expire("board:SWF", 5000))

        trial.run("board:SWF", 500, between=prolong, after=gap)
        left = trial.r.ttl("board:SWF")
        trial.expect(
            left > 4990 or not acted,
            f"another client may act after trip {gap}",
            f"another client had prolonged it in between, to 5,000 s, and now it has {left}",
        )
    trial.r.expire("board:EWR", 100)
    trips = trial.trips_of("board:EWR", 500)
    trial.expect(trips == 1, "in one trip", f"it took {trips} trips")
