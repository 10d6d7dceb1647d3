"""Who holds whom to be dead: a cluster's own failure detection, watched and read from the logs."""

import re
import threading
import time
from datetime import datetime
from typing import Any

import pandas as pd
from redis.exceptions import RedisError

# Redis writes English names of months, whatever the locale here makes of %b.
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
LOG_LINES = 10_000
# 4711:M 23 Nov 2026 01:28:21.079 * Failover election won: I'm the new master.
_LINE = re.compile(r"^\d+:[MS] (\d+) (\w+) (\d+) ([\d:]+\.\d+) \S (.*)$", re.MULTILINE)
_TOLD = re.compile(
    r"Marking node|FAIL message|Clear FAIL|Cluster state changed|election|Failover auth|"
    r"configEpoch (?:set|updated)|Manual failover|manual failover|Currently unable|Taking over|"
    r"Migrating to|reconfiguring myself|Configuration change detected"
)
_NOISE = re.compile(r" \(\)| of [0-9a-f]{40}")


def elections(lab: Any, since: float = 0.0) -> pd.DataFrame:
    """What the nodes of a cluster logged of failures and elections: at, node, said; by time.

    since, at: unix seconds. Nodes are called by their names in the lab, as far as they are known.
    """
    names = _names(lab)
    rows = []
    for node in lab.data_nodes:
        for day, month, year, clock, text in _LINE.findall(node.log(LOG_LINES)):
            moment = f"{day} {MONTHS.index(month) + 1} {year} {clock}"
            at = datetime.strptime(moment, "%d %m %Y %H:%M:%S.%f").timestamp()
            if at >= since and _TOLD.search(text):
                said = re.sub("[0-9a-f]{40}", lambda found: names.get(found[0], found[0]), text)
                rows.append((at, node.name, _NOISE.sub("", said).strip()))
    table = pd.DataFrame(rows, columns=["at", "node", "said"])
    return table.sort_values("at", kind="stable", ignore_index=True)


class Suspicions:
    """Asks every node of a cluster again and again whom it holds to be down (CLUSTER NODES).

    A context manager. lab: a Topology of a cluster. every: seconds between two rounds; what lasts
    shorter may be missed.
    """

    def __init__(self, lab: Any, every: float = 0.02):
        self._lab, self._every = lab, every
        self._names = _names(lab)
        self._seen: list[tuple[float, str, dict[str, str]]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-lab-suspicions", daemon=True)

    def __enter__(self) -> "Suspicions":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def spans(self, zero: float = 0.0) -> pd.DataFrame:
        """A row for each time that a node held another to be down: who, what, start, end, outcome.

        what: the node suspected; outcome: "fail?" (its own opinion) or "fail" (the majority's);
        seconds since `zero`. show.swimlanes draws it.
        """
        rows: list[tuple[Any, ...]] = []
        begun: dict[tuple[str, str], Any] = {}
        last: dict[str, float] = {}
        for at, who, flags in self._seen:
            last[who] = at
            for what in {key[1] for key in begun if key[0] == who} | flags.keys():
                held = begun.get((who, what))
                now = flags.get(what)
                if held and held[1] != now:
                    rows.append((who, what, held[0] - zero, at - zero, held[1]))
                    del begun[who, what]
                if now and (who, what) not in begun:
                    begun[who, what] = at, now
        rows += [
            (*pair, at - zero, last[pair[0]] - zero, flag) for pair, (at, flag) in begun.items()
        ]
        table = pd.DataFrame(rows, columns=["who", "what", "start", "end", "outcome"])
        return table.sort_values(["start", "who"], ignore_index=True)

    def _run(self) -> None:
        stopping = False
        while not stopping:  # one last round: what holds at the end is seen
            stopping = self._stopping.wait(self._every)
            for node in self._lab.data_nodes:
                try:
                    said = node.ask("CLUSTER", "NODES") if node.state == "up" else ""
                except RedisError:
                    continue
                if said:
                    self._seen.append((time.time(), node.name, _down(said, self._names)))


def _down(said: str, names: dict[str, str]) -> dict[str, str]:
    found = {}
    for line in said.splitlines():
        word, _, flags, *_ = line.split(" ")
        flag = {"fail", "fail?"} & set(flags.split(","))
        if flag:
            found[names.get(word, word)] = flag.pop()
    return found


def _names(lab: Any) -> dict[str, str]:
    """Names by id, as any node that answers knows the addresses."""
    by_address = {"{}:{}".format(*node.internal_address): node.name for node in lab.data_nodes}
    names: dict[str, str] = {}
    for node in lab.data_nodes:
        try:
            said = node.ask("CLUSTER", "NODES")
        except RedisError:
            continue
        for line in said.splitlines():
            word, place, *_ = line.split(" ")
            if place.partition("@")[0] in by_address:
                names.setdefault(word, by_address[place.partition("@")[0]])
    return names
