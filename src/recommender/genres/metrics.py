"""How well genres are predicted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ParameterError


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Agreement of predicted genres with true ones.

    Attributes
    ----------
    accuracy : float
        Share of right predictions, 0 to 1.
    macro_f1 : float
        Mean of `f1` over the genres that occur, as true or as predicted.
    precision, recall, f1 : tuple of float
        Of each genre, 0 to 1; 0 where they would be divided by nothing. F1 is the harmonic mean of
        precision and recall.
    support : tuple of int
        Tracks of each genre.
    confusion : ndarray of int64, shape (n_genres, n_genres)
        Tracks by true genre (row) and predicted genre (column).
    """

    accuracy: float
    macro_f1: float
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    support: tuple[int, ...]
    confusion: NDArray[np.int64]


def scores(y: NDArray[np.int64], shares: NDArray[np.floating]) -> Scores:
    """Compare true genres with those of the greatest shares, the first of equal ones.

    Parameters
    ----------
    y : ndarray of int64, shape (n_tracks,)
        True genres, 0 to ``n_genres - 1``.
    shares : ndarray of float, shape (n_tracks, n_genres)
        Any finite measure that grows with belief: shares, probabilities or their logarithms.

    Raises
    ------
    ParameterError
        If the shapes do not fit, there is no track, or a value makes no sense.
    """
    if shares.ndim != 2 or y.shape != shares.shape[:1] or shares.size == 0:
        raise ParameterError(f"shares of shape {shares.shape} do not fit {y.shape} genres")
    if np.isnan(shares).any():
        raise ParameterError("shares are not numbers: the training has gone astray")
    matrix = confusion(y, shares.argmax(axis=1), shares.shape[1])
    right = np.diag(matrix)
    support, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    f1 = _ratio(2 * right, support + predicted)
    return Scores(
        accuracy=float(right.sum() / len(y)),
        macro_f1=float(f1[support + predicted > 0].mean()),
        precision=tuple(_ratio(right, predicted).tolist()),
        recall=tuple(_ratio(right, support).tolist()),
        f1=tuple(f1.tolist()),
        support=tuple(support.tolist()),
        confusion=matrix,
    )


def confusion(
    y: NDArray[np.int64], predicted: NDArray[np.int64], n_genres: int
) -> NDArray[np.int64]:
    """Count tracks by true genre (row) and predicted genre (column).

    Raises
    ------
    ParameterError
        If the two differ in length, or a genre is not one of 0 to ``n_genres - 1``.
    """
    both = np.concatenate([y, predicted])
    if y.shape != predicted.shape or ((both < 0) | (both >= n_genres)).any():
        raise ParameterError(f"true and predicted genres must be pairs of 0 to {n_genres - 1}")
    counts = np.bincount(y * n_genres + predicted, minlength=n_genres**2)
    return counts.astype(np.int64).reshape(n_genres, n_genres)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
