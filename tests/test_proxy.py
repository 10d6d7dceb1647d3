"""The proxy that loses replies, adds latency and hangs up."""

import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

import redis_lab as rl
from redis_lab.lab import Proxy


@pytest.fixture(scope="module")
def lab():
    """One server for all of them."""
    with rl.standalone() as lab:
        yield lab


@pytest.fixture
def proxy(lab):
    """A proxy in front of an empty server."""
    lab.flush()
    with Proxy(lab.primary) as proxy:
        yield proxy


def test_it_passes_everything_on(proxy, lab):
    """Small and large, one connection and many."""
    r = proxy.client()
    large = "x" * 5_000_000
    assert r.set("large", large) and r.get("large") == large
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: r.incr("count"), range(500)))
    assert lab.client().get("count") == "500" and proxy.swallowed == 0
    pipe = r.pipeline(transaction=False)
    for _ in range(10_000):
        pipe.incr("count")
    assert pipe.execute()[-1] == 10_500


@pytest.mark.parametrize(
    ("cut", "error"), [(False, redis.TimeoutError), (True, redis.ConnectionError)]
)
def test_a_swallowed_reply_is_a_command_that_was_done(proxy, lab, cut, error):
    """The client can't know; the server has counted it. The next reply arrives."""
    r = proxy.client(socket_timeout=0.3)
    assert r.incr("count") == 1
    proxy.swallow(cut=cut)
    with pytest.raises(error):
        r.incr("count")
    assert lab.client().get("count") == "2" and proxy.swallowed == 1
    assert r.incr("count") == 3


def test_the_reply_to_each_third_write_is_lost(proxy, lab):
    """Reconnecting, with its HELLO, doesn't count."""
    r = proxy.client()
    proxy.swallow(2, every=3, cut=True)
    outcomes = []
    for _ in range(9):
        try:
            outcomes.append(r.incr("count"))
        except redis.ConnectionError:
            outcomes.append(None)
    assert outcomes == [1, 2, None, 4, 5, None, 7, 8, 9]


def test_a_delay_is_latency_not_bandwidth(proxy):
    """A round trip takes twice the delay, a large pipeline hardly longer; order is kept."""
    r = proxy.client()
    r.ping()
    plain = statistics.median(timed(r.ping) for _ in range(20))
    proxy.delay = 0.02
    trip = statistics.median(timed(r.ping) for _ in range(5))
    assert trip >= 0.04 > plain
    pipe = r.pipeline(transaction=False)
    for number in range(20_000):
        pipe.rpush("list", f"{number:050}")
    assert pipe.execute() == list(range(1, 20_001))
    assert timed(lambda: r.lrange("list", 0, -1)) < 20 * trip  # a megabyte in 15 chunks


def test_hanging_up_closes_connections_and_new_ones_are_counted(proxy):
    """A storm of reconnections can be made, and seen."""
    clients = [proxy.client() for _ in range(30)]
    for client in clients:
        client.ping()
    before = len(proxy.arrivals)
    proxy.hang_up()
    for client in clients:
        assert client.ping()  # redis-py sees that an idle connection was closed
    assert len(proxy.arrivals) - before == 30 and proxy.arrivals == sorted(proxy.arrivals)


def test_a_dead_node_is_a_closed_connection():
    """The proxy itself stays, and works again when the node does."""
    with rl.standalone() as lab, Proxy(lab.primary) as proxy:
        r = proxy.client()
        assert r.ping()
        lab.kill(lab.primary)
        with pytest.raises(redis.ConnectionError):
            r.ping()
        lab.restart(lab.nodes[0])
        lab.wait_healthy()
        assert r.ping()


def test_closed_means_closed(lab):
    """Nobody listens, twice is nothing, and open connections end."""
    proxy = Proxy(lab.primary)
    r = proxy.client()
    r.ping()
    proxy.close()
    proxy.close()
    with pytest.raises(redis.ConnectionError):
        r.ping()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.host, proxy.port), 1)


def test_it_keeps_the_last_bytes_that_it_was_sent(lab):
    """A password crosses a plain connection as it is, and nothing is kept unless asked for."""
    with Proxy(lab.primary, keep=10_000) as proxy:
        proxy.client().set("gate", "B22")
        assert lab.primary.login.password.encode() in proxy.heard
        assert proxy.heard.endswith(b"$3\r\nSET\r\n$4\r\ngate\r\n$3\r\nB22\r\n")
    with Proxy(lab.primary, keep=10) as proxy:
        proxy.client().set("gate", "B22")
        assert proxy.heard == b"\r\n$3\r\nB22\r\n"[-10:]
    with Proxy(lab.primary) as proxy:
        assert proxy.client().ping() and proxy.heard == b""


def test_tls_passes_as_it_is():
    """The client verifies the node through the proxy, which sees nothing of what is said."""
    with rl.secure() as lab, Proxy(lab.primary, keep=100_000) as proxy:
        client = proxy.client()
        assert client.set("gate", "B22") and client.get("gate") == "B22"
        assert len(proxy.heard) > 500
        assert b"gate" not in proxy.heard
        assert lab.primary.login.password.encode() not in proxy.heard
        with pytest.raises(ValueError, match="TLS"):
            proxy.swallow()


def test_what_a_proxy_refuses(lab):
    """Numbers that mean nothing are refused by name."""
    with pytest.raises(ValueError, match="keep"):
        Proxy(lab.primary, keep=-1)
    with pytest.raises(ValueError, match="delay"):
        Proxy(lab.primary, delay=-1)
    with Proxy(lab.primary) as proxy, pytest.raises(ValueError, match="replies"):
        proxy.swallow(-1)


def timed(call):
    """Seconds of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def test_an_impostor_hears_those_who_do_not_verify(tmp_path):
    """With a certificate of its own it reads and passes on; who verifies tells it nothing."""
    trustme = pytest.importorskip("trustme")
    shown = tmp_path / "shown.pem"
    leaf = trustme.CA().issue_cert("localhost", "127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(shown))
    for mutual in (False, True):
        with (
            rl.secure(mutual=mutual, users={"desk": ">runway-22L ~* +@all"}) as lab,
            Proxy(lab.primary, keep=10_000, certificate=str(shown)) as impostor,
        ):
            with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
                impostor.client().ping()
            assert impostor.heard == b""
            login = {"username": "desk", "password": "runway-22L"}
            careless = impostor.client(ssl_cert_reqs="none", **login)
            assert careless.set("passenger", "Ann") and lab.client().get("passenger") == "Ann"
            assert b"runway-22L" in impostor.heard and b"Ann" in impostor.heard
            impostor.swallow(cut=True)
            with pytest.raises(redis.ConnectionError):
                careless.incr("count")
            assert lab.client().get("count") == "1"


def test_a_certificate_must_be_one(lab, tmp_path):
    """Else it is an OSError, at once."""
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(OSError):
        Proxy(lab.primary, certificate=str(tmp_path / "none.pem"))
