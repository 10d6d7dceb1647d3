"""What lies in a node's folder on this machine: a backup, a damaged AOF, certificates."""

import shutil
from pathlib import Path

import pytest

import redis_lab as rl

AOF = {"appendonly": "yes", "appendfsync": "always"}


def test_a_damaged_aof_stops_the_start_and_is_repaired():
    """The server refuses to start, and says why; what was before the damage is kept."""
    with rl.standalone(config=AOF) as lab:
        client, node = lab.client(), lab.primary
        for number in range(100):
            client.rpush("list", number)
        lab.kill(node)
        (log,) = node.folder.glob("appendonlydir/*.incr.aof")
        written = log.read_bytes()
        half = len(written) // 2
        log.write_bytes(written[:half] + b"garbage" + written[half + 7 :])
        with pytest.raises(rl.LabUnavailable, match="append only file"):
            lab.restart(node)
        (manifest,) = node.folder.glob("appendonlydir/*.manifest")
        name = str(manifest.relative_to(node.folder))
        assert "ok_up_to" in lab.tool(node, "redis-check-aof", name)
        assert log.stat().st_size == len(written)
        assert "Successfully truncated" in lab.tool(node, "redis-check-aof", "--fix", name)
        lab.restart(node)
        kept = [int(item) for item in lab.client().lrange("list", 0, -1)]
        assert kept == list(range(len(kept)))
        assert 20 < len(kept) < 70


def test_a_snapshot_is_restored_on_another_server():
    """The file of one lab, put into the folder of another, holds every key."""
    with rl.standalone() as lab, rl.standalone() as empty:
        lab.client().mset({f"key:{number}": number for number in range(1000)})
        lab.client().save()
        told = lab.tool(lab.primary, "redis-check-rdb", "dump.rdb")
        assert "1000 keys read" in told
        node = empty.primary
        empty.kill(node)
        shutil.copy(lab.primary.folder / "dump.rdb", node.folder)
        empty.restart(node)
        assert empty.client().dbsize() == 1000


def test_a_certificate_is_replaced_without_a_restart():
    """One of the same authority, in the folder of the others: new connections are shown it."""
    import trustme

    with rl.secure() as lab:
        old = lab.client()
        assert old.ping()
        authority = trustme.CA.from_pem(
            Path(lab.tls.ca).read_bytes(), Path(lab.tls.ca_key).read_bytes()
        )
        fresh = authority.issue_cert("localhost", "127.0.0.1", common_name="rotated")
        folder = Path(lab.tls.cert).parent
        for name, blobs in (
            ("new.crt", fresh.cert_chain_pems),
            ("new.key", [fresh.private_key_pem]),
        ):
            (folder / name).write_bytes(b"".join(blob.bytes() for blob in blobs))
        paths = (str(folder / "new.crt"), str(folder / "new.key"))
        lab.primary.tell("CONFIG", "SET", "tls-cert-file", paths[0], "tls-key-file", paths[1])
        assert common_name(lab.primary) == "rotated"
        assert old.ping()


def common_name(node):
    """The name in the certificate that a new connection is shown."""
    with node.client() as client:
        connection = client.connection_pool.get_connection()
        shown = connection._sock.getpeercert()
        return next(value for ((name, value),) in shown["subject"] if name == "commonName")


def test_only_the_tools_of_redis_are_run():
    """Anything else is a ValueError, also a path."""
    with rl.standalone() as lab, pytest.raises(ValueError, match="redis-check-aof"):
        lab.tool(lab.primary, "/bin/ls")


def test_a_server_that_is_not_ours_has_no_folder():
    """Of an attached server nothing is known but its address, and nothing is run."""
    with rl.standalone() as lab, rl.attach(lab.url) as seen:
        assert seen.primary.folder is None
        assert (lab.primary.folder / "redis.conf").is_file()
        with pytest.raises(rl.LabUnavailable):
            seen.tool(seen.primary, "redis-check-rdb", "dump.rdb")
