"""What a kill would cost now, read from INFO."""

NOTEBOOK = "60"
TITLE = "What would a kill cost now?"
CONFIG = {"save": "3600 1"}
HINTS = (
    "`r.info('persistence')` has all that it takes, about both files.",
    "`rdb_changes_since_last_save` counts what no finished snapshot has. A snapshot that is under "
    "way has saved nothing yet, and the counter knows that.",
    "With an AOF that counter counts on, and means nothing: look at `aof_enabled` first.",
)
WHY = (
    "An alarm on `rdb_changes_since_last_save` tells you on Tuesday that the snapshots have failed "
    "since Monday; the same alarm on a server with an AOF rings for ever."
)


def stub(r):
    """How many changes kill -9 would cost at this moment, from INFO; nothing else is under way."""


def solution(r):
    said = r.info("persistence")
    return 0 if said["aof_enabled"] else said["rdb_changes_since_last_save"]


def wrong_snapshots_alone(r):
    """the AOF has every one of them"""
    return r.info("persistence")["rdb_changes_since_last_save"]


def wrong_all_of_it(r):
    """what the snapshot has is not lost"""
    return 0 if r.info("persistence")["aof_enabled"] else r.dbsize()


def wrong_trusts_a_snapshot_under_way(r):
    """a snapshot that is not finished"""
    said = r.info("persistence")
    if said["aof_enabled"] or said["rdb_bgsave_in_progress"]:
        return 0
    return said["rdb_changes_since_last_save"]


def wrong_trusts_the_status(r):
    """no snapshot has them"""
    said = r.info("persistence")
    if said["aof_enabled"] or said["rdb_last_bgsave_status"] == "ok":
        return 0
    return said["rdb_changes_since_last_save"]


def check(trial):
    import redis_lab.lab
    from redis_lab.lab.waiting import wait_until

    def change(lab, word, count):
        """So many keys set, each once."""
        with lab.client().pipeline(transaction=False) as pipe:
            for number in range(count):
                pipe.set(f"{word}:{number}", "boarding")
            pipe.execute()

    def killed(lab, names):
        """How many of these keys kill -9 costs."""
        lab.kill(lab.nodes[0])
        lab.restart(lab.nodes[0])
        lab.wait_healthy()
        return len(names) - (lab.client().exists(*names) if names else 0)

    def judge(lab, told, words, claim, why):
        names = [f"{word}:{number}" for word, count in words.items() for number in range(count)]
        lost = killed(lab, names)
        right = not isinstance(told, bool) and told == lost
        trial.require(
            right,
            f"{claim}: {lost} lost, as you said" if right else claim,
            f"{claim}: you said {told!r:.60}, and a kill cost {lost}: {why}",
        )

    lab = trial.lab
    change(lab, "first", 200)
    words = {"first": 200}
    judge(lab, trial.run(), words, "200 changes, no snapshot", "no snapshot has them")
    change(lab, "second", 120)
    lab.client().save()
    change(lab, "third", 30)
    words = {"second": 120, "third": 30}
    why = "what the snapshot has is not lost"
    judge(lab, trial.run(), words, "120 changes, a snapshot, 30 more", why)
    change(lab, "fourth", 50)
    lab.client().config_set("rdb-key-save-delay", 100_000)
    lab.client().bgsave()
    told = trial.run()
    why = "a snapshot that is not finished has saved nothing"
    judge(lab, told, {"fourth": 50}, "50 changes, a snapshot under way", why)

    def written(client):
        said = client.info("persistence")
        return "something is on its way" if said["aof_buffer_length"] else ""

    with redis_lab.lab.standalone(config={"appendonly": "yes", "save": "3600 1"}) as other:
        change(other, "fifth", 70)
        wait_until(lambda: written(other.client()), 10, "the AOF written")
        told = trial.call(other.client())
        why = "the AOF has every one of them"
        judge(other, told, {"fifth": 70}, "70 changes, an AOF", why)
