"""A live board in a notebook: the last numbers of a server, or of anything that can be asked."""

import html
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import redis

from redis_lab.observe import Recorder
from redis_lab.show.panels import numbers, scaled, written
from redis_lab.show.style import DOWN, ERROR, PRIMARY

_SHOWN = 120  # samples that a line shows
_WIDE, _HIGH = 220, 44  # pixels of a line


class Dashboard:
    """What dashboard() returns: a notebook shows it, with a button that stops it."""

    def __init__(self, source: Any, every: float, limit: float):
        self._widget: Any = None
        self._recorder = Recorder(source, every, limit, then=self._refresh)
        self._recorder.start()

    def stop(self) -> None:
        """End; twice is fine. Raises what a callable's bug raised."""
        self._recorder.stop()

    def frame(self) -> pd.DataFrame:
        """All samples so far, as Recorder.frame() gives them: show.panels draws them."""
        return self._recorder.frame()

    def __enter__(self) -> "Dashboard":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        frame = self.frame()
        return (
            f"<dashboard, {len(frame)} samples, {'live' if self._recorder.running else 'stopped'}>"
        )

    def _repr_html_(self) -> str:
        return _page(self.frame())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        static = {"text/plain": repr(self), "text/html": self._repr_html_()}
        try:
            from ipywidgets import HTML, Button, VBox
        except ImportError:
            return static
        if self._widget is None:
            button = Button(description="Stop", icon="stop")
            button.on_click(lambda _: self.stop())
            self._widget = VBox([HTML(self._repr_html_()), button])
        return {**static, **(self._widget._repr_mimebundle_() or {}), **static}

    def _refresh(self) -> None:
        if self._widget is not None:
            board, button = self._widget.children
            board.value = self._repr_html_()
            button.disabled = not self._recorder.running


def dashboard(
    source: redis.Redis | Callable[[], Mapping[str, float]],
    *,
    every: float = 1.0,
    limit: float = 600.0,
) -> Dashboard:
    """Start a live board of a server's numbers, or of what a callable returns by name.

    source, every and limit (seconds; then it ends by itself) are those of observe.Recorder. It goes
    on while other cells run; stop() or its button ends it, frame() gives what it noted, and
    show.panels draws that for those who read without a kernel.
    """
    return Dashboard(source, every, limit)


def _page(frame: pd.DataFrame) -> str:
    """A tile for each quantity: its last number, and a line of the last samples."""
    failed = frame.error.iloc[-1] if len(frame) else ""
    try:
        names = numbers(frame)
    except ValueError:
        return f"<i>{html.escape(failed) or 'no sample yet'}</i>"
    tiles = "".join(_tile(name, scaled(name, frame[name]).tail(_SHOWN)) for name in names)
    said = f'<div style="color:{ERROR}"><b>{html.escape(failed)}</b></div>' if failed else ""
    return f'{said}<div style="display:flex;flex-wrap:wrap;gap:14px">{tiles}</div>'


def _tile(name: str, values: pd.Series) -> str:
    last = values.iloc[-1]
    low, high = min(values.min(), 0), max(values.max(), 1e-9)
    points: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if pd.isna(value):
            points.append([])
            continue
        x = _WIDE * place / max(len(values) - 1, 1)
        points[-1].append(f"{x:.1f},{(_HIGH - 2) * (1 - (value - low) / (high - low)) + 1:.1f}")
    lines = "".join(
        f'<polyline fill="none" stroke="{PRIMARY}" stroke-width="2" points="{" ".join(some)}"/>'
        for some in points
        if some
    )
    number = "none" if pd.isna(last) else f"{last:,.0f}" if abs(last) >= 100 else f"{last:,.3g}"
    return (
        f'<div style="border:1px solid {DOWN};padding:6px 10px">{html.escape(written(name))}<br>'
        f'<b style="font-size:150%">{number}</b><br>'
        f'<svg width="{_WIDE}" height="{_HIGH}">{lines}</svg></div>'
    )
