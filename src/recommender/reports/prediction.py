"""The page of predictions: the genres of files, as wholes and over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import plots
from recommender.reports import rendering

_MOST_CHARTS = 40
_MOST_FILES = 2000
_MOST_BARS = 8  # as many as rows over time


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a genre system makes of one file.

    Attributes
    ----------
    name : str
        The file, as people know it.
    genres : tuple of str
    times_s : ndarray, shape (n_pieces,)
        Where the pieces start, in seconds, rising.
    shares : ndarray, shape (n_pieces, n_genres)
        Rows add up to 1; their mean is that of the whole file.
    piece_s : float
        Length of a piece in seconds.
    """

    name: str
    genres: tuple[str, ...]
    times_s: NDArray[np.float64]
    shares: NDArray[np.float64]
    piece_s: float

    @property
    def ranking(self) -> list[tuple[str, float]]:
        """Genres with their share of the whole file, the greatest first."""
        means = self.shares.mean(axis=0)
        return [(self.genres[i], float(means[i])) for i in np.argsort(-means, kind="stable")]


def write_prediction(
    path: Path,
    predictions: Sequence[Prediction],
    *,
    network: str,
    failures: Sequence[tuple[str, str]] = (),
) -> None:
    """Write predictions as one HTML file of at most 2 MB.

    All files are in its table, the first 2,000 of them; the first 40 have charts.

    Parameters
    ----------
    path : Path
    predictions : sequence of Prediction
    network : str
        Which network made them.
    failures : sequence of (str, str)
        Files that could not be used, and why.

    Raises
    ------
    ParameterError
        If the file cannot be written.
    """
    charts = [
        {
            "name": prediction.name,
            "ranking": prediction.ranking[:_MOST_BARS],
            "n_genres": len(prediction.genres),
            "n_pieces": len(prediction.times_s),
            "piece_s": prediction.piece_s,
            "over_time": plots.shares_over_time(
                prediction.times_s,
                prediction.shares,
                prediction.genres,
                duration_s=prediction.piece_s,
            )
            if len(prediction.times_s) > 1
            else None,
        }
        for prediction in predictions[:_MOST_CHARTS]
    ]
    rendering.write(
        path,
        "prediction.html",
        network=network,
        n_files=len(predictions),
        files=[(prediction.name, prediction.ranking) for prediction in predictions[:_MOST_FILES]],
        charts=charts,
        failures=list(failures)[:_MOST_FILES],
        n_failures=len(failures),
    )
