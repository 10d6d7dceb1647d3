"""Figures drawn from measured tables. A plot function returns its Axes and never shows it."""

from redis_lab.show.style import use
from redis_lab.show.timeline import timeline

__all__ = ["timeline", "use"]
