"""observe.certificates reads what certificates say, from files and from servers."""

import datetime as dt

import pytest

import redis_lab as rl
from redis_lab.observe import certificates

trustme = pytest.importorskip("trustme")


def test_what_files_say(tmp_path):
    """Who it is about, who signed, until when; two keys of one name differ in their key."""
    until = dt.datetime(2031, 5, 6, tzinfo=dt.UTC)
    one, twin = (trustme.CA(organization_unit_name="Airport") for _ in range(2))
    leaf = one.issue_cert("redis.example", "127.0.0.1", not_after=until, common_name="redis")
    paths = [tmp_path / name for name in ("ca.crt", "twin.crt", "leaf.crt")]
    for path, pem in zip(
        paths, (one.cert_pem, twin.cert_pem, leaf.cert_chain_pems[0]), strict=True
    ):
        pem.write_to_path(str(path))
    table = certificates(*paths)
    assert list(table.index) == ["ca.crt", "twin.crt", "leaf.crt"]
    assert list(table.subject) == ["Airport", "Airport", "redis"]
    assert list(table.authority) == [True, True, False] and table.key.nunique() == 3
    last = table.loc["leaf.crt"]
    assert (last.issuer, last.names, last.until) == (
        "Airport",
        "redis.example, 127.0.0.1",
        "2031-05-06",
    )


def test_what_a_server_shows():
    """Without a login, and also where clients need a certificate."""
    with rl.secure(mutual=True) as lab:
        shown = certificates(lab.primary.address, lab.tls.cert)
        assert shown.key.nunique() == 1
        assert shown.index[0] == f"{lab.primary.host}:{lab.primary.port}"


def test_what_is_none(tmp_path):
    """A file without a certificate is a ValueError, one that isn't there an OSError."""
    (tmp_path / "none.crt").write_text("nothing")
    with pytest.raises(ValueError):
        certificates(tmp_path / "none.crt")
    with pytest.raises(OSError):
        certificates(tmp_path / "missing.crt")
