"""End a user's sessions: none missed, none counted that had ended, the one in the hand kept."""

NOTEBOOK = "42"
TITLE = "Log out everywhere"
HINTS = (
    "Whoever logs in after you have read the set stands in a set that you are about to delete.",
    "One script reads the set and deletes: nobody logs in while it runs.",
    "`UNLINK` answers how many keys there were: 0 for a session that had ended by itself.",
    "Take each id out of the set with `SREM` rather than the set with `DEL`: then the set keeps "
    "the id that stays, and its own end.",
)
WHY = (
    "People press this button when somebody else is in. A session that it misses is the one that "
    "mattered, and a session that no index lists can't be ended by pressing it again."
)


def stub(r, user, keep=None):
    """End all sessions of user, except the one with the id keep; how many were ended.

    For ann: session:{ann}:<id>; the set sessions:{ann} lists the ids, expired ones too.
    """


def solution(r, user, keep=None):
    source = """
        local ended = 0
        for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
            if id ~= ARGV[1] then
                ended = ended + redis.call('UNLINK', ARGV[2] .. id)
                redis.call('SREM', KEYS[1], id)
            end
        end
        return ended
    """
    prefix = f"session:{{{user}}}:"
    return r.eval(source, 1, f"sessions:{{{user}}}", keep or "", prefix)


def wrong_reads_then_deletes(r, user, keep=None):
    """no set lists it"""
    index, prefix = f"sessions:{{{user}}}", f"session:{{{user}}}:"
    ids = r.smembers(index) - {keep}
    with r.pipeline() as pipe:
        pipe.unlink("none", *[prefix + id for id in ids]).unlink(index)
        if keep:
            pipe.sadd(index, keep).expire(index, 3600)
        return pipe.execute()[0]


def wrong_set_first(r, user, keep=None):
    """it died after"""
    index, prefix = f"sessions:{{{user}}}", f"session:{{{user}}}:"
    ids = r.smembers(index) - {keep}
    if ids:
        r.srem(index, *ids)
    return r.unlink("none", *[prefix + id for id in ids])


def wrong_counts_the_expired(r, user, keep=None):
    """two of them had expired"""
    source = """
        local ended = 0
        for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
            if id ~= ARGV[1] then
                redis.call('UNLINK', ARGV[2] .. id)
                ended = ended + redis.call('SREM', KEYS[1], id)
            end
        end
        return ended
    """
    prefix = f"session:{{{user}}}:"
    return r.eval(source, 1, f"sessions:{{{user}}}", keep or "", prefix)


def wrong_ends_the_one_in_the_hand(r, user, keep=None):
    """was to stay"""
    source = """
        local ended = 0
        for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
            ended = ended + redis.call('UNLINK', ARGV[1] .. id)
        end
        redis.call('DEL', KEYS[1])
        return ended
    """
    return r.eval(source, 1, f"sessions:{{{user}}}", f"session:{{{user}}}:")


def wrong_forgets_the_one_kept(r, user, keep=None):
    """the next time"""
    source = """
        local ended = 0
        for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
            if id ~= ARGV[1] then ended = ended + redis.call('UNLINK', ARGV[2] .. id) end
        end
        redis.call('DEL', KEYS[1])
        return ended
    """
    prefix = f"session:{{{user}}}:"
    return r.eval(source, 1, f"sessions:{{{user}}}", keep or "", prefix)


def wrong_leaves_the_set(r, user, keep=None):
    """still in the set"""
    source = """
        local ended = 0
        for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
            if id ~= ARGV[1] then ended = ended + redis.call('UNLINK', ARGV[2] .. id) end
        end
        return ended
    """
    prefix = f"session:{{{user}}}:"
    return r.eval(source, 1, f"sessions:{{{user}}}", keep or "", prefix)


def wrong_walks_all_keys(r, user, keep=None):
    """trips"""
    prefix, ended = f"session:{{{user}}}:", 0
    for key in r.scan_iter(f"{prefix}*"):
        if key != f"{prefix}{keep}":
            ended += r.unlink(key)
            r.srem(f"sessions:{{{user}}}", key.removeprefix(prefix))
    return ended


