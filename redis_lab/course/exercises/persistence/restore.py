"""Put a backup onto a server, and prove that it is there to stay."""

NOTEBOOK = "60"
TITLE = "A restore that proves itself"
CONFIG = {"appendonly": "yes", "rdb-key-save-delay": 10_000}
SECONDS = 20.0
HINTS = (
    "A server that starts with `appendonly yes` looks at its AOF alone. What has to be off while "
    "it reads the snapshot?",
    "`CONFIG SET appendonly no`, `CONFIG REWRITE`, then `lab.kill`, `shutil.copy` into "
    "`node.folder`, `lab.restart`, `lab.wait_healthy()`.",
    "Then the AOF again: `CONFIG SET appendonly yes` begins a rewrite. Until "
    "`aof_rewrite_in_progress` and `aof_rewrite_scheduled` are 0, the new AOF isn't there.",
    "`CONFIG REWRITE` once more, or the next start knows nothing of it; and compare `DBSIZE` with "
    "`keys`: raise if they differ.",
)
WHY = (
    "A backup that was never restored is a hope. A restore is code: it is rehearsed on an empty "
    "server, it counts, and it fails loudly."
)


def stub(lab, backup, keys):
    """Let lab.primary serve this dump.rdb; raise unless so many keys are there and stay there."""


def solution(lab, backup, keys):
    import shutil
    import time

    r, node = lab.client(), lab.primary
    r.config_set("appendonly", "no")
    r.config_rewrite()
    lab.kill(node)
    shutil.copy(backup, node.folder / "dump.rdb")
    lab.restart(node)
    lab.wait_healthy()
    r.config_set("appendonly", "yes")
    while (said := r.info("persistence"))["aof_rewrite_in_progress"] or said[
        "aof_rewrite_scheduled"
    ]:
        time.sleep(0.01)
    r.config_rewrite()
    if r.dbsize() != keys or said["aof_last_bgrewrite_status"] != "ok":
        raise RuntimeError(f"{r.dbsize()} of {keys} keys were restored")


def wrong_copies_and_starts(lab, backup, keys):
    """it loaded its AOF, and that was empty"""
    import shutil

    node = lab.primary
    lab.kill(node)
    shutil.copy(backup, node.folder / "dump.rdb")
    lab.restart(node)
    lab.wait_healthy()


def wrong_without_the_aof(lab, backup, keys):
    """its AOF is off now"""
    import shutil

    r, node = lab.client(), lab.primary
    r.config_set("appendonly", "no")
    r.config_rewrite()
    lab.kill(node)
    shutil.copy(backup, node.folder / "dump.rdb")
    lab.restart(node)
    lab.wait_healthy()
    if r.dbsize() != keys:
        raise RuntimeError("not all keys were restored")


def wrong_in_a_hurry(lab, backup, keys):
    """its AOF was not complete when it came back"""
    import shutil

    r, node = lab.client(), lab.primary
    r.config_set("appendonly", "no")
    r.config_rewrite()
    lab.kill(node)
    shutil.copy(backup, node.folder / "dump.rdb")
    lab.restart(node)
    lab.wait_healthy()
    r.config_set("appendonly", "yes")
    r.config_rewrite()
    if r.dbsize() != keys:
        raise RuntimeError("not all keys were restored")


def wrong_without_a_count(lab, backup, keys):
    """and it said nothing"""
    import shutil
    import time

    r, node = lab.client(), lab.primary
    r.config_set("appendonly", "no")
    r.config_rewrite()
    lab.kill(node)
    shutil.copy(backup, node.folder / "dump.rdb")
    lab.restart(node)
    lab.wait_healthy()
    r.config_set("appendonly", "yes")
    while (said := r.info("persistence"))["aof_rewrite_in_progress"] or said[
        "aof_rewrite_scheduled"
    ]:
        time.sleep(0.01)
    r.config_rewrite()


