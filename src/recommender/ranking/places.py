"""Where tracks lie among the features, as wholes: what sounds alike lies near."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.library import Library, decode
from recommender.ranking.scoring import Candidates, Means

Vectors = NDArray[np.float32]

_PRIOR = 100  # fragments with squares of 1 that hold the scale where there is little music
_SAMPLE = 512  # tracks from which the scale is told


class Places:
    """Where candidates lie, by the means of their fragments.

    Parameters
    ----------
    library : Library
    candidates : Candidates
    means : Means
        Of these candidates.

    Attributes
    ----------
    scale : ndarray of float32, shape (n_features,)
        Root mean square of each feature, over the fragments of some hundred candidates. Without it
        the few features that vary most would decide alone what sounds alike.
    """

    def __init__(self, library: Library, candidates: Candidates, means: Means) -> None:
        self._means = means
        # The numbers are the beginnings of hashes: drawn by lot already.
        some = np.argsort(candidates.numbers, kind="stable")[:_SAMPLE]
        squares, n = np.full(1, float(_PRIOR)), _PRIOR
        for block in library.blocks(np.sort(candidates.features_ids[some]), 2048):
            x = decode(block.coded)
            squares = squares + np.einsum("ij,ij->j", x, x, dtype=np.float64)
            n += len(x)
        self.scale: Vectors = np.sqrt(squares / n).astype(np.float32)

    def of(self, numbers: Sequence[int] | NDArray[np.integer]) -> Vectors:
        """Return unit vectors of candidates, ``(n, n_features)``; their products are cosines."""
        return unit(decode(self._means[np.asarray(numbers, np.intp)]), self.scale)


def unit(features: NDArray[np.floating], scale: Vectors) -> Vectors:
    """Return rows of length 1, in units of `scale`; rows of zeros stay."""
    x = np.asarray(features / scale, np.float32)
    x /= np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), np.finfo(np.float32).tiny)
    return x
