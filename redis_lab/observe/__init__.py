"""Measurement: what a client sent and what a server did, as tables. Reads; changes nothing."""

from redis_lab.observe.bystander import Bystander
from redis_lab.observe.deliveries import deliveries
from redis_lab.observe.keyspace import encodings, memory
from redis_lab.observe.probe import Gap, Probe, longest_gap
from redis_lab.observe.recorder import Recorder
from redis_lab.observe.server import info, latency, slowlog
from redis_lab.observe.slots import slots
from redis_lab.observe.timing import bench
from redis_lab.observe.trace import Trace, trace
from redis_lab.observe.traffic import traffic, zipf

__all__ = [
    "Bystander", "Gap", "Probe", "Recorder", "Trace", "bench", "deliveries", "encodings", "info",
    "latency", "longest_gap", "memory", "slots", "slowlog", "trace", "traffic", "zipf",
]  # fmt: skip
