"""Scores of tracks, and where they lie among the features, in one pass over the library."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ParameterError, ProfileError
from recommender.library import Library, Track
from recommender.profile import Features, Profile

Vectors = NDArray[np.float32]
Blend = Sequence[tuple[Profile, float]]
"""Profiles with their weights."""

_BATCH = 2048  # fragments that are scored at a time
_PRIOR = 100  # fragments with squares of 1 that hold the scale where there is little music


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What is known of tracks, in the order in which they were given.

    Attributes
    ----------
    scores : ndarray, shape (n_tracks,)
    places : ndarray of float32, shape (n_tracks, n_features)
        Unit vectors: means of the fragments in units of `scale`. Their products are cosines. If
        they were not asked for, there are no features in it.
    scale : ndarray of float32, shape (n_features,)
        Root mean square of each feature over all fragments. Without it the few features that vary
        most would decide alone what sounds alike.
    """

    scores: NDArray[np.float64]
    places: Vectors
    scale: Vectors


def check_blend(blend: Blend) -> None:
    """Refuse profiles that cannot be blended.

    Raises
    ------
    ParameterError
        If a weight is no positive number.
    ProfileError
        If they were trained on different features.
    """
    first = blend[0][0]
    for profile, weight in blend:
        if not 0 < weight < float("inf"):
            raise ParameterError(f"--blend {profile.name}: its weight must be above 0: {weight}")
        if profile.fingerprint != first.fingerprint:
            raise ProfileError(
                f"profiles {first.name!r} and {profile.name!r} cannot be blended: they were"
                f" trained on different features ({first.fingerprint}, {profile.fingerprint});"
                " build one of them again with the recipe or preprocessor of the other"
            )


def hear(
    blend: Blend,
    library: Library,
    tracks: Sequence[Track],
    *,
    places: bool,
    on_track: Callable[[int, int], None] | None = None,
) -> Heard:
    """Score tracks.

    The score is the weighted mean of the profiles' scores, a linear opinion pool (Stone, "The
    opinion pool", 1961): the probability that a track is liked by the one whose turn it is, if
    turns are as frequent as the weights say.

    Parameters
    ----------
    blend : sequence of (Profile, float)
        Of one fingerprint.
    library : Library
    tracks : sequence of Track
    places : bool
        Whether to remember where they lie.
    on_track : callable, optional
        Called with (done, total).
    """
    profiles = [profile for profile, _ in blend]
    fingerprint = profiles[0].fingerprint
    shares = np.array([weight for _, weight in blend])
    shares /= shares.sum()
    scores = np.empty(len(tracks))
    means = np.empty((len(tracks), 0), np.float32)
    squares, n_fragments, n_done = np.zeros(1), 0, 0
    features = library.features([track.id for track in tracks], fingerprint)
    for batch in _batches(values for _, values in features):
        here = slice(n_done, n_done + len(batch))
        named = [(t.content_hash, x) for t, x in zip(tracks[here], batch, strict=True)]
        scores[here] = shares @ [profile.track_scores(named) for profile in profiles]
        if places:
            lengths = np.array([len(values) for values in batch])
            wide = np.concatenate(batch).astype(np.float32)
            squares = squares + np.einsum("ij,ij->j", wide, wide, dtype=np.float64)
            if not n_fragments:
                means = np.empty((len(tracks), wide.shape[1]), np.float32)
            means[here] = np.add.reduceat(wide, np.cumsum(lengths) - lengths) / lengths[:, None]
            n_fragments += len(wide)
        n_done += len(batch)
        if on_track is not None:
            on_track(n_done, len(tracks))
    scale = np.sqrt((squares + _PRIOR) / (n_fragments + _PRIOR)).astype(np.float32)
    return Heard(scores=scores, places=unit(means, scale) if places else means, scale=scale)


def unit(features: NDArray[np.floating], scale: Vectors) -> Vectors:
    """Return rows of length 1, in units of `scale`; rows of zeros stay."""
    x = np.asarray(features / scale, np.float32)
    x /= np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), np.finfo(np.float32).tiny)
    return x


def _batches(features: Iterable[Features]) -> Iterator[list[Features]]:
    batch: list[Features] = []
    n_fragments = 0
    for values in features:
        batch.append(values)
        n_fragments += len(values)
        if n_fragments >= _BATCH:
            yield batch
            batch, n_fragments = [], 0
    if batch:
        yield batch
