"""A probe for each shard of a cluster: who suffers from a fault, and who does not."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pandas as pd
from redis.crc import key_slot

from redis_lab.observe.probe import Gap, Probe, longest_gap
from redis_lab.observe.slots import slots

_KEYS = 16


class ShardProbe:
    """A Probe for each primary, each with a client and keys of its own: none waits for another.

    lab: a Topology of a cluster, all slots owned. every: seconds between two writes to one shard.
    client_options go to lab.client(). Shards are called by the primary that they had at the start:
    probes holds the Probe of each by that name. show.timeline draws all of them together.
    """

    workload = "write"

    def __init__(self, lab: Any, every: float = 0.02, **client_options: Any):
        owners = slots(lab).node
        self.probes: dict[str, Probe] = {}
        for name in dict.fromkeys(owners):
            probe = Probe(lab.client(**client_options), every=every)
            probe.keys = _keys_of(name, owners)
            self.probes[name] = probe

    def wait(self, served: int, timeout: float = 30.0) -> None:
        """Until each shard has served so many more; TimeoutError after `timeout` seconds.

        All are counted from the call on: the second does not begin when the first is through.
        """
        with ThreadPoolExecutor(len(self.probes)) as pool:
            list(pool.map(lambda probe: probe.wait(served, timeout), self.probes.values()))

    def __enter__(self) -> "ShardProbe":
        for probe in self.probes.values():
            probe.start()
        return self

    def __exit__(self, *error: Any) -> None:
        with ExitStack() as ends:  # all end, also where one has a bug to tell
            for probe in self.probes.values():
                ends.push(probe)
            if error[1] is not None:
                ends.pop_all().__exit__(*error)

    def frame(self) -> pd.DataFrame:
        """As Probe.frame(), of all shards in order of time, with a column shard."""
        frames = [probe.frame().assign(shard=name) for name, probe in self.probes.items()]
        return pd.concat(frames).sort_values("intended", ignore_index=True)

    @property
    def longest_gap(self) -> Gap:
        """The longest time between two successes, wherever these were."""
        return longest_gap(self.frame())

    def silence(self) -> pd.Series:
        """The longest time without a write of each shard, in seconds."""
        return pd.Series({name: probe.longest_gap.seconds for name, probe in self.probes.items()})

    def errors(self) -> pd.DataFrame:
        """How often each kind of error was seen: a row for each shard, a column for each kind."""
        frame = self.frame()
        failed = frame[~frame.ok]
        counts = pd.crosstab(failed.shard, failed.error.map(lambda error: error.split(":")[0]))
        return counts.reindex(list(self.probes), fill_value=0).rename_axis(index=None, columns=None)

    def audit(self, client: Any) -> pd.DataFrame:
        """As Probe.audit(): a row for each shard, by its name."""
        audits = [probe.audit(client) for probe in self.probes.values()]
        return pd.concat(audits).set_axis(list(self.probes))


def _keys_of(name: str, owners: pd.Series) -> tuple[str, ...]:
    prefix = f"probe:{uuid.uuid4().hex[:8]}"
    keys: list[str] = []
    number = 0
    while len(keys) < _KEYS:
        key = f"{prefix}:{number}"
        if str(owners[key_slot(key.encode())]) == name:
            keys.append(key)
        number += 1
    return tuple(keys)
