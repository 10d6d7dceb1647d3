"""Measurement: what a client sent and what a server did, as tables. Reads; changes nothing."""

from redis_lab.observe.probe import Gap, Probe, longest_gap
from redis_lab.observe.trace import Trace, trace

__all__ = ["Gap", "Probe", "Trace", "longest_gap", "trace"]
