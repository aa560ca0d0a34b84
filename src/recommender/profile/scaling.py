"""How features are scaled before profiles compare them or learn from them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.parameters import Scaling
from recommender.profile.tracks import Features

Floats = NDArray[np.float32]

BATCH = 128
"""Fragments that are scored at a time.

Always so many: products of one shape give each row the same result, whatever the others are, so
that a fragment's score depends on it alone.
"""


def moments(tracks: Sequence[Features], scaling: Scaling) -> tuple[Floats, Floats]:
    """Mean and deviation that `scaled` takes, over tracks, each track counting the same."""
    n_features = tracks[0].shape[1]
    mean, std = np.zeros(n_features), np.ones(n_features)
    if scaling != "none":
        mean = np.mean([features.mean(0, dtype=np.float64) for features in tracks], axis=0)
    if scaling == "standardise":
        squares = np.mean([np.square(f, dtype=np.float64).mean(0) for f in tracks], axis=0)
        std = np.sqrt(np.maximum(squares - mean**2, 0.0))
        # Features that hardly ever differ would otherwise shout when they do.
        std = np.maximum(std, 0.1 * std.mean() + 1e-6)
    return mean.astype(np.float32), std.astype(np.float32)


def scaled(features: Features, mean: Floats, std: Floats, scaling: Scaling) -> Floats:
    """Scale features of fragments.

    Returns
    -------
    ndarray of float32, shape (n, n_features)
        With another scaling than "none" the mean square of each row is 1, or 0 for a row of zeros.
    """
    x = (features.astype(np.float32) - mean) / std
    if scaling == "none":
        return x
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x * (np.sqrt(x.shape[1]) / np.maximum(norms, 1e-9)), np.float32)


def filled(x: Floats) -> Floats:
    """Append rows of zeros up to a batch."""
    return np.concatenate([x, np.zeros((BATCH - len(x), x.shape[1]), np.float32)])
