"""Measurement: what a client sent, a server did and workers held, as tables."""

from redis_lab.observe.access import attempts, permitted
from redis_lab.observe.alarms import Rule, alarms, rates
from redis_lab.observe.benchmark import benchmark
from redis_lab.observe.bystander import Bystander
from redis_lab.observe.certificates import certificates
from redis_lab.observe.crew import crew, held
from redis_lab.observe.deliveries import deliveries
from redis_lab.observe.heartbeat import Heartbeat, heartbeat
from redis_lab.observe.keyspace import encodings, memory
from redis_lab.observe.ledger import Ledger
from redis_lab.observe.notary import Notary
from redis_lab.observe.pairs import Pairs
from redis_lab.observe.probe import Gap, Probe, longest_gap
from redis_lab.observe.readers import Readers, suffered
from redis_lab.observe.recorder import Recorder
from redis_lab.observe.replication import distance, replication
from redis_lab.observe.server import info, latency, slowlog
from redis_lab.observe.shards import ShardProbe
from redis_lab.observe.slots import slots
from redis_lab.observe.suspicion import Suspicions, elections
from redis_lab.observe.timing import bench
from redis_lab.observe.trace import Trace, trace
from redis_lab.observe.traffic import traffic, zipf
from redis_lab.observe.writer import Writer, growth

__all__ = [
    "Bystander", "Gap", "Heartbeat", "Ledger", "Notary", "Pairs", "Probe", "Readers",
    "Recorder", "Rule", "ShardProbe", "Suspicions", "Trace", "Writer", "alarms", "attempts",
    "bench", "benchmark", "certificates", "crew", "deliveries", "distance", "elections",
    "encodings", "growth", "heartbeat", "held", "info", "latency", "longest_gap", "memory",
    "permitted", "rates", "replication", "slots", "slowlog", "suffered", "trace", "traffic",
    "zipf",
]  # fmt: skip
