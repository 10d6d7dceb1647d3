"""Record the two runs that notebook 72 reads: a quiet day and an incident, on a server of our own.

    python tests/record_incident.py            about seven minutes, on a machine without other work

Load runs in other processes, as it does in a company: readers behind a cache, screens that
subscribe to the gates, and whoever does harm. Every half second the server is asked for INFO and
CLIENT LIST. What was done to it, and when, is written beside the samples: redis_lab/data holds
incident.csv.xz (both runs) and incident_truth.csv.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import redis

import redis_lab as rl
from redis_lab.observe import Readers, Recorder, suffered

DATA = Path(rl.__file__).parent / "data"
EVERY = 0.5
ROOM = 1_000_000  # bytes below maxmemory
ORIGIN = {"cost": 0.03, "workers": 2, "exponent": 0.6}
COUNTERS = [
    "total_commands_processed", "total_connections_received", "rejected_connections",
    "keyspace_hits", "keyspace_misses", "expired_keys", "evicted_keys", "total_net_input_bytes",
    "total_net_output_bytes", "total_error_replies",
]  # fmt: skip
LEVELS = [
    "uptime_in_seconds", "connected_clients", "blocked_clients", "used_memory", "used_memory_rss",
    "maxmemory", "mem_fragmentation_ratio", "mem_clients_normal", "rdb_bgsave_in_progress",
    "latest_fork_usec",
]  # fmt: skip
COMMANDS = ["get", "set", "publish", "keys"]
NAMES = ["board", "mobile", "screens", "gates", "report"]

# Announces gate changes as long as its parent lives: 30 a second of 20 kB.
GATES = """
import sys, time, redis
r = redis.Redis.from_url(sys.stdin.readline().strip(), client_name="gates", socket_timeout=5)
due, end = time.monotonic(), time.monotonic() + 300
while time.monotonic() < end:
    try:
        r.publish("gates", "C71 " * 5000)
    except (redis.RedisError, OSError):
        time.sleep(0.1)
    due = max(due + 1 / 30, time.monotonic() - 1)
    time.sleep(max(0.0, due - time.monotonic()))
"""
# Somebody looks for keys without an index, for ten seconds.
REPORT = """
import sys, time, redis
r = redis.Redis.from_url(sys.stdin.readline().strip(), client_name="report", socket_timeout=20)
end = time.monotonic() + float(sys.argv[1])
while True:
    r.keys("passenger:*")
    time.sleep(0.2)
    if time.monotonic() > end:
        break
"""


class Screen:
    """Subscribes to the gates, and reads or doesn't."""

    def __init__(self, node: object, reads: bool):
        login = node.login.options()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        self.socket.connect(node.address)
        words = f"AUTH {login['username']} {login['password']}\r\nCLIENT SETNAME screens\r\n"
        self.socket.sendall(f"{words}SUBSCRIBE gates\r\n".encode())
        self.socket.setblocking(False)
        self.reads = reads

    def read(self) -> None:
        try:
            while self.reads and self.socket.recv(1 << 20):
                pass
        except OSError:
            pass


