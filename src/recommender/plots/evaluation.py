"""Charts of how good recommendations are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from recommender.plots.style import FIRST, INK, LINE, MUTED, SECOND, drawing

_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_LINES: tuple[dict[str, Any], ...] = (
    {"color": FIRST, "linewidth": 2.2},
    {"color": SECOND, "linewidth": 1.4, "dashes": (5, 1.5)},
    {"color": INK, "linewidth": 1.2, "dashes": (1.5, 1.5)},
    {"color": MUTED, "linewidth": 1.0},
)
_N_TICKS_DRAWN = 400  # scores of one kind that are drawn one by one


@drawing()
def found_curve(shares: Sequence[float], found: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Draw which share of the hidden tracks is found how far down the list.

    Parameters
    ----------
    shares : sequence of float, shape (n,)
        Of the whole list, in (0, 1], rising.
    found : mapping of str to ndarray, shape (n,)
        By method, at most four; the first one is what the chart is about.
    """
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.grid(color=LINE)
    for (name, values), line in zip(found.items(), _LINES, strict=False):
        axis.plot(shares, values, label=name, **line)
    axis.set_xscale("log")
    axis.set_xlim(shares[0], 1)
    axis.xaxis.set_major_locator(FixedLocator([x for x in _TICKS if x >= shares[0]]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g} %"))
    axis.set_ylim(0, 1.02)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.0f} %"))
    axis.set_xlabel("first part of the list")
    axis.set_ylabel("hidden tracks that are in it")
    axis.legend(loc="upper left", handlelength=3)
    return figure


@drawing()
def experiment(
    scores: Mapping[str, Mapping[str, NDArray[np.float64]]],
    maxima: Mapping[str, float],
    percents: Sequence[float],
    within: Mapping[str, Mapping[str, NDArray[np.float64]]],
) -> Figure:
    """Draw an experiment, one row a recipe: all scores, and tracks within x % of the maximum.

    Parameters
    ----------
    scores : mapping of str to mapping of str to ndarray
        Scores of tracks in [0, 1], by recipe and by what they are.
    maxima : mapping of str to float
        Mean score of the liked tracks, by recipe.
    percents : sequence of float, shape (n,)
    within : mapping of str to mapping of str to ndarray, shape (n,)
        Shares of two kinds of tracks that are within each percentage of the maximum.
    """
    n = len(scores)
    figure = Figure(figsize=(9.6, 0.5 + 2.5 * n), layout="constrained")
    axes = figure.subplots(n, 2, squeeze=False, width_ratios=(3, 2))
    for (left, right), recipe in zip(axes, scores, strict=True):
        _draw_scores(left, scores[recipe], maxima[recipe])
        left.set_title(recipe, loc="left", fontsize=11, pad=18)
        right.grid(color=LINE)
        for (name, shares), line in zip(within[recipe].items(), _LINES, strict=False):
            right.plot(percents, shares, label=name, **line)
        right.set(xlim=(0, 100), ylim=(0, 1.02))
        right.set_xticks(range(0, 101, 20), [f"{x} %" for x in range(0, 101, 20)])
        right.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        right.set_ylabel("tracks")
        right.legend(loc="best", handlelength=3, fontsize=8)
    axes[-1, 0].set_xlabel("score")
    axes[-1, 1].set_xlabel("within x % of the maximum")
    return figure


def _draw_scores(axis: Axes, groups: Mapping[str, NDArray[np.float64]], maximum: float) -> None:
    """One row a group: every score as a stroke, the median of all as a bar."""
    axis.axvline(maximum, color=LINE, linewidth=4, zorder=0)
    axis.annotate(
        "maximum",
        (maximum, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=MUTED,
    )
    for row, values in enumerate(groups.values()):
        step = -(-len(values) // _N_TICKS_DRAWN) or 1
        few = len(values) <= 60
        axis.vlines(
            np.sort(values)[::step],
            row - 0.3,
            row + 0.3,
            color=FIRST,
            linewidth=1.2 if few else 0.8,
            alpha=0.9 if few else 0.35,
        )
        if len(values):
            middle = float(np.median(values))
            axis.vlines(middle, row - 0.42, row + 0.42, color=SECOND, linewidth=2.4)
    names = [f"{name} ({len(values):,})" for name, values in groups.items()]
    axis.set_yticks(range(len(names)), names)
    axis.set(xlim=(-0.01, 1.01), ylim=(len(names) - 0.45, -0.55))
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
