"""Spaces in which music of one artist lies close together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def within(
    x: NDArray[np.float64], groups: Sequence[str], *, shrinkage: float
) -> NDArray[np.float64]:
    """Compute a matrix that makes the variation within groups the same in all directions.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Vectors of tracks.
    groups : sequence of str
        Artist of each; those with one track alone tell nothing.
    shrinkage : float
        Share of a multiple of the identity of the same trace that is mixed into the covariance, in
        [0, 1]; the fewer vectors there are, the more is needed.

    Returns
    -------
    ndarray, shape (d, d)
        To multiply row vectors with, from the right: a Cholesky factor of the inverse of the
        within-group covariance (within-class covariance normalisation; Hatch, Kajarekar and
        Stolcke, Within-class covariance normalization for SVM-based speaker recognition, 2006).
    """
    d = x.shape[1]
    names, index, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    means = np.zeros((len(names), d))
    np.add.at(means, index, x)
    several = counts[index] > 1
    deviations = (x - (means / counts[:, None])[index])[several]
    n_free = max(1, len(deviations) - int((counts > 1).sum()))
    covariance = deviations.T @ deviations / n_free
    level = np.trace(covariance) / d or 1.0
    covariance = (1 - shrinkage) * covariance + shrinkage * level * np.eye(d)
    return np.asarray(np.linalg.cholesky(np.linalg.inv(covariance)))


def principal(x: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Compute the directions in which vectors vary most.

    Parameters
    ----------
    x : ndarray, shape (n_vectors, d)
    n : int

    Returns
    -------
    ndarray, shape (d, min(n, d, n_vectors))
        Orthonormal columns, the largest variance first.
    """
    _, _, directions = np.linalg.svd(x - x.mean(0), full_matrices=False)
    return np.asarray(directions[:n].T)
