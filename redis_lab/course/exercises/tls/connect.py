"""A client that is told an address by a settings file, and believes it nothing else."""

NOTEBOOK = "68"
TITLE = "Connect with verification on"
SHAPE = "secure"
SECONDS = 20.0
HINTS = (
    "redis-py's own defaults ask both questions. What has to be added, and what can undo them?",
    "In `redis.from_url`, what stands behind the `?` wins over your arguments.",
    "`urllib.parse.urlsplit(url)` takes it apart, `_replace(query=…)` and `geturl()` put it "
    "together again; the scheme is a part like the others.",
    "Without its query, with `rediss` in front, and `ssl_ca_certs=ca`: the rest is the default.",
)
WHY = (
    "Verification is switched off in settings files far more often than in code, for one bad "
    "afternoon, and stays off for years. A client "
    "that no setting can talk out of it is worth ten lines."
)


def stub(url, ca):
    """A redis-py client of this address, which the authority in the file ca must vouch for."""


def solution(url, ca):
    from urllib.parse import urlsplit

    import redis

    address = urlsplit(url)._replace(scheme="rediss", query="")
    return redis.from_url(address.geturl(), ssl_ca_certs=ca)


def wrong_no_check(url, ca):
    """an authority that is not ours"""
    import redis

    return redis.from_url(url.partition("?")[0], ssl_cert_reqs="none")


def wrong_no_name(url, ca):
    """a server of another name"""
    import redis

    return redis.from_url(url.partition("?")[0], ssl_ca_certs=ca, ssl_check_hostname=False)


def wrong_settings_win(url, ca):
    """the settings file said ssl_cert_reqs=none"""
    import redis

    return redis.from_url(url, ssl_ca_certs=ca, ssl_cert_reqs="required", ssl_check_hostname=True)


def wrong_settings_choose(url, ca):
    """the settings file said ssl_ca_certs="""
    from urllib.parse import parse_qsl, urlencode, urlsplit

    import redis

    parts = urlsplit(url)
    asked = {name: value for name, value in parse_qsl(parts.query) if name == "ssl_ca_certs"}
    query = urlencode({"ssl_ca_certs": ca} | asked)
    return redis.from_url(parts._replace(scheme="rediss", query=query).geturl())


def wrong_settings_add(url, ca):
    """the settings file said ssl_ca_data="""
    from urllib.parse import parse_qsl, urlencode, urlsplit

    import redis

    parts = urlsplit(url)
    struck = ("ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs")
    query = urlencode(
        [(name, value) for name, value in parse_qsl(parts.query) if name not in struck]
    )
    return redis.from_url(parts._replace(scheme="rediss", query=query).geturl(), ssl_ca_certs=ca)


def wrong_gives_up(url, ca):
    """does not accept the right server"""
    import redis

    if url.startswith("redis:"):
        raise ValueError("an address without TLS")
    return redis.from_url(url.partition("?")[0], ssl_ca_certs=ca)


def wrong_plain(url, ca):
    """in plain text"""
    import redis

    options = {"ssl_ca_certs": ca} if url.startswith("rediss:") else {}
    return redis.from_url(url.partition("?")[0], **options)


def wrong_falls_back(url, ca):
    """an authority that is not ours"""
    from urllib.parse import urlsplit

    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    address = urlsplit(url)._replace(scheme="rediss", query="").geturl()
    options = {"ssl_ca_certs": ca, "retry": Retry(NoBackoff(), 0)}
    client = redis.from_url(address, **options)
    try:
        client.ping()
    except redis.ConnectionError:
        return redis.from_url(address, **options, ssl_cert_reqs="none")
    return client


def wrong_quoted(url, ca):
    """does not accept the right server"""
    from urllib.parse import urlsplit

    import redis

    at = urlsplit(url)
    login = {"username": at.username, "password": at.password}
    return redis.Redis(at.hostname, at.port, **login, ssl=True, ssl_ca_certs=ca)