def child(program: str, url: str, *args: object) -> subprocess.Popen:
    command = [sys.executable, "-c", program, *map(str, args)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    process.stdin.write(url + "\n")
    process.stdin.close()
    return process


def sample(client: redis.Redis) -> Callable[[], dict[str, float]]:
    def ask() -> dict[str, float]:
        told = client.info("everything")
        row = {name: told[name] for name in COUNTERS + LEVELS}
        for name in COMMANDS:
            values = told.get(f"cmdstat_{name}", {"calls": 0, "usec": 0})
            row |= {f"{name}_calls": values["calls"], f"{name}_usec": values["usec"]}
        listed = client.client_list()
        for name in NAMES:
            mine = [each for each in listed if each["name"] == name]
            row[f"{name}_clients"] = len(mine)
            row[f"{name}_waiting_bytes"] = sum(int(each["omem"]) for each in mine)
        return row

    return ask


def settled(r: redis.Redis) -> int:
    """used_memory, once the tables of keys have been moved and it is the same for two seconds."""
    told, since = r.info("memory")["used_memory"], time.monotonic()
    while time.monotonic() < since + 2:
        time.sleep(0.2)
        now = r.info("memory")["used_memory"]
        if abs(now - told) > 50_000:
            told, since = now, time.monotonic()
    return told


def record(run: str, seconds: float, plan: list[tuple[float, str, Callable]]) -> tuple:
    flights = rl.data.flights(limit=4000).astype(str).to_dict("records")
    pages = {f"page:{f['id']}": (json.dumps(f) * 8)[:2000] for f in flights}
    settings = {"maxmemory-policy": "volatile-lru"}
    with rl.standalone(config=settings) as lab:
        node, r = lab.nodes[0], lab.client(socket_timeout=30)

        def fill() -> None:
            for first in range(0, 900_000, 20_000):
                pairs = {f"booking:{n}": "12C" for n in range(first, first + 20_000)}
                r.mset(pairs)
            before = settled(r)
            pipe = r.pipeline(transaction=False)
            for key, page in pages.items():
                pipe.set(key, page, ex=3600)
            pipe.execute()
            full = settled(r)
            r.config_set("maxmemory", full + ROOM)
            most = ROOM + int(0.97 * (full - before))  # nearly all pages go, and no write fails
            r.config_set("client-output-buffer-limit", f"pubsub {most} 0 0")

        fill()
        screens = [Screen(node, True) for _ in range(4)]
        world = {"lab": lab, "node": node, "screens": screens, "pages": pages, "children": []}
        gates = child(GATES, lab.url)
        r.config_resetstat()
        truth = []
        with Readers(lab.url, pages, rate=150, **ORIGIN) as readers:
            readers.wait(300)
            monitor = redis.Redis.from_url(
                lab.url, client_name="monitor", socket_timeout=5, decode_responses=True
            )
            with Recorder(sample(monitor), every=EVERY) as seen:
                begun = time.time()
                waiting = sorted(plan, key=lambda step: step[0])
                while time.time() < begun + seconds:
                    for screen in world["screens"]:
                        screen.read()
                    if waiting and time.time() >= begun + waiting[0][0]:
                        _, what, act = waiting.pop(0)
                        truth.append((run, time.time() - begun, what))
                        act(world)
                    time.sleep(0.01)
            samples = seen.frame()
            asked = [readers.frame()]
        for process in [gates, *world["children"]]:
            process.kill()
            process.wait()
        for other in world.get("others", []):
            other.__exit__()
            asked.append(other.frame())
    everyone = pd.concat(asked).sort_values("at", ignore_index=True)
    felt = suffered(everyone, samples["at"])
    both = pd.concat([samples, felt.drop(columns="at")], axis=1)
    both["at"] = (both["at"] - begun).clip(lower=0)
    both["error"] = both.error.str.partition(":")[0]
    both.insert(0, "run", run)
    return both, truth


def main() -> None:
    def rush(world: dict) -> None:
        url, pages = world["lab"].url, world["pages"]
        world["others"] = [Readers(url, pages, rate=80, name="mobile", seed=1, **ORIGIN)]
        world["others"][0].__enter__()

    def home(world: dict) -> None:
        world["others"][0].__exit__()

    def renew(world: dict) -> None:
        for screen in world["screens"]:
            screen.socket.close()
        world["screens"] = [Screen(world["node"], True) for _ in range(16)]

    def backup(world: dict) -> None:
        world["node"].client().bgsave()

    def once(world: dict) -> None:
        world["children"].append(child(REPORT, world["lab"].url, 0))

    def tidy(world: dict) -> None:
        world["node"].client().config_resetstat()

    def stick(world: dict) -> None:
        world["screens"][0].reads = False

    def report(world: dict) -> None:
        world["children"].append(child(REPORT, world["lab"].url, 15))

    def stop(world: dict) -> None:
        world["lab"].kill(world["node"])

    def start(world: dict) -> None:
        world["lab"].restart(world["node"])
        world["screens"] = [Screen(world["node"], True) for _ in range(4)]

    quiet = record("quiet", 100, [
        (15, "rush hour: mobile readers too", rush), (35, "rush hour over", home),
        (45, "screens deployed: 16 instead of 4", renew), (60, "backup: BGSAVE", backup),
        (72, "one KEYS by report", once), (84, "CONFIG RESETSTAT by an operator", tidy),
    ])  # fmt: skip
    incident = record("incident", 220, [
        (20, "mobile readers join", rush), (40, "a screen stops reading", stick),
        (115, "report runs KEYS again and again", report), (155, "the server is stopped", stop),
        (157, "and started, empty", start),
    ])  # fmt: skip
    frame = pd.concat([quiet[0], incident[0]], ignore_index=True)
    whole = frame.select_dtypes("number").columns
    frame[whole] = frame[whole].round(3)
    for name in whole:
        if (frame[name].dropna() % 1 == 0).all():
            frame[name] = frame[name].astype("Int64")
    frame.to_csv(DATA / "incident.csv.xz", index=False)
    truth = pd.DataFrame(quiet[1] + incident[1], columns=["run", "at", "what"]).round(2)
    truth.to_csv(DATA / "incident_truth.csv", index=False)
    size = (DATA / "incident.csv.xz").stat().st_size
    print(f"{len(frame)} samples, {size / 1000:.0f} KB\n{truth.to_string()}")


if __name__ == "__main__":
    main()
