"""What genre networks are given, and what is inside them: inputs, kernels, maps."""

import math
from collections.abc import Sequence
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from recommender.parameters import SpectrogramParams
from recommender.plots.fragments import band_ticks, level_texts
from recommender.plots.genres import shortened
from recommender.plots.style import FIRST, LINE, MUTED, drawing, fewer_columns

_KERNELS_A_ROW = 64
_MOST_KERNELS = 256
_MOST_NUMBERS = 400  # in a map, above which numbers would not be legible
_MOST_FRAMES = 320  # columns of a picture
_DEVIATIONS = 2.5


def _colours(name: str) -> Colormap:
    """Return even steps of lightness, few enough that pictures stay small."""
    return mpl.colormaps[name].resampled(64)


@drawing()
def piece(
    x: NDArray[np.float32],
    kind: Literal["mel", "mfcc", "embeddings"],
    params: SpectrogramParams | None = None,
) -> Figure:
    """Draw what a network is given of a track.

    Parameters
    ----------
    x : ndarray, shape (n_frames, n_bands)
        A piece of mel-spectrogram with values in [-1, 1]; or MFCC or embeddings of patches, each
        shown by its distance from its mean over the piece, in deviations.
    kind : {"mel", "mfcc", "embeddings"}
    params : SpectrogramParams, optional
        What it was made with: for seconds and hertz at the axes.
    """
    rows = fewer_columns(np.asarray(x, np.float64).T, _MOST_FRAMES)
    duration = len(x) * params.hop_duration_s if params and kind != "embeddings" else len(x)
    limit = 1.0
    if kind != "mel":
        # The first ones are many times as large as the others.
        rows = (rows - rows.mean(1, keepdims=True)) / (rows.std(1, keepdims=True) + 1e-6)
        limit = _DEVIATIONS
    figure = Figure(figsize=(3.9, 2.2), layout="constrained")
    axis = figure.subplots()
    axis.imshow(
        rows,
        origin="lower",
        aspect="auto",
        interpolation="none",
        cmap=_colours("magma"),
        vmin=-limit,
        vmax=limit,
        extent=(0, duration, -0.5, len(rows) - 0.5),
    )
    axis.spines[:].set_visible(False)
    axis.set_xlabel("patch" if kind == "embeddings" else "time (s)" if params else "frame")
    if kind == "mel" and params is not None:
        axis.set_yticks(*_fewer_ticks(params))
        axis.set_ylabel("frequency (Hz)")
    else:
        axis.set_ylabel({"mel": "band", "mfcc": "coefficient", "embeddings": "number"}[kind])
    return figure


@drawing()
def level_bar(params: SpectrogramParams) -> Figure:
    """Draw which colours mean which level in pictures of mel-spectrogram."""
    figure = Figure(figsize=(4.6, 0.62), layout="constrained")
    axis = figure.subplots()
    axis.imshow(
        np.linspace(-1, 1, 64)[None],
        aspect="auto",
        interpolation="none",
        cmap=_colours("magma"),
        extent=(-1, 1, 0, 1),
    )
    label, texts = level_texts(params)
    axis.set_xticks(list(texts), list(texts.values()))
    axis.set_yticks([])
    axis.set_xlabel(label)
    axis.spines[:].set_visible(False)
    return figure


