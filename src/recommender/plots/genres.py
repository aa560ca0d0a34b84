"""Charts of genre systems: how they learned, what they confuse, what they make of a track."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from recommender.plots.style import FIRST, LINE, SECOND, drawing, fewer_columns

_CONFUSION_MAP = "Blues"  # even in lightness; zero is as white as paper
_LONGEST = 24  # characters of a name
_LONGEST_TITLE = 80
_MOST_COLUMNS = 240  # points in time that a chart shows
_MOST_EPOCHS = 500


@drawing()
def learning_curve(
    label: str,
    training: Sequence[float | None],
    validation: Sequence[float | None],
    *,
    best: int | None = None,
) -> Figure:
    """Draw one figure of merit over the epochs.

    Parameters
    ----------
    label : str
        What it is: "loss", "accuracy".
    training, validation : sequence of float or None, shape (n_epochs,)
        Of the epochs in turn; None where unknown.
    best : int, optional
        Epoch, counted from 1, whose weights were kept.
    """
    shown = np.arange(0, len(training), -(-len(training) // _MOST_EPOCHS) or 1)
    figure = Figure(figsize=(4.6, 2.9), layout="constrained")
    axis = figure.subplots()
    axis.grid(axis="y", color=LINE)
    for name, values, colour, dashes in (
        ("training", training, SECOND, (4, 1.5)),
        ("validation", validation, FIRST, (None, None)),
    ):
        y = np.array([np.nan if value is None else value for value in values], np.float64)
        if np.isfinite(y).any():
            axis.plot(
                shown + 1,
                y[shown],
                color=colour,
                dashes=dashes,
                linewidth=1.6,
                marker="o" if len(y) < 3 else None,
                markersize=4,
                label=name,
            )
    if best is not None:
        axis.axvline(best, color=LINE, linewidth=4, zorder=0)
        axis.annotate(
            f"epoch {best} kept",
            (best, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right" if best > 0.85 * len(training) else "center",
            fontsize=8,
        )
    axis.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axis.set_xlabel("epoch")
    axis.set_ylabel(label)
    if axis.lines:
        axis.legend(loc="best", handlelength=2.6)
    return figure


@drawing()
def confusion(
    matrix: NDArray[np.int64], genres: Sequence[str], *, chosen: Sequence[int] | None = None
) -> Figure:
    """Draw a confusion matrix, each row as shares of its genre, with the recall at its side.

    Parameters
    ----------
    matrix : ndarray of int, shape (n_genres, n_genres)
        Rows are true genres, columns predicted ones.
    genres : sequence of str
    chosen : sequence of int, optional
        Genres to draw, if not all; shares are those of whole rows all the same.
    """
    chosen = range(len(genres)) if chosen is None else chosen
    n = len(chosen)
    totals = matrix.sum(axis=1)[chosen]
    matrix = matrix[np.ix_(chosen, chosen)]
    rows = matrix / np.maximum(totals, 1)[:, None]
    size = 2.4 + 0.3 * n if n <= 40 else 9.0
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(rows, cmap=_CONFUSION_MAP, vmin=0, vmax=1, interpolation="none")
    font = 8.0 if n <= 40 else max(2.5, 320 / n)
    names = [shortened(genres[i]) for i in chosen]
    axis.set_xticks(range(n), names, rotation=90, fontsize=font)
    axis.set_yticks(range(n), names, fontsize=font)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    right = axis.secondary_yaxis("right")
    recalls = [f"{rows[i, i]:.0%}" if totals[i] else "none" for i in range(n)]
    right.set_yticks(range(n), recalls, fontsize=font)
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    axis.text(1.01, 1.01, "recall", transform=axis.transAxes, fontsize=8)
    if n <= 20:
        for i, j in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if rows[i, j] > 0.55 else "black"
            axis.text(j, i, f"{matrix[i, j]:,}", ha="center", va="center", color=colour, fontsize=8)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    figure.colorbar(image, ax=axis, label="share of the true genre", fraction=0.03, pad=0.1)
    return figure


@drawing()
def shares_over_time(
    times_s: NDArray[np.float64],
    shares: NDArray[np.float64],
    genres: Sequence[str],
    *,
    duration_s: float,
    n_shown: int = 8,
) -> Figure:
    """Draw how the strongest genres come and go in a track, one row a genre.

    Parameters
    ----------
    times_s : ndarray, shape (n_pieces,)
        Where the pieces start, in seconds, rising.
    shares : ndarray, shape (n_pieces, n_genres)
        Rows add up to 1.
    genres : sequence of str
    duration_s : float
        Of the last piece.
    n_shown : int
        Rows at most.
    """
    order = strongest(shares)[:n_shown]
    figure = Figure(figsize=(4.6, 0.55 + 0.4 * len(order)), layout="constrained")
    axes = figure.subplots(len(order), 1, squeeze=False, sharex=True)[:, 0]
    _draw_over_time(axes, times_s, shares[:, order], duration_s)
    for axis, i in zip(axes, order, strict=True):
        axis.set_ylabel(shortened(genres[i]), rotation=0, ha="right", va="center")
    return figure


@drawing()
def prediction(
    title: str,
    times_s: NDArray[np.float64],
    shares: NDArray[np.float64],
    genres: Sequence[str],
    *,
    duration_s: float,
    n_shown: int = 10,
) -> Figure:
    """Draw a track's genres: shares of the whole as bars, and beside each how it comes and goes.

    Parameters are those of `shares_over_time`.
    """
    order = strongest(shares)[:n_shown]
    n = len(order)
    figure = Figure(figsize=(8.4, 1.1 + 0.42 * n), layout="constrained")
    figure.suptitle(shortened(title, _LONGEST_TITLE), x=0.01, ha="left", fontsize=11)
    axes = figure.subplots(n, 2, squeeze=False, width_ratios=(1, 2), sharex="col")
    for axis, i in zip(axes[:, 0], order, strict=True):
        share = float(shares[:, i].mean())
        axis.barh(0, share, color=FIRST, height=0.6)
        axis.text(share + 0.02, 0, f"{share:.0%}", va="center")
        axis.set(xlim=(0, 1.2), ylim=(-0.5, 0.5))
        axis.set_yticks([0], [shortened(genres[i])])
        axis.tick_params(length=0, labelbottom=False)
        axis.spines["bottom"].set_visible(False)
    axes[-1, 0].set_xlabel("share of the whole track")
    _draw_over_time(axes[:, 1], times_s, shares[:, order], duration_s)
    return figure


def _draw_over_time(
    axes: NDArray[np.object_],
    times_s: NDArray[np.float64],
    shares: NDArray[np.float64],
    duration_s: float,
) -> None:
    end_s = float(times_s[-1]) + duration_s
    step = -(-len(times_s) // _MOST_COLUMNS)
    edges = np.append(times_s[::step], end_s)
    minutes = end_s > 120
    axis: Axes
    for axis, row in zip(axes, fewer_columns(shares.T, _MOST_COLUMNS), strict=True):
        axis.stairs(row, edges / (60 if minutes else 1), fill=True, color=FIRST, linewidth=0)
        axis.set(ylim=(0, 1), xlim=(float(edges[0]), end_s / (60 if minutes else 1)))
        axis.set_yticks([])
        axis.tick_params(length=0)
        axis.spines["left"].set_visible(False)
        axis.spines["bottom"].set_color(LINE)
    axes[-1].tick_params(length=3)
    axes[-1].set_xlabel("time (min)" if minutes else "time (s)")


def strongest(shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Genres by falling mean share; of equals the first in the list comes first."""
    return np.argsort(-shares.mean(axis=0), kind="stable")


def shortened(name: str, longest: int = _LONGEST) -> str:
    """Return a name that fits beside a chart, with boxes for what cannot be drawn or encoded."""
    drawable = "".join(c if c.isprintable() else "\N{WHITE SQUARE}" for c in name)
    return drawable if len(drawable) <= longest else drawable[: longest - 1] + "…"
