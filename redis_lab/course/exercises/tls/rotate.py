"""Give a running server a new certificate, without a failed command, for good."""

NOTEBOOK = "68"
TITLE = "A new certificate, and nobody notices"
SHAPE = "secure"
SECONDS = 10.0
HINTS = (
    "Redis reads the files when it is told their names. What do they have to be when it does?",
    "`CONFIG SET` takes several settings at once; redis-py's `config_set` does too, by name and "
    "value after each other.",
    "If the pair does not fit, the files that the server would start from must still be the old "
    "ones: give the new ones names of their own.",
    "`path.touch(mode=0o600)` before `write_bytes`; then `CONFIG SET tls-cert-file … tls-key-file "
    "…`; then `CONFIG REWRITE`.",
)
WHY = (
    "A certificate that is replaced by hand once a year is the one that expires. Once it costs "
    "nothing, it can be done every week, and a stolen key is worth a week."
)


def stub(r, folder, chain, key):
    """Serve this certificate from now on. chain, key: PEM, bytes. folder: where files may go."""


def solution(r, folder, chain, key):
    import uuid
    from pathlib import Path

    paths = [Path(folder) / f"{uuid.uuid4().hex}.pem" for _ in range(2)]
    for path, pem in zip(paths, (chain, key), strict=True):
        path.touch(mode=0o600)
        path.write_bytes(pem)
    cert_file, key_file = map(str, paths)
    r.execute_command("CONFIG SET", "tls-cert-file", cert_file, "tls-key-file", key_file)
    r.config_rewrite()


def wrong_one_by_one(r, folder, chain, key):
    """Unable to update TLS configuration"""
    import os
    from pathlib import Path

    for name, pem in (("tls-cert-file", chain), ("tls-key-file", key)):
        path = Path(folder) / f"{name}-{os.urandom(4).hex()}.pem"
        path.touch(mode=0o600)
        path.write_bytes(pem)
        r.config_set(name, str(path))
    r.config_rewrite()


def wrong_not_for_good(r, folder, chain, key):
    """had the old certificate again"""
    import os
    from pathlib import Path

    path = Path(folder) / f"{os.urandom(4).hex()}.pem"
    path.touch(mode=0o600)
    path.write_bytes(key + chain)
    r.execute_command("CONFIG SET", "tls-cert-file", str(path), "tls-key-file", str(path))


def wrong_readable(r, folder, chain, key):
    """other users of this machine may read"""
    import os
    from pathlib import Path

    path = Path(folder) / f"{os.urandom(4).hex()}.pem"
    path.write_bytes(key + chain)
    r.execute_command("CONFIG SET", "tls-cert-file", str(path), "tls-key-file", str(path))
    r.config_rewrite()


def wrong_readable_for_a_moment(r, folder, chain, key):
    """at least for a moment"""
    import os
    from pathlib import Path

    path = Path(folder) / f"{os.urandom(4).hex()}.pem"
    path.write_bytes(key + chain)
    path.chmod(0o600)
    r.execute_command("CONFIG SET", "tls-cert-file", str(path), "tls-key-file", str(path))
    r.config_rewrite()


def wrong_saves_too_early(r, folder, chain, key):
    """had the old certificate again"""
    import os
    from pathlib import Path

    path = Path(folder) / f"{os.urandom(4).hex()}.pem"
    path.touch(mode=0o600)
    path.write_bytes(key + chain)
    r.config_rewrite()
    r.execute_command("CONFIG SET", "tls-cert-file", str(path), "tls-key-file", str(path))


def wrong_files_only(r, folder, chain, key):
    """still see the old one"""
    from pathlib import Path

    Path(r.config_get("tls-cert-file")["tls-cert-file"]).write_bytes(chain)
    Path(r.config_get("tls-key-file")["tls-key-file"]).write_bytes(key)


def wrong_in_place(r, folder, chain, key):
    """does not start any more"""
    from pathlib import Path

    files = r.config_get("tls-*-file")
    Path(files["tls-cert-file"]).write_bytes(chain)
    Path(files["tls-key-file"]).write_bytes(key)
    names = ("tls-cert-file", files["tls-cert-file"], "tls-key-file", files["tls-key-file"])
    r.execute_command("CONFIG SET", *names)