@drawing()
def kernels(
    weights: NDArray[np.float32], inputs: str, params: SpectrogramParams | None = None
) -> Figure:
    """Draw the kernels of a convolution over time side by side, as strips.

    Zero is the middle of the colours, and 99.9 % of the weights lie within their range. Kernels
    are ordered as `kernel_order` says; of more than 256, as many are taken evenly from them.

    Parameters
    ----------
    weights : ndarray, shape (n_kernels, n_inputs, n_steps)
    inputs : str
        What the inputs are: "band", "map of the first layer".
    params : SpectrogramParams, optional
        If the inputs are mel bands: for hertz at the axes.
    """
    n, n_inputs, n_steps = weights.shape
    n_shown = min(n, _MOST_KERNELS)
    chosen = kernel_order(weights)[np.linspace(0, n - 1, n_shown).round().astype(np.intp)]
    ordered = weights[chosen]
    n_rows = -(-n_shown // _KERNELS_A_ROW)
    n_columns = -(-n_shown // n_rows)
    limit = max(float(np.percentile(np.abs(weights), 99.9)), 1e-9)
    figure = Figure(figsize=(9.2, 0.6 + 1.35 * n_rows), layout="constrained")
    axes: NDArray[np.object_] = figure.subplots(n_rows, 1, squeeze=False)[:, 0]
    axis: Axes
    for i, axis in enumerate(axes):
        strips = np.full((n_inputs, n_columns, n_steps + 1), np.nan)
        shown = ordered[i * n_columns : (i + 1) * n_columns]
        strips[:, : len(shown), :n_steps] = shown.transpose(1, 0, 2)
        image = axis.imshow(
            np.ma.masked_invalid(strips.reshape(n_inputs, -1)[:, :-1]),
            origin="lower",
            aspect="auto",
            interpolation="none",
            cmap=_colours("cividis"),
            vmin=-limit,
            vmax=limit,
        )
        axis.set_xticks([])
        axis.spines[:].set_visible(False)
        if params is not None:
            axis.set_yticks(*_fewer_ticks(params))
    figure.supylabel("frequency (Hz)" if params else inputs, fontsize=9, color=MUTED)
    counted = f"{n}" if n == n_shown else f"{n_shown} of {n}"
    label = f"{counted} kernels, {n_steps} steps of time each"
    figure.supxlabel(label, fontsize=9, color=MUTED)
    figure.colorbar(image, ax=list(axes), label="weight", fraction=0.02, aspect=30)
    return figure


def kernel_order(weights: NDArray[np.float32]) -> NDArray[np.intp]:
    """Kernels by the centre of their squared weights along the inputs; ``(n, n_inputs, steps)``."""
    energy = np.square(weights, dtype=np.float64).sum(axis=2)
    centre = energy @ np.arange(weights.shape[1]) / np.maximum(energy.sum(axis=1), 1e-30)
    return np.argsort(centre, kind="stable")


def _fewer_ticks(params: SpectrogramParams) -> tuple[list[float], list[str]]:
    bands, texts = band_ticks(params)
    chosen = [i for i, text in enumerate(texts) if text in ("250", "1,000", "4,000", "8,000")]
    return [bands[i] for i in chosen], [texts[i] for i in chosen]


@drawing()
def som_hits(hits: NDArray[np.int64]) -> Figure:
    """Draw how many tracks fall on each unit of a map: squares whose area is the number.

    Parameters
    ----------
    hits : ndarray of int, shape (n_rows, n_columns)
    """
    n_rows, n_columns = hits.shape
    figure = Figure(figsize=(4.6, 0.4 + 4.2 * n_rows / n_columns), layout="constrained")
    axis = figure.subplots()
    _draw_hits(axis, hits, int(hits.max(initial=1)), 0.45)
    for i, j in zip(*np.nonzero(hits), strict=True) if hits.size <= _MOST_NUMBERS else ():
        axis.text(j, i, f"{hits[i, j]:,}", ha="center", va="center", fontsize=8)
    return figure


@drawing()
def som_genres(counts: NDArray[np.int64], genres: Sequence[str]) -> Figure:
    """Draw where each genre's tracks fall on a map; areas compare within a genre.

    Parameters
    ----------
    counts : ndarray of int, shape (n_rows, n_columns, n_genres)
    genres : sequence of str
    """
    n_columns = min(4, len(genres))
    n_rows = math.ceil(len(genres) / n_columns)
    height = 2.1 * counts.shape[0] / counts.shape[1] + 0.3
    figure = Figure(figsize=(9.2 * n_columns / 4, height * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for axis in axes.flat[len(genres) :]:
        axis.set_axis_off()
    for axis, genre, hits in zip(axes.flat, genres, np.moveaxis(counts, 2, 0), strict=False):
        _draw_hits(axis, hits, int(hits.max(initial=1)), 0.9)
        axis.set_title(shortened(genre), fontsize=9)
    return figure


def _draw_hits(axis: Axes, hits: NDArray[np.int64], most: int, alpha: float) -> None:
    """Squares on a grid; the one of `most` hits fills its cell."""
    n_rows, n_columns = hits.shape
    rows, columns = np.nonzero(hits)
    halves = np.sqrt(hits[rows, columns] / most)[:, None] / 2
    centres = np.stack([columns, rows], axis=1)
    corners = [centres + halves * way for way in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    if len(rows):
        squares = Path.make_compound_path_from_polys(np.stack(corners, axis=1))
        axis.add_patch(PathPatch(squares, color=FIRST, alpha=alpha, linewidth=0))
    axis.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5), aspect="equal")
    axis.set_xticks(np.arange(-0.5, n_columns), [])
    axis.set_yticks(np.arange(-0.5, n_rows), [])
    axis.tick_params(length=0)
    axis.grid(color=LINE, linewidth=0.5)
    axis.set_axisbelow(True)
    axis.spines[:].set_color(LINE)
    axis.spines[:].set_visible(True)
