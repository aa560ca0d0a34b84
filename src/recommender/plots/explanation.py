"""The picture of a score: how it comes and goes in a track, above what there is to hear."""

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator
from numpy.typing import NDArray

from recommender.parameters import SpectrogramParams
from recommender.plots.fragments import band_ticks, level_texts
from recommender.plots.genres import shortened
from recommender.plots.style import FIRST, LINE, MUTED, SECOND, drawing, fewer_columns
from recommender.ranking.telling import clock

_LONGEST_TITLE = 80
_MOST_FRAMES = 640  # columns of the spectrogram
_MOST_STEPS = 400  # of the curve
_MOST_TICKS = 10
_N_COLOURS = 64  # even steps, few enough that the picture stays small
_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800)


@drawing()
def score_over_time(
    starts_s: NDArray[np.float64],
    ends_s: NDArray[np.float64],
    scores: NDArray[np.float64],
    *,
    score: float,
    track_s: tuple[float, float],
    best: Sequence[int] = (),
    worst: Sequence[int] = (),
    spectrogram: NDArray[np.float32] | None = None,
    params: SpectrogramParams | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the scores of a track's fragments over time, and its mel-spectrogram below.

    The dashed line is the track's score. Of long tracks, means over neighbouring fragments are
    shown.

    Parameters
    ----------
    starts_s, ends_s : ndarray, shape (n_fragments,)
        Where the fragments lie in their file, in seconds, rising; there may be gaps.
    scores : ndarray, shape (n_fragments,)
        In [0, 1].
    score : float
        Of the track as a whole, in [0, 1].
    track_s : (float, float)
        Where the track begins and ends in its file, in seconds.
    best, worst : sequence of int
        Fragments that are marked with triangles and numbers, in this order.
    spectrogram : ndarray, shape (n_frames, n_mels), optional
        Of the track from its beginning, with values in [-1, 1].
    params : SpectrogramParams, optional
        What the spectrogram was made with; needed with it.
    title : str, optional
    """
    has_sound = spectrogram is not None and params is not None
    figure = Figure(figsize=(9.2, 4.6 if has_sound else 2.6), layout="constrained")
    if title is not None:
        figure.suptitle(shortened(title, _LONGEST_TITLE), x=0.01, ha="left", fontsize=11)
    heights = (1, 1.2) if has_sound else (1,)
    axes = figure.subplots(len(heights), 1, squeeze=False, sharex=True, height_ratios=heights)
    curve: Axes = axes[0, 0]
    bottom: Axes = axes[-1, 0]
    _draw_scores(curve, starts_s, ends_s, scores)
    curve.axhline(score, color=MUTED, linewidth=1, dashes=(4, 2))
    for mark, fragments, colour in (("▲", best, FIRST), ("▼", worst, SECOND)):
        for number, i in enumerate(fragments, 1):
            curve.axvspan(starts_s[i], ends_s[i], color=colour, alpha=0.25, linewidth=0)
            curve.text(
                (starts_s[i] + ends_s[i]) / 2,
                1.02,
                f"{mark}{number}",
                transform=curve.get_xaxis_transform(),
                ha="center",
                va="bottom",
                color=colour,
                fontsize=8,
            )
    if spectrogram is not None and params is not None:
        _draw_sound(figure, bottom, spectrogram, track_s[0], params)
    begin_s, end_s = track_s
    curve.set_xlim(begin_s, end_s)
    enough_s = (end_s - begin_s) / _MOST_TICKS
    step_s = next((s for s in _TICKS_S if s >= enough_s), 3600 * math.ceil(enough_s / 3600))
    bottom.xaxis.set_major_locator(MultipleLocator(step_s))
    bottom.xaxis.set_major_formatter(FuncFormatter(lambda time_s, _: clock(time_s)))
    bottom.set_xlabel("time (minutes:seconds)")
    return figure


def _draw_scores(
    axis: Axes,
    starts_s: NDArray[np.float64],
    ends_s: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    step = -(-len(scores) // _MOST_STEPS)
    means = fewer_columns(scores[None], _MOST_STEPS)[0]
    starts_s, ends_s = starts_s[::step], np.append(ends_s[step - 1 : -1 : step], ends_s[-1])
    # Three points a step: where it begins, where it ends, and nothing, if the next lies apart.
    x = np.stack([starts_s, ends_s, ends_s], axis=1)
    y = np.stack([means, means, means], axis=1)
    y[:-1, 2][starts_s[1:] - ends_s[:-1] > 1e-3] = np.nan
    axis.grid(axis="y", color=LINE)
    axis.set_axisbelow(True)
    axis.plot(x.ravel(), y.ravel(), color=FIRST, linewidth=1.6)
    axis.set(ylim=(-0.01, 1.01), ylabel="score")  # the ends would be half a line
    axis.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0", "", "0.5", "", "1"))


def _draw_sound(
    figure: Figure,
    axis: Axes,
    spectrogram: NDArray[np.float32],
    begin_s: float,
    params: SpectrogramParams,
) -> None:
    rows = fewer_columns(np.asarray(spectrogram, np.float64).T, _MOST_FRAMES)
    duration_s = len(spectrogram) * params.hop_duration_s
    image = axis.imshow(
        rows,
        origin="lower",
        aspect="auto",
        interpolation="none",
        cmap=mpl.colormaps["magma"].resampled(_N_COLOURS),
        vmin=-1,
        vmax=1,
        extent=(begin_s, begin_s + duration_s, -0.5, len(rows) - 0.5),
    )
    axis.spines[:].set_visible(False)
    axis.set_yticks(*band_ticks(params))
    axis.set_ylabel("frequency (Hz)")
    label, levels = level_texts(params)
    bar = figure.colorbar(image, ax=axis, label=label, fraction=0.02, aspect=24)
    bar.set_ticks(list(levels), labels=list(levels.values()))