def wrong_says_nothing(r, folder, chain, key):
    """the caller was told nothing"""
    import os
    from pathlib import Path

    import redis

    path = Path(folder) / f"{os.urandom(4).hex()}.pem"
    path.touch(mode=0o600)
    path.write_bytes(key + chain)
    try:
        r.execute_command("CONFIG SET", "tls-cert-file", str(path), "tls-key-file", str(path))
        r.config_rewrite()
    except redis.ResponseError:
        pass


def check(trial):
    import os
    from pathlib import Path
    from unittest.mock import patch

    import redis
    import trustme

    from redis_lab import LabUnavailable
    from redis_lab.course.answers import Refused

    lab, tls = trial.lab, trial.lab.tls
    authority = trustme.CA.from_pem(Path(tls.ca).read_bytes(), Path(tls.ca_key).read_bytes())
    folder = Path(tls.cert).parent / "check"
    folder.mkdir(mode=0o755)
    failed, readable, steady = [], [], lab.client()
    steady.ping()

    def pair():
        leaf = authority.issue_cert("localhost", "127.0.0.1")
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        return chain, leaf.private_key_pem.bytes()

    def serial_of(chain):
        from cryptography import x509

        return x509.load_pem_x509_certificate(chain).serial_number

    def seen():
        with lab.client() as client:
            connection = client.connection_pool.get_connection()
            serial = int(connection._sock.getpeercert()["serialNumber"], 16)
            client.connection_pool.release(connection)
            return serial

    def look():
        """What everybody else does at that moment: connect, work, and try to read keys."""
        try:
            seen()
            steady.set("desk:1", "open")
        except redis.RedisError as error:
            failed.append(str(error))
        look_at_files()

    def look_at_files():
        paths = [each for each in Path(tls.cert).parent.rglob("*") if each.is_file()]
        loose = [each for each in paths if b"PRIVATE KEY" in each.read_bytes()]
        readable.extend(each.name for each in loose if each.stat().st_mode & 0o077)

    def told_to_change(change):
        """os.chmod and os.fchmod: what others may read up to that moment counts."""

        def changed(*args, **kwargs):
            look_at_files()
            return change(*args, **kwargs)

        return changed

    def restart():
        steady.connection_pool.disconnect()
        lab.kill(lab.primary)
        lab.restart(lab.primary)

    chain, key = pair()
    trial.run(str(folder), chain, key)
    found = serial_of(chain) == seen()
    trial.require(
        found,
        "new connections see the new certificate",
        "it was called, and new connections still see the old one: files alone change nothing, "
        "the server read them at its start",
    )
    look()
    with patch("os.chmod", told_to_change(os.chmod)), patch("os.fchmod", told_to_change(os.fchmod)):
        trial.crash(str(folder), *pair(), after=0)
    look()
    for after in range(1, 5):
        trial.run(str(folder), *pair(), between=look, after=after)
    look()
    trial.require(
        not failed,
        "no command fails, on old connections or new ones",
        f"others got errors meanwhile: {failed[:1]}",
    )
    trial.require(
        not readable,
        "the key is private",
        f"a file with a private key, {readable[:1]}, is one that other users of this machine may "
        "read, at least for a moment: its mode should be 0600 before anything is in it",
    )
    before = seen()
    restart()
    trial.require(
        seen() == before,
        "after a restart new connections still see it",
        "the server was restarted, and had the old certificate again: its configuration file "
        "names the old files",
    )
    wrong_chain, wrong_key = pair()[0], pair()[1]
    try:
        trial.run(str(folder), wrong_chain, wrong_key)
        told = False
    except Refused:
        told = True
    look()
    trial.require(
        told,
        "of a key that does not fit the caller hears",
        "a key of another certificate was handed in, and the caller was told nothing",
    )
    trial.expect(
        not failed and seen() == before,
        "and the server goes on with what it had",
        f"after a key that does not fit, new connections fail or see another one: {failed[:1]}",
    )
    try:
        restart()
        started = True
    except LabUnavailable:
        started = False
    trial.require(
        started,
        "the server starts again after that",
        "after a key that did not fit, the server does not start any more: the files that it "
        "starts from were overwritten",
    )
    trial.expect(
        seen() == before,
        "and still has the certificate that fits",
        "the server was restarted after a key that did not fit, and has another certificate",
    )
