"""Figures drawn from measured tables. A plot function returns its Axes and never shows it."""

from redis_lab.show.bars import bars
from redis_lab.show.style import use
from redis_lab.show.timeline import timeline
from redis_lab.show.topology import topology

__all__ = ["bars", "timeline", "topology", "use"]
