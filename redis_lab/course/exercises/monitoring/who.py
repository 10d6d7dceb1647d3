"""Which program holds how many connections, and how much waits for it."""

NOTEBOOK = "72"
TITLE = "Who is it?"
HINTS = (
    "`r.client_list()` gives a dict for each connection; all its values are text.",
    "`name` is what the program called itself, `omem` the bytes that wait beyond the first 16 kB.",
    "One of the entries is you: its `id` is `r.client_id()`.",
    'Add up in a dict: `count, waiting = told.get(each["name"], (0, 0))`.',
)
WHY = (
    "Grouped by name, a connection leak and a reader that stands still are one look; by address "
    "they are a hundred lines. The nameless ones are those who will not be found at night."
)


def stub(r):
    """By client name: (connections, bytes waiting for it in omem). The one that asks isn't one."""


def solution(r):
    me, told = str(r.client_id()), {}
    for each in r.client_list():
        if each["id"] != me:
            count, waiting = told.get(each["name"], (0, 0))
            told[each["name"]] = (count + 1, waiting + int(each["omem"]))
    return told


def wrong_counts_itself(r):
    """the connection that asks"""
    told = {}
    for each in r.client_list():
        count, waiting = told.get(each["name"], (0, 0))
        told[each["name"]] = (count + 1, waiting + int(each["omem"]))
    return told


def wrong_normal_only(r):
    """that are called screens subscribe"""
    me, told = str(r.client_id()), {}
    for each in r.client_list(_type="normal"):
        if each["id"] != me:
            count, waiting = told.get(each["name"], (0, 0))
            told[each["name"]] = (count + 1, waiting + int(each["omem"]))
    return told


def wrong_drops_nameless(r):
    """without a name"""
    me, told = str(r.client_id()), {}
    for each in r.client_list():
        if each["id"] != me and each["name"]:
            count, waiting = told.get(each["name"], (0, 0))
            told[each["name"]] = (count + 1, waiting + int(each["omem"]))
    return told


def wrong_skips_its_name(r):
    """somebody else of the same name"""
    mine, told = r.client_getname() or "", {}
    for each in r.client_list():
        if each["name"] != mine:
            count, waiting = told.get(each["name"], (0, 0))
            told[each["name"]] = (count + 1, waiting + int(each["omem"]))
    return told


def wrong_last_one(r):
    """added up"""
    me, told = str(r.client_id()), {}
    for each in r.client_list():
        if each["id"] != me:
            count, _ = told.get(each["name"], (0, 0))
            told[each["name"]] = (count + 1, int(each["omem"]))
    return told


def check(trial):
    import socket
    from collections import Counter
    from contextlib import ExitStack

    r, node = trial.r, trial.lab.nodes[0]
    r.config_set("client-output-buffer-limit", "pubsub 0 0 0")
    login = node.login.options()
    auth = f"AUTH {login['username']} {login['password']}\r\n"

    with ExitStack() as opened:

        def connect(name, then=""):
            """A connection that reads the answers to these words, and nothing after them."""
            one = opened.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            one.settimeout(10)
            one.connect(node.address)
            named = f"CLIENT SETNAME {name}\r\n" if name else ""
            one.sendall(f"{auth}{named}{then}PING\r\n".encode())
            told = b""
            while b"PONG" not in told.upper():
                if not (more := one.recv(4096)):
                    raise ConnectionError(f"the server closed a connection after {told!r:.80}")
                told += more

        for name in ("board", "board", "board", "", ""):
            connect(name)
        for _ in range(2):
            connect("screens", "SUBSCRIBE gates\r\n")
        news, sent = "C71 " * 25_000, 0
        while _waiting(r, "screens") < 300_000 and sent < 500:
            sent += bool(r.publish("gates", news))
        connect("screens", "SUBSCRIBE gates\r\n")  # this one has nothing to wait for
        asking = trial.client()
        asking.client_setname("board")
        said = trial.call(asking)
        counts = Counter(each["name"] for each in r.client_list())
        waits = _waiting(r, "screens")
    trial.require(
        isinstance(said, dict) and all(_pair(value) for value in said.values()),
        "it answers a pair of numbers for each name",
        f"it answered {said!r:.80}, not a dict of pairs (connections, bytes)",
    )
    found = said.get("board", (0, 0))[0]
    trial.expect(
        found <= 3,
        "the asking connection is left out",
        "four connections are called board, the connection that asks among them; it says "
        f"{found}: an alarm on that would count the alarm itself",
    )
    trial.expect(
        found >= 3,
        "and no other one of its name",
        f"three are called board besides the one that asks, and it says {found}: somebody else of "
        "the same name is connected, and only the id tells one connection from another",
    )
    trial.expect(
        said.get("", (0, 0))[0] == counts[""],
        "those without a name are there as well",
        f"{counts['']} connections are without a name; of '', the empty name, it says "
        f"{said.get('')!r}",
    )
    trial.expect(
        said.get("screens", (0, 0))[0] == 3,
        "whoever subscribes is a client too",
        f"three that are called screens subscribe; it says {said.get('screens')!r}",
    )
    trial.expect(
        said.get("screens", (0, 0))[1] == waits,
        "what waits for a name is added up",
        f"{waits:,} bytes (omem) wait for three screens, two of which stand still; added up it "
        f"says {said.get('screens')!r}",
    )


def _waiting(r, name):
    return sum(int(each["omem"]) for each in r.client_list() if each["name"] == name)


def _pair(value):
    try:
        count, waiting = value
        return count >= 0 and waiting >= 0
    except (TypeError, ValueError):
        return False
