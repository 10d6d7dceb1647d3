"""Figures drawn from measured tables. A plot function returns its Axes and never shows it."""

from redis_lab.show.bars import bars
from redis_lab.show.curves import curves, memory, throughput
from redis_lab.show.dashboard import Dashboard, dashboard
from redis_lab.show.grid import grid
from redis_lab.show.limiter import limiter
from redis_lab.show.map import places
from redis_lab.show.panels import panels
from redis_lab.show.percentiles import latencies
from redis_lab.show.slots import slots
from redis_lab.show.spread import spread
from redis_lab.show.stream import stream
from redis_lab.show.style import use
from redis_lab.show.survivors import survivors
from redis_lab.show.swimlanes import swimlanes
from redis_lab.show.timeline import timeline
from redis_lab.show.topology import topology
from redis_lab.show.verdicts import verdicts

__all__ = [
    "Dashboard", "bars", "curves", "dashboard", "grid", "latencies", "limiter", "memory", "panels",
    "places", "slots", "spread", "stream", "survivors", "swimlanes", "throughput",
    "timeline", "topology", "use", "verdicts",
]  # fmt: skip
