"""Which tracks sound like a track, as wholes and fragment by fragment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.library import Library, Track, decode
from recommender.profile import Features, Profile
from recommender.profile.tracks import number_of
from recommender.ranking.listening import spans

_N_NEIGHBOURS = 3  # of a fragment
_BLOCK = 4096  # fragments that are compared at a time
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
    """Tracks beside fragments of another one, the targets.

    Attributes
    ----------
    scores, cosines : ndarray, shape (n_tracks,)
        Of the tracks as wholes.
    nearest, places : ndarray, shape (n_tracks, n_targets)
        Cosine of each track's fragment that is nearest to a target, and its number.
    """

    tracks: Sequence[Track]
    scores: NDArray[np.float64]
    cosines: NDArray[np.float64]
    nearest: NDArray[np.float64]
    places: NDArray[np.intp]

    def neighbours(self, target: int, fragment_s: float) -> tuple[Neighbour, ...]:
        """Tell the tracks with the fragments that are nearest to a target; `fragment_s` long."""
        order = np.argsort(-self.nearest[:, target], kind="stable")[:_N_NEIGHBOURS]
        found = []
        for i in order.tolist():
            start_s, end_s = spans(self.tracks[i], fragment_s)[self.places[i, target]]
            found.append(
                Neighbour(
                    track=self.tracks[i],
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
            Alike(
                track=self.tracks[i],
                cosine=float(self.cosines[i]),
                score=float(self.scores[i]),
            )
            for i in order.tolist()
        )


def compare(
    profile: Profile,
    library: Library,
    tracks: Sequence[Track],
    features: Features,
    chosen: Sequence[int],
    step: Callable[[int], None],
) -> Compared:
    """Compare a track with many, one after the other.

    What is near is told by the cosine of features as they are, which for the default preprocessor
    are whitened; the thesis's lie close together, so that only the order says much.

    Parameters
    ----------
    profile : Profile
        Scores the tracks.
    library : Library
    tracks : sequence of Track
        Of this library.
    features : ndarray, shape (n_fragments, n_features)
        Of the track that they are compared with.
    chosen : sequence of int
        The fragments of it that are targets.
    step : callable
        Called with how many tracks are done.
    """
    mean = _unit(features.mean(0, dtype=np.float32))
    targets = _unit(features[chosen].astype(np.float32))
    n, k = len(tracks), len(chosen)
    scores, cosines = np.empty(n), np.empty(n)
    nearest, places = np.empty((n, k)), np.empty((n, k), np.intp)
    ids = np.array([track.features_id for track in tracks], np.int64)
    numbers = np.array([number_of(track.content_hash) for track in tracks], np.int64)
    order = np.argsort(ids)
    n_done = 0
    for block in library.blocks(ids[order], _BLOCK):
        here = order[n_done : n_done + len(block.lengths)]
        n_done += len(here)
        x = decode(block.coded)
        starts = np.cumsum(block.lengths) - block.lengths
        scores[here] = profile.joint_scores(x, block.lengths, numbers[here])
        cosines[here] = _unit(np.add.reduceat(x, starts)) @ mean
        beside = _unit(x) @ targets.T
        best = np.maximum.reduceat(beside, starts)
        nearest[here] = best
        # Of a track's fragments that are equally near the first.
        first = np.where(beside == np.repeat(best, block.lengths, axis=0), 0, len(x))
        first += (np.arange(len(x)) - np.repeat(starts, block.lengths))[:, None]
        places[here] = np.minimum.reduceat(first, starts)
        step(n_done)
    return Compared(tracks=tracks, scores=scores, cosines=cosines, nearest=nearest, places=places)


def _unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.maximum(norms, _SMALLEST_NORM), np.float32)
