"""Latency as a curve over percentiles: never a mean alone, no percentile of too few samples."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from redis_lab.show.curves import curves
from redis_lab.show.style import style

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99)
BEYOND = 10  # samples that must lie beyond a percentile for it to be drawn
NAMED = (50.0, 90.0, 99.0, 99.9, 99.99)


def latencies(
    samples: pd.DataFrame | Mapping[str, Sequence[float]], *, title: str, ax: Axes | None = None
) -> Axes:
    """A percentile curve for each column of latencies in µs; the worst tenths get the room.

    The x axis is 1 / (1 - p), so that each further nine takes as much room as the last one. A
    percentile is drawn where ten samples or more lie beyond it. Missing samples don't count.
    Raises ValueError where a column has fewer than 20 samples.
    """
    columns = samples.items() if isinstance(samples, Mapping) else samples.to_dict("list").items()
    known = {str(name): np.asarray(values, dtype=float) for name, values in columns}
    known = {name: values[~np.isnan(values)] for name, values in known.items()}
    if short := [name for name, values in known.items() if len(values) < 2 * BEYOND]:
        raise ValueError(f"samples: {', '.join(short)} has fewer than {2 * BEYOND}")
    places = [1 / (1 - p / 100) for p in PERCENTILES]
    frame = pd.DataFrame({name: _spread(values) for name, values in known.items()}, index=places)
    frame = frame.dropna(how="all")
    ax = curves(frame, "percentile of the calls", "latency, µs", title=title, log="xy", ax=ax)
    with style():
        shown = [p for p in NAMED if 1 / (1 - p / 100) <= frame.index.max()]
        ax.set_xticks([1 / (1 - p / 100) for p in shown], [f"p{p:g}" for p in shown])
    return ax


def _spread(values: np.ndarray) -> list[float]:
    return [
        float(np.percentile(values, p))
        if round(len(values) * (100 - p) / 100, 6) >= BEYOND
        else float("nan")
        for p in PERCENTILES
    ]
