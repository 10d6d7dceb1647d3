"""benchmark: redis-benchmark against one node, what it says and what it leaves out, as one table.

It tells a rate. This tells beside it whether the keys it asked for were there at all, and whose
processor was busy meanwhile: the server's or that of redis-benchmark itself.
"""

import csv
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import redis

from redis_lab.errors import LabUnavailable

PROGRAMS = ("redis-benchmark", "valkey-benchmark")
PATIENCE = 60.0  # seconds until a benchmark is ended


def benchmark(node: Any, test: str, *options: str, requests: int = 20_000) -> pd.Series:
    """Run one test of redis-benchmark ("get", "set", …) against a lab's node; a row of numbers.

    options: its own, as "-c", "50", "-P", "16", "-d", "100", "-r", "1000". The row: per_second,
    p50_us, p99_us, max_us, as it says; hits and misses, looked up by anybody meanwhile, as the
    server counts them; server_us and client_us, microseconds of processor time a request, the
    server's and its own. Of several tests ("set,get") the rate is the last one's. The password of
    the node stands in the list of processes meanwhile.
    Raises LabUnavailable where there is no such program, beside the server of REDIS_LAB_SERVER or
    on PATH, or it doesn't end; ValueError for a node that speaks TLS, or what the program says of
    its options.
    """
    client = node.client()
    place = client.connection_pool.connection_kwargs
    if "ssl_cert_reqs" in place or "host" not in place:
        raise ValueError(f"node: {node.name} is not on plain TCP")
    login = ["-a", place["password"]] if place.get("password") else []
    if place.get("username"):
        login += ["--user", place["username"]]
    where = ["-h", place["host"], "-p", str(place["port"]), *login]
    command = [_program(), *where, "--csv", "-t", test, "-n", str(requests), *options]
    before, own = _counted(client), _own()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:  # its text is the command, with the password
        raise LabUnavailable(f"redis-benchmark did not end in {PATIENCE:g} s") from None
    after, own = _counted(client), _own() - own
    rows = list(csv.DictReader(done.stdout[done.stdout.find('"test"') :].splitlines()))
    if done.returncode or not rows:
        raise ValueError(f"redis-benchmark: {(done.stderr or done.stdout).strip()[:200]}")
    spent = after - before
    names = ("p50", "p99", "max")
    said = {f"{name}_us": 1000 * float(rows[-1][f"{name}_latency_ms"]) for name in names}
    return pd.Series(
        {
            "per_second": float(rows[-1]["rps"]),
            **said,
            "hits": spent["keyspace_hits"],
            "misses": spent["keyspace_misses"],
            "server_us": (spent["used_cpu_user"] + spent["used_cpu_sys"])
            * 1e6
            / requests
            / len(rows),
            "client_us": own * 1e6 / requests / len(rows),
        },
        name=" ".join([test, *options]),
    )


def _program() -> str:
    """Where redis-benchmark is."""
    beside = Path(os.environ.get("REDIS_LAB_SERVER") or os.devnull).parent
    for name in PROGRAMS:
        if found := shutil.which(name, path=str(beside)) or shutil.which(name):
            return found
    raise LabUnavailable(
        "no redis-benchmark found, beside the server or on PATH. It comes with the server's "
        "packages (Debian: redis-tools; conda-forge: redis-server)."
    )


def _counted(client: redis.Redis) -> pd.Series:
    said: Any = client.info("all")
    names = ("keyspace_hits", "keyspace_misses", "used_cpu_user", "used_cpu_sys")
    return pd.Series({name: said[name] for name in names})


def _own() -> float:
    """Seconds of processor time of the processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
