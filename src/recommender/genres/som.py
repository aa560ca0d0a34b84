"""Self-organising map: units on a grid, neighbours alike, each with the genres that it attracts.

The written system "MFCC + convolution + LSTM" compares its network with a batch SOM. Training is
MiniSom's; the trained map is four arrays, and using it needs nothing but NumPy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ParameterError
from recommender.extras import need

_SPREAD = 1.0
"""Deviation, in units of the grid, by which a unit borrows labels from its neighbours."""

_PRIOR = 0.5
"""How many tracks the whole training set's mix of genres counts for in each unit."""


@dataclass(frozen=True, kw_only=True)
class GenreMap:
    """A trained map.

    Attributes
    ----------
    weights : ndarray of float32, shape (n_rows, n_columns, n_features)
        What each unit stands for, in standardised features.
    counts : ndarray of float32, shape (n_rows, n_columns, n_genres)
        How many training tracks of each genre each unit attracted.
    mean, std : ndarray of float32, shape (n_features,)
        Of the training set.
    """

    weights: NDArray[np.float32]
    counts: NDArray[np.float32]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """The arrays by name, as `from_tensors` takes them."""
        return {"weights": self.weights, "counts": self.counts, "mean": self.mean, "std": self.std}


def vectors(pieces: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Mean and deviation over time of each band: ``(n, n_frames, n_bands)`` to ``(n, 2 n_bands)``.

    A map of whole sequences would compare them frame by frame, as if music kept in step.
    """
    pieces = np.asarray(pieces, np.float64)
    return np.concatenate([pieces.mean(1), pieces.std(1)], axis=1)


def fit(
    x: NDArray[np.floating[Any]],
    y: NDArray[np.int64],
    n_genres: int,
    *,
    n_rows: int = 10,
    n_columns: int = 10,
    epochs: int = 50,
    seed: int = 0,
) -> GenreMap:
    """Train a map without labels, then count which genres each unit attracts.

    Parameters
    ----------
    x : ndarray, shape (n, n_features)
    y : ndarray of int64, shape (n,)
        Indices of genres.
    n_genres : int
    n_rows, n_columns : int
        Size of the grid, at least 2 x 2.
    epochs : int
        Passes over all of `x`, each of which replaces all units at once (Kohonen, Essentials of
        the self-organizing map, 2013). The neighbourhood shrinks from half of the grid to one unit.
    seed : int
        The units start on the plane of the two principal components; nothing else is by chance.

    Raises
    ------
    ParameterError
        If the grid is too small, or if there are fewer than two features or vectors.
    """
    if min(n_rows, n_columns) < 2 or x.ndim != 2 or min(x.shape) < 2:
        raise ParameterError(
            "a map needs a grid of at least 2 x 2, and two vectors of two features:"
            f" {n_rows} x {n_columns}, {x.shape}"
        )
    minisom = need("minisom", "lab")
    mean, std = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    std = np.where(std > 0, std, 1.0)
    standardised = (x - mean) / std
    som = minisom.MiniSom(
        n_rows,
        n_columns,
        x.shape[1],
        sigma=max(n_rows, n_columns) / 2,
        learning_rate=1.0,  # each unit becomes the mean of what it and its neighbours attract
        decay_function=_constant,
        sigma_decay_function="linear_decay_to_one",
        random_seed=seed,
    )
    som.pca_weights_init(standardised)
    som.train_batch_offline(standardised, epochs)
    trained = GenreMap(
        weights=np.asarray(som.get_weights(), np.float32),
        counts=np.zeros((n_rows, n_columns, n_genres), np.float32),
        mean=mean.astype(np.float32),
        std=std.astype(np.float32),
    )
    np.add.at(trained.counts, (*winners(trained, x), y), 1.0)
    return trained


def _constant(rate: float, _iteration: int, _n_iterations: int) -> float:
    return rate


def winners(
    trained: GenreMap, x: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of the unit nearest to each vector, ``(n, n_features)`` to two ``(n,)``."""
    units = trained.weights.reshape(-1, trained.weights.shape[2]).astype(np.float64)
    standardised = (x - trained.mean) / trained.std
    # |a - b|^2 without |a|^2, which is the same for all units.
    distances = (units**2).sum(1) - 2 * standardised @ units.T
    rows, columns = np.unravel_index(distances.argmin(1), trained.weights.shape[:2])
    return rows, columns


def hits(trained: GenreMap, x: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """How many vectors each unit attracts: ``(n_rows, n_columns)``."""
    out = np.zeros(trained.weights.shape[:2], np.int64)
    np.add.at(out, winners(trained, x), 1)
    return out


def unit_shares(trained: GenreMap) -> NDArray[np.float64]:
    """Shares of genres of each unit, ``(n_rows, n_columns, n_genres)``.

    From its counts, its neighbours' by their distance on the grid, and a little of the whole
    training set's mix: a unit that attracted nothing has an answer too.
    """
    counts = trained.counts.astype(np.float64)
    across, down = (_closeness(n) for n in counts.shape[:2])
    near = np.einsum("ri,cj,ijg->rcg", across, down, counts)
    near += _PRIOR * counts.sum((0, 1)) / counts.sum()
    return np.asarray(near / near.sum(2, keepdims=True))


def _closeness(n: int) -> NDArray[np.float64]:
    apart = np.arange(n)[:, None] - np.arange(n)
    return np.exp(-0.5 * (apart / _SPREAD) ** 2)


def shares(trained: GenreMap, x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Shares of genres of vectors, ``(n, n_features)`` to ``(n, n_genres)``: their units'."""
    return unit_shares(trained)[winners(trained, x)]


def from_tensors(tensors: Mapping[str, NDArray[Any]]) -> GenreMap:
    """Rebuild a map from the arrays that a file holds.

    Raises
    ------
    ParameterError
        If arrays are missing or do not fit together.
    """
    try:
        found = GenreMap(**{name: np.asarray(t, np.float32) for name, t in tensors.items()})
        n_rows, n_columns, n_features = found.weights.shape
        n_genres = found.counts.shape[-1]
    except (TypeError, ValueError, IndexError) as error:
        raise ParameterError(f"not the arrays of a self-organising map ({error})") from None
    shapes = ((n_rows, n_columns, n_genres), (n_features,), (n_features,))
    if (found.counts.shape, found.mean.shape, found.std.shape) != shapes:
        raise ParameterError("the arrays of the self-organising map do not fit together")
    if not (np.isfinite(np.concatenate([t.ravel() for t in found.tensors.values()])).all()):
        raise ParameterError("the self-organising map holds values that are not finite")
    if found.counts.sum() <= 0 or (found.std <= 0).any():
        raise ParameterError("the self-organising map has attracted nothing")
    return found
