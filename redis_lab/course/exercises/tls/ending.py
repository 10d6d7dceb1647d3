"""Which certificates end soon, asked of the servers themselves."""

NOTEBOOK = "68"
TITLE = "Which certificates end soon?"
SHAPE = "secure"
SECONDS = 20.0
HINTS = (
    "A handshake shows the certificate; no login is needed for that.",
    "A client that verifies refuses the ones that you look for. What do you risk without, if you "
    "say nothing?",
    "`ssl.get_server_certificate(place, timeout=…)` gives it as PEM, unverified, and "
    "`cryptography.x509.load_pem_x509_certificate` reads it.",
    "`not_valid_after_utc` less now is a timedelta; and `OSError` is what nobody answering looks "
    "like.",
)
WHY = (
    "Files lie: they were replaced, and the server was never told. What a new connection is shown "
    "is what counts, and reading it needs no rights at all."
)


def stub(places, days):
    """{place: days left} for each (host, port) whose certificate ends within so many days.

    Below 0 where it has ended, None where nobody answers within two seconds.
    """


def solution(places, days):
    import datetime as dt
    import ssl

    from cryptography import x509

    found = {}
    for place in places:
        try:
            pem = ssl.get_server_certificate(place, timeout=2)
        except OSError:
            found[place] = None
            continue
        end = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
        left = (end - dt.datetime.now(dt.UTC)) / dt.timedelta(days=1)
        if left <= days:
            found[place] = left
    return found


def wrong_first_error_ends_it(places, days):
    """it raised"""
    import datetime as dt
    import ssl

    from cryptography import x509

    found = {}
    for place in places:
        pem = ssl.get_server_certificate(place, timeout=2)
        end = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
        left = (end - dt.datetime.now(dt.UTC)).days
        if left <= days:
            found[place] = left
    return found


def wrong_hides_the_ended(places, days):
    """ended already"""
    import datetime as dt
    import ssl

    from cryptography import x509

    found = {}
    for place in places:
        try:
            pem = ssl.get_server_certificate(place, timeout=2)
        except OSError:
            found[place] = None
            continue
        end = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
        left = (end - dt.datetime.now(dt.UTC)).days
        if 0 <= left <= days:
            found[place] = left
    return found


def wrong_verifies(places, days):
    """said None, as if nobody had answered"""
    import datetime as dt
    import socket
    import ssl

    found, context = {}, ssl.create_default_context()
    for place in places:
        try:
            with socket.create_connection(place, timeout=2) as line:
                cert = context.wrap_socket(line, server_hostname=place[0]).getpeercert()
        except OSError:
            found[place] = None
            continue
        end = ssl.cert_time_to_seconds(cert["notAfter"])
        left = (end - dt.datetime.now(dt.UTC).timestamp()) / 86400
        if left <= days:
            found[place] = left
    return found


def wrong_drops_the_dead(places, days):
    """is not in the list"""
    import datetime as dt
    import ssl

    from cryptography import x509

    found = {}
    for place in places:
        try:
            pem = ssl.get_server_certificate(place, timeout=2)
        except OSError:
            continue
        end = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
        left = (end - dt.datetime.now(dt.UTC)).days
        if left <= days:
            found[place] = left
    return found


def wrong_lists_all(places, days):
    """has more days"""
    import datetime as dt
    import ssl

    from cryptography import x509

    found = {}
    for place in places:
        try:
            pem = ssl.get_server_certificate(place, timeout=2)
        except OSError:
            found[place] = None
            continue
        end = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
        found[place] = (end - dt.datetime.now(dt.UTC)).days
    return found


def check(trial):
    import contextlib
    import datetime as dt
    import socket
    from pathlib import Path

    import trustme

    from redis_lab.lab import Proxy

    tls, node = trial.lab.tls, trial.lab.primary
    ours = trustme.CA.from_pem(Path(tls.ca).read_bytes(), Path(tls.ca_key).read_bytes())
    authorities = {"ours": ours, "another": trustme.CA(organization_name="Airport")}
    folder, now = Path(tls.cert).parent, dt.datetime.now(dt.UTC)
    days_left = {("ours", 5): 5, ("ours", 200): 200, ("ours", -3): -3, ("another", 20): 20}
    with contextlib.ExitStack() as stack:
        proxies = {}
        for number, ((name, _), left) in enumerate(days_left.items()):
            leaf = authorities[name].issue_cert(
                "desk.airport.example", not_after=now + dt.timedelta(days=left, hours=1)
            )
            path = folder / f"ending-{number}.pem"
            path.touch(mode=0o600)
            path.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
            proxy = stack.enter_context(Proxy(node, keep=10_000, certificate=str(path)))
            proxies[left] = proxy
        closed = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        down = closed.getsockname()[:2]
        closed.close()
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[:2]
        at = {left: (proxy.host, proxy.port) for left, proxy in proxies.items()}
        places = [at[200], down, at[-3], at[5], silent, at[20]]
        found = trial.call(places, 30)
        trial.require(
            isinstance(found, dict),
            "it returns a dict",
            f"it returned {found!r}, not a dict of places with the days that are left",
        )
        for left in (5, -3, 20):
            soon = found.get(at[left], "nothing")
            ended = "had ended already" if left < 0 else f"had {left} days left"
            of = "of another authority " if left == 20 else ""
            known = isinstance(soon, int | float)
            said = "said None, as if nobody had answered" if soon is None else f"said {soon}"
            trial.require(
                known and abs(soon - left) <= 1.1,
                "it finds what ends soon, and what has ended",
                f"a certificate {of}{ended}; asked for those within 30 days, it {said}",
            )
        trial.require(
            at[200] not in found,
            "it leaves out what lasts",
            "a certificate that ends in 200 days was in the list of those within 30: it has more "
            "days left than asked for",
        )
        for place, what in ((down, "refuses connections"), (silent, "accepts and stays silent")):
            trial.require(
                found.get(place, "nothing") is None,
                "of a server that does not answer it says None",
                f"a server that {what} is not in the list, or not with None: who looks at it "
                "believes that all is well there",
            )
        trial.require(
            set(found) <= set(places), "it names places as it was given them", f"it said {found}"
        )
        places.remove(silent)  # two seconds are enough of it
        all_of_them = trial.call(places, 365)
        trial.expect(
            isinstance(all_of_them, dict) and set(all_of_them) == set(places),
            "it asks anew each time",
            f"asked for a year, it returned {len(all_of_them or {})} of 5 places",
        )
        heard = any(proxy.heard for proxy in proxies.values())
        trial.expect(
            not heard,
            "it says nothing to servers that nobody has verified",
            "it sent commands to a server that it had not verified",
        )
        trial.r.config_set("tls-auth-clients", "yes")
        mutual = trial.call([node.address], 1_000_000)
        trial.r.config_set("tls-auth-clients", "no")
        trial.expect(
            bool(mutual) and mutual.get(node.address) is not None,
            "also of a server that wants certificates of its clients",
            f"a server that asks for a client's certificate shows its own first; it said {mutual}",
        )
