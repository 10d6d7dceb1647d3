"""Places on a plain map: longitude to the right, latitude up, circles as they are on the sphere."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from redis_lab.show.style import (
    DOWN,
    INK,
    PRIMARY,
    figure,
    headline,
    inches,
    line,
    style,
    text_width,
)

RADIUS = 6372.797560856  # km: the sphere that Redis measures on
HIGHLIGHTED = "#C77700"


def places(
    points: pd.DataFrame,
    *,
    title: str,
    highlight: Iterable[str] = (),
    label: Iterable[str] | None = None,
    circle: tuple[float, float, float] | None = None,
    view: tuple[float, float, float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A dot for each row of a table with lon and lat, its index the names.

    title: the finding. highlight: names drawn in colour, the others are grey. label: names written
    beside their dots (default: the highlighted). circle: longitude, latitude and km; its line is
    true, so it is no circle here. view: west, east, south, north, at least (default: all there is);
    an east of 190 is 170° west. 180° is no border: the map is centred on the view or the circle.
    Raises ValueError for no place, a place that is missing, or a name that is not in the table.
    """
    coloured = list(highlight)
    named = list(coloured if label is None else label)
    if points.empty or points[["lon", "lat"]].isna().any(axis=None):
        raise ValueError("points: one place or more, none without lon and lat")
    if unknown := {*coloured, *named} - set(points.index):
        raise ValueError(f"points has no {', '.join(sorted(map(str, unknown)))}")
    middle = (view[0] + view[1]) / 2 if view else circle[0] if circle else 0.0
    dots = points[["lon", "lat"]].astype(float)
    dots["lon"] = _turned(dots["lon"], middle)
    ring = _ring(*circle, middle) if circle else np.empty((2, 0))
    with style():
        ax = ax or figure(title)
        for shown, size, colour in ((dots, 9, DOWN), (dots.loc[coloured], 22, HIGHLIGHTED)):
            ax.scatter(shown.lon, shown.lat, s=size, color=colour, linewidths=0)
        breaks = np.flatnonzero(np.abs(np.diff(ring[0])) > 180) + 1
        ax.plot(*np.insert(ring, breaks, np.nan, axis=1), color=PRIMARY, linewidth=2)
        _fit(ax, np.reshape(view, (2, 2)) if view else np.hstack([dots.to_numpy().T, ring]))
        for axis, ends in ((ax.xaxis, "WE"), (ax.yaxis, "SN")):
            axis.set_major_formatter(FuncFormatter(lambda at, _, ends=ends: _degrees(at, ends)))
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 3, 6, 10]))
        _write_names(ax, dots.loc[named])
        headline(ax, title)
    return ax


def _turned(longitudes: Any, middle: float) -> Any:
    """The same meridians, each within 180° of the middle one."""
    return (longitudes - middle + 180) % 360 - 180 + middle


def _ring(lon: float, lat: float, km: float, middle: float) -> np.ndarray:
    """Longitudes and latitudes of the points that are km away, by bearing."""
    bearing, level, angle = np.radians(np.arange(361)), np.radians(lat), km / RADIUS
    north = np.sin(level) * np.cos(angle) + np.cos(level) * np.sin(angle) * np.cos(bearing)
    east = np.sin(bearing) * np.sin(angle) * np.cos(level)
    turned = lon + np.degrees(np.arctan2(east, np.cos(angle) - np.sin(level) * north))
    return np.array([_turned(turned, middle), np.degrees(np.arcsin(np.clip(north, -1, 1)))])


def _fit(ax: Axes, seen: np.ndarray) -> None:
    """Limits that show what is to be seen, a km in the middle as long to the right as up."""
    middle, size = (seen.max(axis=1) + seen.min(axis=1)) / 2, np.ptp(seen, axis=1) + 0.01
    per_inch = np.array([1 / np.cos(np.radians(np.clip(middle[1], -75, 75))), 1]) * inches(ax)
    half = (size / per_inch).max() * per_inch * 0.52
    xlim, ylim = np.transpose([middle - half, middle + half])
    ax.set(xlim=xlim, ylim=ylim, xlabel="longitude", ylabel="latitude")


def _degrees(at: float, ends: str) -> str:
    """74° W, 40° N, 180°; nothing beyond a pole."""
    at = _turned(at, 0) if ends == "WE" else at
    end = "" if at in (0, -180) else f" {ends[int(at > 0)]}"
    return "" if ends == "SN" and abs(at) > 90 else f"{abs(at):g}°{end}"


def _write_names(ax: Axes, dots: pd.DataFrame) -> None:
    """Each name right of its dot, left, above or below: where it covers no other, nor a dot."""
    tall = line() * 0.9
    spots = ax.transData.transform(dots.to_numpy().reshape(-1, 2)) / ax.figure.dpi
    taken = [np.array([across, up, 0.06, 0.06]) for across, up in spots]  # middle, width, height
    for name, spot, place in zip(dots.index, spots, dots.to_numpy(), strict=True):
        wide = text_width(str(name), weight="bold") + 0.02
        sides = ((wide / 2 + 0.08, 0), (-wide / 2 - 0.08, 0), (0, tall * 0.75), (0, -tall * 0.75))
        boxes = [np.array([*spot + side, wide, tall]) for side in sides]
        taken.append(next((box for box in boxes if not _covers(box, taken)), boxes[0]))
        ax.annotate(
            str(name), place, xytext=(taken[-1][:2] - spot) * 72, textcoords="offset points",
            ha="center", va="center", color=INK, weight="bold", annotation_clip=True,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )  # fmt: skip


def _covers(box: np.ndarray, taken: list[np.ndarray]) -> bool:
    return any((np.abs(box - one)[:2] < (box + one)[2:] / 2).all() for one in taken)
