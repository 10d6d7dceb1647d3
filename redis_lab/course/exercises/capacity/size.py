"""Memory for an order that doesn't fit: items from a sample, tables reckoned apart."""

NOTEBOOK = "71"
TITLE = "Size a server"
HINTS = (
    "`used_memory` of `INFO memory`, before and after, is a weight with everything in it.",
    "A table has 8 bytes for each place, and as many places as the next power of two. Who has a "
    "time to live stands in a second one.",
    "Shortly below a power of two, say at 16,000, no table is on the move: there the rest of what "
    "was added, divided by the keys, is an item.",
    "empty server + sessions * item + 8 * 2 ** ceil(log2(sessions)), that last one twice if they "
    "expire.",
)
WHY = (
    "A sheet of four lines, made with the version and the allocator that will run it, is right "
    "within a few percent; one made of letters is wrong by two thirds for small values."
)

SECONDS = 20.0
MOST = 20_000


def stub(r, sessions, letters, expires):
    """Bytes of used_memory with so many sessions of so many letters, the empty server included.

    A session is r.set("session:000000017", "x" * letters), with an ex if expires is true. Stores
    20,000 keys at most.
    """


def solution(r, sessions, letters, expires):
    import math

    def used():
        return r.info("memory")["used_memory"]

    def tables(keys):
        return 8 * 2 ** math.ceil(math.log2(keys)) * (2 if expires else 1)

    empty = used()
    for first in range(0, 16_000, 1000):
        with r.pipeline(transaction=False) as pipe:
            for n in range(first, first + 1000):
                pipe.set(f"session:{n:09}", "x" * letters, ex=86_400 if expires else None)
            pipe.execute()
    item = (used() - empty - tables(16_000)) / 16_000
    return empty + sessions * item + tables(sessions)


def wrong_letters(r, sessions, letters, expires):
    """the letters are the smaller part"""
    return r.info("memory")["used_memory"] + sessions * (len("session:000000017") + letters)


def wrong_memory_usage(r, sessions, letters, expires):
    """MEMORY USAGE of a key leaves out"""
    empty = r.info("memory")["used_memory"]
    r.set("session:000000017", "x" * letters, ex=86_400 if expires else None)
    return empty + sessions * r.memory_usage("session:000000017")


def wrong_without_tables(r, sessions, letters, expires):
    """the tables of"""
    with r.pipeline(transaction=False) as pipe:
        for n in range(16_000):
            pipe.set(f"session:{n:09}", "x" * letters, ex=86_400 if expires else None)
        pipe.execute()
    stats = r.memory_stats()
    return stats["dataset.bytes"] / 16_000 * sessions + stats["startup.allocated"]


def wrong_stores_everything(r, sessions, letters, expires):
    """20,000 are allowed"""
    for first in range(0, sessions, 10_000):
        with r.pipeline(transaction=False) as pipe:
            for n in range(first, min(first + 10_000, sessions)):
                pipe.set(f"session:{n:09}", "x" * letters, ex=86_400 if expires else None)
            pipe.execute()
    return r.info("memory")["used_memory"]


FILL = """
for n = ARGV[1], ARGV[2] do
  local name = string.format('session:%09d', n)
  redis.call('SET', name, string.rep('x', ARGV[3]))
  if ARGV[4] == '1' then redis.call('EXPIRE', name, 86400) end
end
"""


def check(trial):
    import redis_lab.lab

    def weigh(sessions, letters, expires):
        """A server of its own, filled; what it uses once its tables have moved."""
        with redis_lab.lab.standalone() as lab:
            r = lab.client(socket_timeout=20)
            for _ in range(2):  # the second time moves what is left in the old tables
                for first in range(0, sessions, 10_000):
                    last = min(first + 10_000, sessions) - 1
                    r.eval(FILL, 0, first, last, letters, int(expires))
            return r.info("memory")["used_memory"]

    for sessions, letters, expires in ((36_000, 8, True), (72_000, 60, False)):
        trial.lab.flush()
        trial.r.config_resetstat()
        label = f"{sessions:,} of {letters} letters{', which expire' if expires else ''}"
        said = trial.run(sessions, letters, expires)
        stored = trial.r.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"]
        trial.require(
            max(stored, trial.r.dbsize()) <= MOST,
            "it stores 20,000 keys at most",
            f"{label}: it stored {max(stored, trial.r.dbsize()):,}; 20,000 are allowed",
        )
        trial.require(
            isinstance(said, int | float) and not isinstance(said, bool) and said > 0,
            f"{label}: it answers a number of bytes",
            f"{label}: it answered {said!r:.60}",
        )
        truth = weigh(sessions, letters, expires)
        reason = "what else does a key take, or what is counted twice?"
        if stored < 100 and said < 0.5 * truth:
            reason = "the letters are the smaller part: a key has headers, an entry, places"
        elif stored < 100 and said < truth:
            reason = "MEMORY USAGE of a key leaves out most of its share in the server's own tables"
        elif said < truth:
            both = "keys and of what expires" if expires else "keys"
            reason = f"is everything in it, the empty server and the tables of the {both}?"
        elif stored >= 100:
            reason = "a small sample has the whole empty server in it, or tables with much room"
        trial.require(
            abs(said / truth - 1) <= 0.15,
            f"{label}: within 15 % of what a filled server uses",
            f"{label}: it says {said / 1e6:.2f} MB, and a filled server uses {truth / 1e6:.2f}: "
            f"{reason}",
        )
