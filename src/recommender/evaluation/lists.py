"""Metrics of lists of tracks: how varied, how much of the library, whether a few are in all."""

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from recommender.errors import ParameterError


def diversity(vectors: ArrayLike) -> float:
    """Mean cosine distance between two tracks of a list.

    Parameters
    ----------
    vectors : array_like of float, shape (n, d)
        Of the list's tracks; at least two, none of them zero.

    Returns
    -------
    float
        In [0, 2]; 0: all point the same way (Ziegler et al., Improving recommendation lists through
        topic diversification, 2005, as a distance).

    Raises
    ------
    ParameterError
        If there are fewer than two, or one has no direction.
    """
    x = _unit(vectors)
    n = len(x)
    if n < 2:
        raise ParameterError("a list of one track has no diversity: at least two are needed")
    similarity = float(np.square(x.sum(0)).sum() - n) / (n * (n - 1))
    return 1 - similarity


def coverage(lists: ArrayLike, n_items: int) -> float:
    """Share of all items that are in some list.

    Parameters
    ----------
    lists : array_like of int
        Indices of items in lists, one a row.
    n_items : int
        How many there are.

    Returns
    -------
    float
        In (0, 1] (catalogue coverage: Ge, Delgado-Battenfeld and Jannach, Beyond accuracy, 2010).

    Raises
    ------
    ParameterError
        If an index is none of these items'.
    """
    return float((_occurrences(lists, n_items) > 0).mean())


def k_occurrence_skew(lists: ArrayLike, n_items: int) -> float:
    """How unevenly items occur in lists of the same length: whether there are hubs.

    Parameters
    ----------
    lists, n_items
        See `coverage`; of nearest neighbours (`nearest`), or recommended.

    Returns
    -------
    float
        Skewness of the number of lists that an item is in. 0: no more on the one side than on the
        other; well above 1: a few items are near everything (Radovanović, Nanopoulos and Ivanović,
        Hubs in space, 2010). 0 if all are in equally many.

    Raises
    ------
    ParameterError
        If an index is none of these items'.
    """
    counts = _occurrences(lists, n_items)
    return float(scipy.stats.skew(counts)) if np.ptp(counts) > 0 else 0.0


def nearest(vectors: ArrayLike, k: int = 10) -> NDArray[np.intp]:
    """Find the `k` vectors that are nearest to each by cosine, itself left out.

    Parameters
    ----------
    vectors : array_like of float, shape (n, d)
        None of them zero.
    k : int
        Fewer than there are vectors.

    Returns
    -------
    ndarray of int, shape (n, k)
        The nearest first.

    Raises
    ------
    ParameterError
        If there are too few, or one has no direction.
    """
    x = _unit(vectors)
    if not 1 <= k < len(x):
        raise ParameterError(f"{len(x)} vectors have 1 to {len(x) - 1} neighbours, not {k}")
    similarity = x @ x.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argsort(-similarity, axis=1, kind="stable")[:, :k]


def _occurrences(lists: ArrayLike, n_items: int) -> NDArray[np.intp]:
    indices = np.ravel(np.asarray(lists, np.intp))
    if n_items < 1 or np.any(indices < 0) or np.any(indices >= n_items):
        raise ParameterError(f"lists must hold indices of {n_items} items")
    return np.bincount(indices, minlength=n_items)


def _unit(vectors: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(vectors, np.float64)
    if x.ndim != 2 or not np.all(np.isfinite(x)):
        raise ParameterError("one finite vector a row is needed")
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    if np.any(norms == 0):
        raise ParameterError("a vector of zeros has no direction")
    return np.asarray(x / norms)