def check(trial):
    index, prefix = "sessions:{ann}", "session:{ann}:"

    def enter(id, user="ann"):
        with trial.r.pipeline() as pipe:
            pipe.set(f"session:{{{user}}}:{id}", user, ex=1800)
            pipe.sadd(f"sessions:{{{user}}}", id).expire(f"sessions:{{{user}}}", 3600)
            pipe.execute()

    def fresh(*ids):
        trial.r.delete("none", *trial.r.scan_iter(count=1000))
        for id in ids:
            enter(id)

    def alive():
        return sorted(key.removeprefix(prefix) for key in trial.r.scan_iter(f"{prefix}*"))

    def listed():
        return sorted(trial.r.smembers(index))

    fresh("phone", "laptop", "tablet")
    enter("desk", user="anna")
    ended = trial.run("ann")
    trial.require(
        ended == 3 and alive() == [],
        "three sessions are ended, and it says 3",
        f"of three sessions {alive()} live on, and it answered {ended!r}"
        + (f". With its braces one of them is {prefix}phone" if len(alive()) == 3 else ""),
    )
    trial.expect(
        listed() == [],
        "the set no longer lists them",
        f"the sessions are gone, and {listed()} are still in the set",
    )
    trial.expect(
        trial.r.exists("session:{anna}:desk") == 1 and trial.r.smembers("sessions:{anna}"),
        "other users stay logged in",
        "anna was logged in, ann logged out everywhere, and anna's session or set is gone",
    )
    fresh("phone", "laptop", "tablet")
    trial.r.unlink(f"{prefix}phone", f"{prefix}tablet")
    ended = trial.run("ann")
    trial.expect(
        ended == 1,
        "what had expired is not counted",
        f"the set had three ids, two of them had expired, and it answered {ended!r}, not 1",
    )
    fresh("phone", "laptop", "tablet")
    ended = trial.run("ann", "laptop")
    trial.require(
        alive() == ["laptop"] and ended == 2,
        "the session to keep stays",
        f"laptop was to stay, phone and tablet to end: {alive() or 'none'} live, it said {ended!r}",
    )
    left = trial.r.ttl(index)
    trial.expect(
        listed() == ["laptop"] and 0 < left <= 3600,
        "it stays in the set, which has an end as before",
        f"laptop lives, the set lists {listed()} and has a TTL of {left} (it had 3600): the next "
        "time laptop can't be ended"
        if listed() != ["laptop"]
        else f"the set had 3600 s to live, and now has {left}",
    )
    fresh("phone")
    ended = trial.run("ann", "of-somebody-else")
    trial.expect(
        ended == 1 and alive() == [] and listed() == [],
        "an id that is not hers keeps nothing",
        f"keep was an id of somebody else; alive are {alive()}, the set lists {listed()}",
    )
    fresh()
    trial.expect(
        trial.run("ann") == 0 and not trial.keyspace(),
        "who has no session gets 0",
        f"for a user without sessions it left {list(trial.keyspace())}, or did not answer 0",
    )
    trips = []
    for count in (3, 60):
        fresh(*map(str, range(count)))
        trial.r.mset({f"other:{number}": 1 for number in range(500)})
        trips.append(trial.trips_of("ann"))
    trips.append(trial.trips_of("ann"))
    trial.expect(
        min(trips) == 1 and trips[1] <= 2,
        "it is one trip, however many there are",
        f"3 sessions took {trips[0]} trips, 60 took {trips[1]}, beside 500 keys of others",
    )
    for after in (1, 2, 3):
        fresh("phone", "laptop")
        trial.run("ann", "laptop", between=lambda: enter("thief"), after=after)
        lost = sorted(set(alive()) - set(listed()))
        trial.expect(
            not lost,
            "who logs in meanwhile is ended or listed",
            f"between trips {after} and {after + 1} somebody logged in: {lost} live, and no set "
            "lists it, so that the button will never end it",
        )
    for torn in (False, True):
        for after in (0, 1, 2, 3):
            fresh("phone", "laptop")
            trial.crash("ann", after=after, torn=torn)
            lost = sorted(set(alive()) - set(listed()))
            trial.expect(
                not lost,
                "if the caller dies, what lives is still listed",
                f"it died after {after} trips: {lost} live, and no set lists them any more",
            )
