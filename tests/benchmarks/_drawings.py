"""Draws what the guides show of the figures, as SVG without a background, readable on light and on dark pages."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ._measure import Figure

BUILD: Final = Path(__file__).parents[2] / "build"

_INK, _OURS, _PEER = "#808080", "#2a7de1", "#d97500"
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # as text, which can be searched
    "svg.hashsalt": "wriftai_anyio",
    "font.family": "sans-serif",
    "font.size": 11,  # a drawing is as wide as a phone, where it is shown in this size
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_ABOVE: Final[dict[str, Any]] = {"loc": "lower left", "bbox_to_anchor": (0, 1)}


@dataclass(frozen=True)
class Creates:
    """What came of the creates of one client, each a second after the first request."""

    name: str
    let_through: Sequence[float]
    refused: Sequence[float]
    failed_calls: int


def draw_creates(measured: Sequence[Creates], calls: int, limit: int) -> None:
    """Draws how many creates were let through by when, and a dot at the bottom for each refusal.

    Args:
        measured: This client's, then the published one's.
        calls: How many creates started at once.
        limit: Creates a second.
    """
    with _axes("creates", 4.2) as axes:
        axes.plot([0, calls / limit - 1], [limit, calls], ":", color=_INK, label=f"{limit} a second")
        for each, colour in zip(measured, (_OURS, _PEER), strict=True):
            outcome = f"{len(each.refused)} refused, {each.failed_calls} lost"
            counts = range(1, len(each.let_through) + 1)
            axes.plot(each.let_through, counts, color=colour, linewidth=2.5, label=f"{each.name}: {outcome}")
            axes.scatter(each.refused, [0] * len(each.refused), s=6, color=colour)
        axes.set(xlabel="seconds", ylabel="created")
        axes.legend(**_ABOVE)


def draw_calls(figures: Sequence[Figure]) -> None:
    """Draws what a call costs as a part of what it costs the peer, with a mark at the floor where there is one."""
    with _axes("calls", 1.0 + 0.6 * len(figures)) as axes:
        names = [fill(figure.name, 28) for figure in figures]
        axes.barh(names, [figure.value for figure in figures], color=_OURS, height=0.6)
        axes.axvline(1.0, color=_PEER, linewidth=2, label="the peer")
        floors = [(figure.floor, name) for figure, name in zip(figures, names, strict=True) if figure.floor is not None]
        axes.plot(*zip(*floors, strict=True), "|", color="black", markersize=16, label="httpx's transport alone")
        axes.invert_yaxis()
        axes.legend(**_ABOVE)


def draw_waits(waits: int, costs: Mapping[str, Mapping[str, float]]) -> None:
    """Draws what each of many waits costs.

    Args:
        waits: How many there are at once.
        costs: By whose they are, the published client's first; then by what they are of.
    """
    published, *_ = costs.values()
    with _axes("waits", 3.0) as axes:
        for row, (name, cost) in enumerate(costs.items()):
            places = [place + 0.25 * row for place in range(len(cost))]
            colour = _PEER if cost is published else _OURS
            parts = [cost[what] / published[what] for what in published]
            bars = axes.barh(places, parts, height=0.22, color=colour, alpha=1 - 0.3 * max(0, row - 1), label=name)
            axes.bar_label(bars, [f"{cost[what]:.3g}" for what in published], padding=3)
        axes.set_yticks([place + 0.25 for place in range(len(published))], list(published))
        axes.set(xlabel=f"of the published client, with {waits:,} waits")
        axes.invert_yaxis()
        axes.legend(**_ABOVE)


@contextmanager
def _axes(name: str, height: float) -> Iterator[Axes]:
    with mpl.rc_context(_STYLE):
        drawing = Drawing(figsize=(5, height), layout="constrained")
        yield drawing.add_subplot()
        BUILD.mkdir(exist_ok=True)
        drawing.savefig(BUILD / f"{name}.svg", transparent=True, metadata={"Date": None})
