"""The redis-py clients that a lab hands out: no retries, text, RESP3, TLS and users filled in."""

import asyncio
import socket
import ssl
import subprocess
import sys
import threading

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import redis_lab as rl

START = {
    "standalone": rl.standalone,
    "replicated": lambda: rl.replicated(replicas=1),
    "sentinel": lambda: rl.sentinel(replicas=1, sentinels=1, down_after=60.0),
    "cluster": lambda: rl.cluster(primaries=2, replicas=0, node_timeout=60.0),
    "secure": rl.secure,
}
every_shape = pytest.mark.parametrize("lab", START, indirect=True, scope="module")


@pytest.fixture(scope="module")
def lab(request):
    with START[request.param]() as lab:
        yield lab


@pytest.fixture(scope="module")
def secure():
    with rl.secure() as lab:
        yield lab


# no retries


@every_shape
def test_a_call_that_timed_out_is_not_repeated(lab):
    """One incr() against a server that stalls is one error, and counts one when it goes on.

    redis-py by default tries again, and counts two.
    """
    stall(lab, lab.client(socket_timeout=0.3), errors=1, count=1)


def test_redis_py_as_it_comes_counts_twice(lab_alone):
    """The test above can fail: with redis-py's own retries there is no error, and it counts two."""
    node = lab_alone.primary
    retrying = redis.Redis(node.host, node.port, password=node.login.password, socket_timeout=0.3)
    stall(lab_alone, retrying, errors=0, count=2)


@pytest.fixture
def lab_alone():
    with rl.standalone() as lab:
        yield lab


def stall(lab, client, errors, count):
    """Stop the key's server under an incr, go on when the client gave up or had time to retry."""
    lab.flush()
    assert client.incr("stalled") == 1 and client.decr("stalled") == 0
    keeper, seen = keeper_of(lab, "stalled"), []

    def call():
        try:
            client.incr("stalled")
        except redis.RedisError as error:
            seen.append(error)

    calling = threading.Thread(target=call)
    lab.pause(keeper)
    calling.start()
    calling.join(1.0)
    lab.resume(keeper)
    calling.join()
    lab.wait_healthy()
    assert len(seen) == errors, seen
    assert all(isinstance(error, redis.TimeoutError) for error in seen)
    assert int(lab.client().get("stalled")) == count


def keeper_of(lab, key):
    return next(node for node in lab.primaries if key in node.client().keys("*"))


@every_shape
def test_an_async_call_that_timed_out_is_not_repeated(lab):
    """The same for redis.asyncio."""
    lab.flush()
    lab.client().set("stalled", 0)
    keeper = keeper_of(lab, "stalled")

    async def call():
        async with lab.async_client(socket_timeout=0.3) as client:
            assert await client.get("stalled") == "0"
            lab.pause(keeper)
            with pytest.raises(redis.TimeoutError):
                await client.incr("stalled")

    asyncio.run(call())
    lab.resume(keeper)
    lab.wait_healthy()
    assert lab.client().get("stalled") == "1"


# defaults and overrides


@every_shape
def test_replies_are_text_over_protocol_3(lab):
    """decode_responses and RESP3 by default, on the lab's and on every node's client."""
    client = lab.client()
    client.hset("user", mapping={"name": "Ada"})
    assert client.hgetall("user") == {"name": "Ada"}
    for node in lab.nodes:
        assert node.client().execute_command("HELLO")["proto"] == 3
        assert set(node.client().info("server")) >= {"redis_version"}


@every_shape
def test_async_clients_do_the_same(lab):
    """lab.async_client() writes and reads text; so does every node's."""

    async def talk():
        async with lab.async_client() as client:
            assert await client.set("from", "async")
            assert await client.get("from") == "async"
        for node in lab.nodes:
            async with node.async_client() as client:
                assert (await client.execute_command("HELLO"))["proto"] == 3

    asyncio.run(talk())
    assert lab.client().get("from") == "async"