def check(trial):
    import contextlib
    import datetime as dt
    from pathlib import Path
    from urllib.parse import quote, urlencode

    import redis
    import trustme
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    from redis_lab.course.answers import Refused
    from redis_lab.lab import Proxy

    tls, node = trial.lab.tls, trial.lab.primary
    secret = "runway/22L, at night"
    trial.r.execute_command("ACL SETUSER", "desk", "reset", "on", f">{secret}", "~*", "+@all")
    ours = trustme.CA.from_pem(Path(tls.ca).read_bytes(), Path(tls.ca_key).read_bytes())
    theirs = trustme.CA(organization_name="Redis Lab")
    folder = Path(tls.cert).parent
    strange = folder / "check-strange.crt"
    theirs.cert_pem.write_to_path(str(strange))
    here, past = ("localhost", "127.0.0.1"), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    leaves = {
        "right": ours.issue_cert(*here),
        "strange": theirs.issue_cert(*here),
        "other": ours.issue_cert("baggage.airport.example"),
        "expired": ours.issue_cert(*here, not_after=past),
    }

    def talks(proxy, scheme="rediss", host="localhost", **query):
        """Whether its client got an answer, and whether the password was heard."""
        proxy.heard = b""
        url = f"{scheme}://desk:{quote(secret, safe='')}@{host}:{proxy.port}/0"
        url += f"?{urlencode(query)}" if query else ""
        client = why = None
        with contextlib.suppress(Refused):
            client = trial.call(url, tls.ca)
        if client is None and not isinstance(client, redis.Redis):
            return False, secret.encode() in proxy.heard, "no client came back"
        trial.require(
            isinstance(client, redis.Redis),
            "it returns a redis-py client",
            f"it returned a {type(client).__name__}, not a redis.Redis",
        )
        client.set_retry(Retry(NoBackoff(), 0))
        try:
            answered = bool(client.ping())
        except redis.RedisError as error:
            answered, why = False, str(error)
        finally:
            redis.Redis.close(client)
        return answered, secret.encode() in proxy.heard, why

    with contextlib.ExitStack() as stack:
        proxies = {}
        for name, leaf in leaves.items():
            path = folder / f"check-{name}.pem"
            path.touch(mode=0o600)
            path.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
            proxies[name] = stack.enter_context(Proxy(node, keep=10_000, certificate=str(path)))
        for host in here:
            answered, _, why = talks(proxies["right"], host=host)
            trial.require(
                answered,
                "it talks to the right server",
                f"it does not accept the right server at {host}: {why}. The password in the URL "
                "is quoted, as everything in a URL",
            )
        cases = [
            ("strange", {}, "an authority that is not ours vouched for the server"),
            ("other", {}, "it was a server of another name, with a certificate of our authority"),
            ("expired", {}, "the server's certificate had expired in 2024"),
            ("strange", {"ssl_cert_reqs": "none"}, "the settings file said ssl_cert_reqs=none"),
            (
                "other",
                {"ssl_check_hostname": "False"},
                "the settings file said ssl_check_hostname=False",
            ),
            (
                "strange",
                {"ssl_ca_certs": str(strange)},
                "the settings file said ssl_ca_certs=, and named another authority",
            ),
            (
                "strange",
                {"ssl_ca_data": strange.read_text()},
                "the settings file said ssl_ca_data=, and brought another authority along",
            ),
        ]
        claims = {
            "strange": "it refuses an impostor",
            "other": "it refuses a server of another name",
            "expired": "it refuses an expired certificate",
        }
        trial.seconds = 5.0
        for name, query, reason in cases:
            answered, heard, _ = talks(proxies[name], **query)
            claim = claims[name] + (", whatever the settings say" if query else "")
            trial.require(
                not answered and not heard, claim, f"it logged in, and should not have: {reason}"
            )
        answered, _, why = talks(proxies["right"], ssl_cert_reqs="none")
        trial.expect(
            answered,
            "and the right one is accepted with such settings too",
            f"with ?ssl_cert_reqs=none in the address, it does not accept the right server: {why}",
        )
        with Proxy(node, keep=10_000) as relay:
            answered, heard, why = talks(relay, scheme="redis")
        trial.require(
            not heard,
            "an address that begins with redis: gets no password in plain text",
            "the address began with redis:, and the password went over the wire in plain text",
        )
        trial.expect(
            answered,
            "and its server is talked to, over TLS",
            f"with an address that begins with redis:, it does not accept the right server: {why}",
        )