def wrong_moves_the_backup(lab, backup, keys):
    """the backup itself is gone"""
    import shutil
    import time

    r, node = lab.client(), lab.primary
    r.config_set("appendonly", "no")
    r.config_rewrite()
    lab.kill(node)
    shutil.move(backup, node.folder / "dump.rdb")
    lab.restart(node)
    lab.wait_healthy()
    r.config_set("appendonly", "yes")
    while (said := r.info("persistence"))["aof_rewrite_in_progress"] or said[
        "aof_rewrite_scheduled"
    ]:
        time.sleep(0.01)
    r.config_rewrite()
    if r.dbsize() != keys:
        raise RuntimeError("not all keys were restored")


def check(trial):
    import shutil
    import tempfile
    from pathlib import Path

    import redis_lab.data
    import redis_lab.lab
    from redis_lab.course.answers import Refused
    from redis_lab.errors import LabUnavailable
    from redis_lab.lab.waiting import wait_until

    rows = redis_lab.data.flights(month=1, limit=200)[["id", "origin", "dest"]].to_dict("records")
    flights = {f"flight:{row['id']}": row for row in rows}

    def fill(client):
        with client.pipeline(transaction=False) as pipe:
            for key, row in flights.items():
                pipe.hset(key, mapping=row)
            pipe.execute()

    def there(lab):
        """How many of the flights are there as they were."""
        with lab.client().pipeline(transaction=False) as pipe:
            for key in flights:
                pipe.hgetall(key)
            return sum(map(dict.__eq__, pipe.execute(), flights.values()))

    def written(client):
        said = client.info("persistence")
        return "" if not said.get("aof_buffer_length") else "something is not in the AOF yet"

    lab = trial.lab
    node = lab.primary
    with tempfile.TemporaryDirectory() as folder:
        backup = Path(folder, "backup.rdb")
        with redis_lab.lab.standalone() as source:
            fill(source.client())
            source.client().save()
            shutil.copy(source.primary.folder / "dump.rdb", backup)
        trial.call(lab, backup, len(flights))
        trial.require(node.alive, "the server runs when it is done", "the server does not run")
        said = lab.client().info("persistence")
        unfinished = said["aof_rewrite_in_progress"] or said["aof_rewrite_scheduled"]
        found = there(lab)
        none = "; it loaded its AOF, and that was empty" if not found else ""
        trial.require(
            found == len(flights),
            f"all {len(flights)} flights are there as they were",
            f"of {len(flights)} flights {found} are there{none}",
        )
        lab.client().set("later", "boarding")
        if not unfinished:
            wait_until(lambda: written(lab.client()), 10, "the write in the AOF")
        lab.kill(node)
        try:
            lab.restart(node)
            lab.wait_healthy()
            left, later = there(lab), lab.client().get("later")
            forgot = lab.client().config_get("appendonly")["appendonly"] == "no"
        except LabUnavailable:
            left, later, forgot = 0, None, False
        why = "its AOF is off now"
        if unfinished:
            why = "its AOF was not complete when it came back"
        elif said["aof_enabled"]:
            why = (
                "its AOF was on, and its configuration file says no"
                if forgot
                else "it was not in the AOF"
            )
        trial.require(
            left == len(flights) and later == "boarding",
            "a write, kill -9, a start: all of it is there",
            f"a write, kill -9, a start: {left} of {len(flights)} flights are there, and the "
            f"write is {'there' if later else 'lost'}: {why}",
        )
        trial.require(
            backup.is_file(),
            "the backup is where it was",
            "the backup itself is gone: the next attempt has nothing to restore",
        )
        with redis_lab.lab.standalone(config=CONFIG) as other:
            try:
                trial.call(other, backup, len(flights) + 1)
                silent = True
            except Refused as refusal:
                silent = "did not come back" in str(refusal)
        trial.expect(
            not silent,
            "a backup that lacks a key is reported",
            f"{len(flights) + 1} keys were asked for, the backup has {len(flights)}, and it said "
            "nothing",
        )
