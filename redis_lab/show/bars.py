"""A few measured numbers side by side."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from redis_lab.show.style import DOWN, INK, PRIMARY, figure, headline, inches, style, text_width


def bars(
    values: pd.Series,
    label: str,
    *,
    title: str,
    highlight: str | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Horizontal bars, one for each entry in its order, its number written at the bar's end.

    label: quantity and unit of the numbers. title: the finding. highlight: the entry that the title
    is about; the others turn grey. log: a logarithmic axis, for numbers of very different size.
    Raises ValueError for an empty series or a number that can't be drawn.
    """
    numbers = values.astype(float)
    if numbers.empty or not numbers.notna().all() or (numbers < 0).any():
        raise ValueError("values: one or more numbers, none negative or missing")
    names = [str(name) for name in numbers.index]
    with style():
        margin = 0.35 + max(map(text_width, names))
        ax = ax or figure(title, margin=margin, lines=2.2 * len(names), least=2.2)
        colours = [PRIMARY if highlight in (None, name) else DOWN for name in names]
        drawn = ax.barh(names, numbers, color=colours, height=0.62)
        ax.bar_label(drawn, labels=[_number(value) for value in numbers], padding=6, color=INK)
        ax.set_xscale("log" if log else "linear")
        ax.margins(x=0.16 if not log else 0.1)
        if not log:  # as many ticks as have room for their numbers
            room = inches(ax)[0] / (text_width(_number(numbers.max())) + 0.35)
            ax.xaxis.set_major_locator(
                MaxNLocator(max(2, min(9, int(room))), steps=[1, 2, 2.5, 5, 10])
            )
        ax.invert_yaxis()
        ax.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: _tick(tick)))
        ax.set_xlabel(label)
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        headline(ax, title)
    return ax


def _tick(value: float) -> str:
    return f"{value:,.10g}"


def _number(value: float) -> str:
    """A number as a person reads it: 12,345, 123, 12.3, 1.23, 0.012."""
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.3g}"