@every_shape
def test_keyword_arguments_go_to_redis_py(lab):
    """What the caller says holds against the lab's defaults."""
    client = lab.client(decode_responses=False, protocol=2)
    assert client.set("a", "b") and client.get("a") == b"b"
    node = lab.primary.client(decode_responses=False, protocol=2, client_name="mine")
    assert dict(zip(*[iter(node.execute_command("HELLO"))] * 2, strict=True))[b"proto"] == 2
    assert node.client_getname() in (b"mine", "mine")


def test_timeouts_and_retries_are_as_documented(lab_alone):
    """Two seconds, no retry, unless the caller wants otherwise."""
    options = lab_alone.client().get_connection_kwargs()
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 2.0
    assert options["retry"].get_retries() == 0
    mine = Retry(NoBackoff(), 5)
    options = lab_alone.client(retry=mine, socket_timeout=7, db=1).get_connection_kwargs()
    assert options["retry"].get_retries() == 5 and options["socket_timeout"] == 7
    assert options["db"] == 1 and options["password"]


def test_a_client_with_another_user_is_refused_without_its_password(lab_alone):
    """username= of nobody, or a wrong password=, is an AuthenticationError."""
    for wrong in ({"username": "nobody"}, {"password": "wrong"}):
        with pytest.raises(redis.AuthenticationError):
            lab_alone.client(**wrong).ping()


def test_warnings_of_experimental_methods_are_silent():
    """redis-py warns at each call of a new command; with a lab's client it does not."""
    programs = {
        "lab": "with rl.standalone() as lab: call(lab.client())",
        "plain": "call(redis.Redis(port=1, retry=Retry(NoBackoff(), 0)))",
    }
    head = """
import redis, redis_lab as rl
from redis.backoff import NoBackoff
from redis.retry import Retry
def call(client):
    try: client.digest("x")
    except redis.RedisError: pass  # unknown before Redis 8.4
"""
    for which, program in programs.items():
        command = [sys.executable, "-W", "default", "-c", head + program]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert ("experimental" in done.stderr) == (which == "plain"), done.stderr
        assert "ResourceWarning" not in done.stderr


def test_a_client_survives_its_server(lab_alone):
    """After kill and restart the same client works again at the first call after the errors."""
    client = lab_alone.client()
    assert client.ping()
    lab_alone.kill("redis-1")
    for _ in range(3):
        with pytest.raises(redis.ConnectionError):
            client.ping()
    lab_alone.restart("redis-1")
    assert client.ping()


def test_a_sentinel_client_follows_in_async_too():
    """After a failover an async client of the lab writes to the new primary."""
    with rl.sentinel(replicas=1, sentinels=1) as lab:

        async def talk():
            async with lab.async_client() as client:
                assert await client.set("before", 1)
                lab.failover()
                lab.wait_healthy()
                with_errors = 0
                for _ in range(5):
                    try:
                        await client.set("after", 1)
                    except (redis.ConnectionError, redis.ReadOnlyError):
                        with_errors += 1
                assert with_errors <= 1

        asyncio.run(talk())
        assert lab.primary.name == "redis-2"
        assert lab.primary.client().mget("before", "after") == ["1", "1"]


# secure


def tls(lab, user="admin", **more):
    """A redis-py client that goes round the lab's own."""
    port = {"host": "127.0.0.1", "port": lab.primary.port, "retry": Retry(NoBackoff(), 0)}
    login = {"username": user, "password": lab.users.get(user)}
    return redis.Redis(**{**port, **login, "ssl": True, "ssl_ca_certs": lab.tls.ca, **more})


def test_secure_speaks_tls_only(secure):
    """Without TLS there is no answer but a closed connection."""
    with pytest.raises(redis.ConnectionError):
        tls(secure, ssl=False, socket_timeout=2).ping()
    assert tls(secure).ping() and tls(secure, host="localhost").ping()


