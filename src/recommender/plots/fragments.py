"""Pictures: fragments of mel-spectrogram, with seconds and hertz at their axes."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recommender.errors import ParameterError
from recommender.parameters import SpectrogramParams

_COLOUR_MAP = "magma"  # perceptually even, and readable without colour vision
_SUFFIXES = (".png", ".svg", ".pdf")
_TICKS_HZ = (100, 250, 500, 1000, 2000, 4000, 8000, 16_000)
_TICKS_DB = 20


def check_suffix(path: Path) -> None:
    """Refuse a name that is no picture's.

    Raises
    ------
    ParameterError
        If the suffix is none of a PNG, SVG or PDF.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ParameterError(f"{path}: a picture is called .png, .svg or .pdf")


def save_fragments(
    path: Path,
    fragments: NDArray[np.float32],
    titles: Sequence[str],
    params: SpectrogramParams,
    *,
    n_columns: int = 3,
) -> None:
    """Draw fragments side by side into a PNG, SVG or PDF, as the suffix says.

    Parameters
    ----------
    path : Path
    fragments : ndarray, shape (n, n_frames, n_mels)
        Values in [-1, 1].
    titles : sequence of str
        One for each.
    params : SpectrogramParams
        What they were made with.
    n_columns : int

    Raises
    ------
    ParameterError
        If the suffix is another.
    """
    check_suffix(path)
    n_columns = min(n_columns, len(fragments))
    n_rows = -(-len(fragments) // n_columns)
    # Titles are file names: dollar signs in them are no formulas.
    with mpl.rc_context({"text.parse_math": False}):
        figure = Figure(
            figsize=(4.2 * n_columns + 0.8, 3.0 * n_rows), layout="constrained", dpi=110
        )
        FigureCanvasAgg(figure)
        axes = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
        bands, labels = band_ticks(params)
        for axis, fragment, title in zip(axes.flat, fragments, titles, strict=False):
            image = axis.imshow(
                fragment.T,
                origin="lower",
                aspect="auto",
                interpolation="nearest",
                cmap=_COLOUR_MAP,
                vmin=-1,
                vmax=1,
                extent=(0, params.fragment_duration_s, -0.5, params.n_mels - 0.5),
            )
            axis.set_title(title, fontsize=9)
            axis.set_yticks(bands, labels)
        for axis in axes.flat[len(fragments) :]:
            axis.set_axis_off()
        for axis in axes[-1]:
            axis.set_xlabel("time (s)")
        for row in axes:
            row[0].set_ylabel("frequency (Hz)")
        label, levels = level_texts(params)
        bar = figure.colorbar(image, ax=axes, label=label, fraction=0.03)
        bar.set_ticks(list(levels), labels=list(levels.values()))
        with warnings.catch_warnings():
            # A character that the font lacks is drawn as a box.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(path)


def level_texts(params: SpectrogramParams) -> tuple[str, dict[float, str]]:
    """What values mean: the label of the colours, and texts of some values."""
    maximum = "the maximum" if params.reference == "fragment" else "full scale"
    if params.compression == "log":
        below_db = range(0, int(params.range_db) + 1, _TICKS_DB)
        texts = {1 - 2 * db / params.range_db: f"{-db}" for db in below_db}
        return f"level (dB, 0 is {maximum})", texts
    quarters = (0.0, 0.25, 0.5, 0.75, 1.0)
    return f"share of {maximum}", {2 * share - 1: f"{share:g}" for share in quarters}


def band_ticks(params: SpectrogramParams) -> tuple[list[float], list[str]]:
    """Bands, with fractions, whose centres lie at round frequencies."""

    def mel(f: float) -> float:
        return float(1127.01048 * np.log1p(f / 700.0))

    low, high = mel(params.fmin), mel(params.fmax)
    step = (high - low) / (params.n_mels + 1)
    if params.mel == "listing":
        step = (high - low) / params.n_mels / 2
    bands = {hz: (mel(hz) - low) / step - 1 for hz in _TICKS_HZ}
    shown = {hz: band for hz, band in bands.items() if 0 <= band <= params.n_mels - 1}
    return list(shown.values()), [f"{hz:,}" for hz in shown]
