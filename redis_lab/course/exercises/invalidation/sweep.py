"""Remove by prefix: taken literally, page by page, and counted by what was really removed."""

NOTEBOOK = "34"
TITLE = "Sweep by prefix"
HINTS = (
    "`SCAN` in pages, `UNLINK` page by page: no command gets long, and no list of all names is "
    "needed.",
    "`COUNT` decides how many trips the walk takes; the default of 10 is 600 trips for 6,000 "
    "keys, and 100,000 is a `KEYS`.",
    "`*`, `?`, `[`, `]` and the backslash mean something in a pattern; with a backslash before "
    "them they mean themselves.",
    "`UNLINK` answers how many it removed. That is what you add up: a page may name what is gone "
    "by now, or what an earlier page has named.",
)
WHY = (
    "A prefix that comes from data will contain a star one day, and then the clean-up removes what "
    "it was never meant to see. Escape it in the one function that all clean-ups use."
)
SECONDS = 20.0


def stub(r, prefix):
    """Remove every key whose name begins with prefix; how many were removed."""


def solution(r, prefix):
    import re

    match = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
    cursor, removed = None, 0
    while cursor != 0:
        cursor, names = r.scan(cursor or 0, match=match, count=1000)
        if names:
            removed += r.unlink(*names)
    return removed


def wrong_as_a_pattern(r, prefix):
    """keys of others"""
    cursor, removed = None, 0
    while cursor != 0:
        cursor, names = r.scan(cursor or 0, match=f"{prefix}*", count=1000)
        if names:
            removed += r.unlink(*names)
    return removed


def wrong_small_pages(r, prefix):
    """trips for 6,000 keys"""
    import re

    match = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
    names = set(r.scan_iter(match))
    return sum(r.unlink(*list(names)[at : at + 500]) for at in range(0, len(names), 500))


def wrong_one_page(r, prefix):
    """is a KEYS with a cursor"""
    import re

    match = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
    names = list(set(r.scan_iter(match, count=1_000_000)))
    return sum(r.unlink(*names[at : at + 500]) for at in range(0, len(names), 500))


def wrong_one_command(r, prefix):
    """names in one command"""
    import re

    match = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
    names = set(r.scan_iter(match, count=1000))
    return r.unlink(*names) if names else 0


def wrong_one_script(r, prefix):
    """in one script"""
    walk = """
    local cursor, removed = '0', 0
    repeat
      local page = redis.call('SCAN', cursor, 'COUNT', 1000)
      cursor = page[1]
      for _, name in ipairs(page[2]) do
        if name:sub(1, #ARGV[1]) == ARGV[1] then
          removed = removed + redis.call('UNLINK', name)
        end
      end
    until cursor == '0'
    return removed
    """
    return r.eval(walk, 0, prefix)


def wrong_frees_at_once(r, prefix):
    """frees a large value on the spot"""
    import re

    match = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
    cursor, removed = None, 0
    while cursor != 0:
        cursor, names = r.scan(cursor or 0, match=match, count=1000)
        if names:
            removed += r.delete(*names)
    return removed


def wrong_stops_early(r, prefix):
    """it stopped at a page"""
    import re

    match = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
    cursor, removed = 0, 0
    while True:
        cursor, names = r.scan(cursor, match=match, count=1000)
        if not names:
            return removed
        removed += r.unlink(*names)
        if cursor == 0:
            return removed


def wrong_counts_names(r, prefix):
    """somebody else had removed"""
    import re

    match = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
    cursor, removed = None, 0
    while cursor != 0:
        cursor, names = r.scan(cursor or 0, match=match, count=1000)
        if names:
            r.unlink(*names)
            removed += len(names)
    return removed


def check(trial):
    r = trial.r
    store = "for i = 1, #ARGV do redis.call('SET', ARGV[i], '', 'EX', 600) end"
    mine = [f"flight:BOS:{number}" for number in range(2400)]
    rest = [f"flight:{dest}:{number}" for dest in ("LAX", "BO", "BOSTON") for number in range(1200)]
    r.eval(store, 0, *mine)
    r.eval(store, 0, *rest)
    r.hset("flight:BOS:crew", mapping={"captain": "Ada"})
    with trial.cost() as cost:
        removed = trial.run("flight:BOS:")
    kept = r.exists(*rest)
    left = r.exists(*mine, "flight:BOS:crew")
    trial.require(
        left == 0 and removed == 2401,
        "all of them go, of every type, and it says how many",
        f"2,401 keys begin with flight:BOS:, {left} are still there; it answered {removed!r}",
    )
    rare = ("seat:", "meal:", "bag:", "crew:", "fuel:", "gate:", "belt:", "wifi:")
    r.mset({f"{prefix}12A": "" for prefix in rare})
    found = [trial.run(prefix) for prefix in rare]
    trial.expect(
        found == [1] * len(rare),
        "it walks to the end",
        f"of {len(rare)} prefixes with one key each it found {found}: it stopped at a page "
        "without one",
    )
    r.unlink(*rest)
    trial.expect(kept == len(rest), "nothing else goes", f"{len(rest) - kept} others are gone")
    pages, ends = cost.commands["scan"], cost.commands["unlink"] + cost.commands["del"]
    trial.expect(
        cost.trips <= 30,
        "in 30 trips",
        f"it took {cost.trips} trips for 6,000 keys",
    )
    scripts = sum(cost.commands[name] for name in ("eval", "evalsha", "fcall"))
    trial.expect(
        pages >= 3 or cost.commands["keys"],
        "a page is short",
        f"it walked over 6,000 keys in {pages} pages: that is a KEYS with a cursor",
    )
    trial.expect(
        not scripts or pages <= scripts,
        "a script is short",
        f"it walked through {pages} pages in one script: nobody else is served meanwhile",
    )
    trial.expect(
        ends >= 2,
        "a removal is short",
        "it removed 2,401 names in one command",
    )
    trial.expect(
        not cost.commands["del"],
        "a large value is freed by another thread",
        "DEL frees a large value on the spot, and everybody waits",
    )
    for prefix in ("gate:*:", "gate:?:", "gate:[AB]:", "gate:\\:", "gate:a\\*:", "gate:^-]:", "ß*"):
        literal = [f"{prefix}{number}" for number in range(3)]
        others = ["gate:A:1", "gate:B:1", "gate:AB:1", "gate::1", "gate:a*:1", "gate:ab:1", "ß:1"]
        others = [name for name in others if not name.startswith(prefix)]
        r.mset(dict.fromkeys([*literal, *others], ""))
        removed = trial.run(prefix)
        survivors, left = r.exists(*others), r.exists(*literal)
        trial.expect(
            survivors == len(others) and left == 0 and removed == 3,
            f"{prefix} is a text",
            f"prefix {prefix}: {len(others) - survivors} keys of others are gone, and {left} of 3 "
            f"that begin with it are left; it answered {removed!r}",
        )
    trial.expect(trial.run("never:") == 0, "where there is nothing, it says 0", "it did not say 0")
    r.eval(store, 0, *mine)
    others = []
    removed = trial.run("flight:BOS:", between=lambda: others.append(r.unlink(*mine)))
    trial.expect(
        removed == len(mine) - sum(others),
        "what somebody else removes does not count",
        f"after its first trip somebody else had removed {sum(others):,} of {len(mine):,}; it "
        f"answered {removed!r}",
    )