def test_secure_proves_who_it_is(secure, tmp_path):
    """A client that trusts another CA refuses; so does one that expects another name."""
    import trustme

    other = tmp_path / "other.crt"
    trustme.CA().cert_pem.write_to_path(str(other))
    for trusted in ({"ssl_ca_certs": str(other)}, {"ssl_ca_certs": None}):
        with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            tls(secure, **trusted).ping()
    context = ssl.create_default_context(cafile=secure.tls.ca)
    with (
        socket.create_connection(("127.0.0.1", secure.primary.port)) as raw,
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
    ):
        context.wrap_socket(raw, server_hostname="example.com")


def test_secure_has_no_default_user(secure):
    """Nobody gets in without a name, whatever the password."""
    for user, password in ((None, None), (None, secure.users["admin"]), ("default", "")):
        with pytest.raises(redis.RedisError) as caught:
            tls(secure, user, password=password).get("a")
        assert isinstance(caught.value, redis.AuthenticationError) or "NOAUTH" in str(caught.value)


def test_secure_has_three_users_with_limits(secure):
    """admin may do all, app works on app:* only, reader reads; none but admin administers."""
    admin, app, reader = (secure.client(username=name) for name in ("admin", "app", "reader"))
    assert secure.client().acl_whoami() == "admin" == next(iter(secure.users))
    assert admin.set("other", 1) and admin.config_get("maxmemory")
    assert app.set("app:1", 1) and app.get("app:1") == "1" and app.publish("app:news", "x") == 0
    assert reader.get("app:1") == "1" and reader.get("other") == "1"
    for call in (
        lambda: app.get("other"), lambda: app.set("other", 2), lambda: app.flushall(),
        lambda: app.config_get("*"), lambda: app.acl_list(), lambda: app.publish("news", "x"),
        lambda: reader.set("app:1", 2), lambda: reader.flushall(), lambda: reader.keys("*"),
    ):  # fmt: skip
        with pytest.raises(redis.exceptions.NoPermissionError):
            call()
    assert admin.mget("other", "app:1") == ["1", "1"]


def test_secure_takes_users_of_yours():
    """users= replaces the three; a >password in the rules is kept, otherwise one is made up."""
    users = {"writer": "~w:* +@write >s3cret", "looker": "~* +get"}
    with rl.secure(users=users) as lab:
        assert list(lab.users) == ["writer", "looker"] and lab.users["writer"] == "s3cret"
        assert lab.client().set("w:1", "x") and tls(lab, "looker").get("w:1") == b"x"
        with pytest.raises(redis.exceptions.NoPermissionError):
            lab.client(username="looker").set("w:1", "y")
        names = {"default", "lab", "writer", "looker"}
        assert set(lab.primary.client().acl_users()) == names


@pytest.mark.tls
def test_a_wrong_acl_rule_is_told():
    """The server's own words are in the error."""
    with pytest.raises(rl.LabUnavailable, match=r"did not start.*nonsense"):
        rl.secure(users={"one": "~* +@nonsense"})


@pytest.mark.tls
def test_mutual_tls_refuses_a_client_without_certificate():
    """mutual=True: the server asks for a certificate of the lab's CA; the lab's clients have it."""
    with rl.secure(mutual=True) as lab:
        assert lab.client().ping() and lab.primary.client().ping()
        with pytest.raises(redis.ConnectionError):
            tls(lab).ping()
        theirs = {"ssl_certfile": lab.tls.client_cert, "ssl_keyfile": lab.tls.client_key}
        assert tls(lab, **theirs).ping()
        assert redis.from_url(lab.url).ping()


def test_keys_are_for_this_user_only(secure):
    """Private keys have mode 0600; they are new for each lab."""
    with rl.secure() as other:
        for lab in (secure, other):
            folder = lab._runner.folder / "tls"
            modes = {path.name: path.stat().st_mode & 0o777 for path in folder.glob("*.key")}
            assert modes == dict.fromkeys(["ca.key", "client.key", "server.key"], 0o600)
        mine, theirs = ((lab._runner.folder / "tls" / "ca.crt") for lab in (secure, other))
        assert mine.read_bytes() != theirs.read_bytes()
        with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            tls(secure, ssl_ca_certs=other.tls.ca).ping()
