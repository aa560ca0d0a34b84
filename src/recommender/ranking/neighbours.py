"""Which tracks sound like a track, as wholes and fragment by fragment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ProfileError
from recommender.library import Library, Track, decode, track_of
from recommender.profile import Features
from recommender.ranking.listening import spans
from recommender.ranking.places import Vectors
from recommender.ranking.scoring import CHANGED, Candidates, Ids, Means

MANY = 5_000
"""Of more candidates only those are compared in full whose means are near."""

_N_NEIGHBOURS = 3  # of a fragment
_BLOCK = 4096  # fragments that are compared at a time
_POOL, _N_POOL = 0.01, 500  # share, and least number, of those whose means are near
_SMALLEST_NORM = 1e-9


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A fragment of another track that sounds like one of the track in question.

    Attributes
    ----------
    track : Track
    start_s, end_s : float
        Where the fragment lies in the other track's file, in seconds.
    cosine : float
        Of the angle between the features of both, in [-1, 1]; 1 is the same.
    score : float
        Of the other track as a whole.
    """

    track: Track
    start_s: float
    end_s: float
    cosine: float
    score: float


@dataclass(frozen=True, kw_only=True)
class Alike:
    """Another track, as a whole.

    Attributes
    ----------
    track : Track
    cosine : float
        Of the angle between the mean features of both, in [-1, 1].
    score : float
    """

    track: Track
    cosine: float
    score: float


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Candidates beside fragments of a track, the targets.

    Attributes
    ----------
    library : Library
    fingerprint : str
    ids : ndarray of int64, shape (n,)
        Of the recordings.
    scores, cosines : ndarray, shape (n,)
        Of them as wholes.
    nearest, places : ndarray, shape (n, n_targets)
        Cosine of each one's fragment that is nearest to a target, and its number.
    """

    library: Library
    fingerprint: str
    ids: Ids
    scores: NDArray[np.float64]
    cosines: NDArray[np.float64]
    nearest: NDArray[np.float64]
    places: NDArray[np.intp]

    def neighbours(self, target: int, fragment_s: float) -> tuple[Neighbour, ...]:
        """Tell the tracks with the fragments that are nearest to a target; `fragment_s` long."""
        order = np.argsort(-self.nearest[:, target], kind="stable")[:_N_NEIGHBOURS]
        found = []
        for i, track in zip(order.tolist(), self._tracks(order), strict=True):
            start_s, end_s = spans(track, fragment_s)[self.places[i, target]]
            found.append(
                Neighbour(
                    track=track,
                    start_s=start_s,
                    end_s=end_s,
                    cosine=float(self.nearest[i, target]),
                    score=float(self.scores[i]),
                )
            )
        return tuple(found)

    def alike(self, n_most: int) -> tuple[Alike, ...]:
        """Tell the tracks that are nearest as wholes, the nearest first."""
        order = np.argsort(-self.cosines, kind="stable")[:n_most]
        return tuple(
            Alike(track=track, cosine=float(self.cosines[i]), score=float(self.scores[i]))
            for i, track in zip(order.tolist(), self._tracks(order), strict=True)
        )

    def _tracks(self, order: NDArray[np.intp]) -> list[Track]:
        ids = self.ids[order].tolist()
        # A recording counts as its first file.
        rows = reversed(list(self.library.rows(self.fingerprint, ids=ids)))
        found = {row.id: track_of(row) for row in rows}
        if len(found) < len(ids):
            raise ProfileError(CHANGED)
        return [found[i] for i in ids]


def compare(
    library: Library,
    fingerprint: str,
    candidates: Candidates,
    scores: NDArray[np.float64],
    features: Features,
    chosen: Sequence[int],
) -> Compared:
    """Compare a track with others.

    What is near is told by the cosine of features as they are, which for the default preprocessor
    are whitened; the thesis's lie close together, so that only the order says much. Of very many
    candidates only those are compared fragment by fragment whose means are near to the track's mean
    or to a target. How often that misses one was measured: docs/scaling.md.

    Parameters
    ----------
    library : Library
    fingerprint : str
    candidates : Candidates
    scores : ndarray, shape (n_candidates,)
        Theirs.
    features : ndarray, shape (n_fragments, n_features)
        Of the track that they are compared with.
    chosen : sequence of int
        The fragments of it that are targets.

    Raises
    ------
    ProfileError
        If the library changed meanwhile.
    """
    mean = _unit(features.mean(0, dtype=np.float32))
    targets = _unit(features[chosen].astype(np.float32))
    pool = np.arange(len(candidates))
    if len(candidates) > MANY:
        pool = _pool(Means(library, candidates), np.vstack([targets, mean]))
    ids = candidates.features_ids[pool]
    n, k = len(pool), len(chosen)
    cosines, nearest, places = np.empty(n), np.empty((n, k)), np.empty((n, k), np.intp)
    order = np.argsort(ids)
    n_done = 0
    for block in library.blocks(ids[order], _BLOCK):
        here = order[n_done : n_done + len(block.lengths)]
        n_done += len(here)
        x = decode(block.coded)
        starts = np.cumsum(block.lengths) - block.lengths
        cosines[here] = _unit(np.add.reduceat(x, starts)) @ mean
        beside = _unit(x) @ targets.T
        best = np.maximum.reduceat(beside, starts)
        nearest[here] = best
        # Of a track's fragments that are equally near the first.
        first = np.where(beside == np.repeat(best, block.lengths, axis=0), 0, len(x))
        first += (np.arange(len(x)) - np.repeat(starts, block.lengths))[:, None]
        places[here] = np.minimum.reduceat(first, starts)
    if n_done < n:
        raise ProfileError(CHANGED)
    return Compared(
        library=library,
        fingerprint=fingerprint,
        ids=candidates.ids[pool],
        scores=scores[pool],
        cosines=cosines,
        nearest=nearest,
        places=places,
    )


def _pool(means: Means, wanted: Vectors) -> NDArray[np.intp]:
    """Number those candidates whose means are near to one of some unit vectors."""
    cosines = np.empty((len(means), len(wanted)), np.float32)
    for start in range(0, len(means), _BLOCK):
        some = slice(start, start + _BLOCK)
        cosines[some] = _unit(decode(means[some])) @ wanted.T
    n_each = max(_N_POOL, int(_POOL * len(means)))
    return np.unique(np.argpartition(-cosines, n_each, axis=0)[:n_each])


def _unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.maximum(norms, _SMALLEST_NORM), np.float32)
