"""What a profile is, and how it scores."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recommender.parameters import Learner, NearnessParams
from recommender.profile import nearness, network
from recommender.profile.network import ProfileEpoch
from recommender.profile.tracks import Features, TrackRef, key_of, number_of, part_of

Negatives = Literal["library", "library and shipped pool", "shipped pool"]
"""Where the other music of a training came from."""

_SCORING = 1  # grows with every change of what is computed from the same tensors
_NEARLY_NONE = 1e-12  # odds have logarithms


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A trained profile.

    Attributes
    ----------
    name, recipe : str
    fingerprint : str
        Of the features that it was trained on; it scores no others.
    learner : NearnessParams or DenseParams
        How it was trained, and scores.
    tensors : dict of str to ndarray
        What it learned, see `nearness.learn` and `network.learn`.
    liked, disliked : tuple of TrackRef
    negatives : str
        Where the other music came from.
    n_negative_tracks : int
    liked_score, other_score : float
        Mean score of the liked tracks, and of the library's others (0 without any).
    history : tuple of ProfileEpoch
        Of networks; others learn at once.
    created : str
        Date and time in UTC, ISO 8601.
    """

    name: str
    recipe: str
    fingerprint: str
    learner: Learner
    tensors: dict[str, NDArray[np.float32]]
    liked: tuple[TrackRef, ...]
    disliked: tuple[TrackRef, ...] = ()
    negatives: Negatives = "library"
    n_negative_tracks: int = 0
    liked_score: float = 0.0
    other_score: float = 0.0
    history: tuple[ProfileEpoch, ...] = ()
    created: str = ""

    @property
    def n_features(self) -> int:
        """How many features of a fragment it takes."""
        return len(self.tensors["feature_mean"])

    @functools.cached_property
    def digest(self) -> bytes:
        """Names all that scores depend on but the features: 32 bytes."""
        what = hashlib.sha256(f"{_SCORING} {self.fingerprint} {self.learner}".encode())
        for name in sorted(self.tensors):
            tensor = np.ascontiguousarray(self.tensors[name])
            what.update(f"{name} {tensor.dtype.str} {tensor.shape}".encode())
            what.update(tensor.tobytes())
        return what.digest()

    def scores(self, features: Features, content_hash: str) -> NDArray[np.floating]:
        """Score the fragments of a track.

        Parameters
        ----------
        features : ndarray, shape (n, n_features)
        content_hash : str
            Of the track: it is compared with no fragment of its own, or scored by the network that
            did not learn from its part of the other music.

        Returns
        -------
        ndarray, shape (n,)
            Probabilities in [0, 1].
        """
        return self._scores(features, np.full(len(features), number_of(content_hash), np.int64))

    def _scores(self, x: Features, numbers: NDArray[np.int64]) -> NDArray[np.floating]:
        """Scores of fragments; of each the number of its track is given."""
        learner = self.learner
        if isinstance(learner, NearnessParams):
            return nearness.scores(self.tensors, learner, x, key_of(numbers))
        parts = part_of(numbers, learner.n_parts)
        scores = np.empty(len(x), np.float32)
        for part in np.unique(parts):
            mine = parts == part
            scores[mine] = network.scores(self.tensors, learner.network, x[mine], int(part))
        return scores

    def pooled(self, scores: NDArray[np.floating], lengths: ArrayLike) -> NDArray[np.float64]:
        """Score tracks: the mean over their fragments, by nearness that of the log-odds.

        Parameters
        ----------
        scores : ndarray, shape (n,)
            Of the fragments of tracks, one track after the other.
        lengths : array_like of int, shape (n_tracks,)
            How many fragments each has, at least one.

        Returns
        -------
        ndarray, shape (n_tracks,)
            Probabilities in [0, 1].
        """
        n = np.asarray(lengths)
        p = scores.astype(np.float64)
        if not isinstance(self.learner, NearnessParams):
            return np.asarray(np.add.reduceat(p, np.cumsum(n) - n) / n)
        p = np.clip(p, _NEARLY_NONE, 1 - _NEARLY_NONE)
        log_odds = np.add.reduceat(np.log(p / (1 - p)), np.cumsum(n) - n) / n
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)))

    def track_scores(self, tracks: Sequence[tuple[str, Features]]) -> NDArray[np.float64]:
        """Score tracks, given by their content hashes and features; see `pooled`."""
        if not tracks:
            return np.empty(0)
        return self.joint_scores(
            np.concatenate([features for _, features in tracks]),
            np.array([len(features) for _, features in tracks]),
            np.array([number_of(name) for name, _ in tracks], np.int64),
        )

    def joint_scores(
        self, features: Features, lengths: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Score tracks, see `pooled`.

        Parameters
        ----------
        features : ndarray, shape (n, n_features)
            One track after the other.
        lengths : ndarray of int64, shape (n_tracks,)
            How many fragments each has, at least one.
        numbers : ndarray of int64, shape (n_tracks,)
            See `number_of`.
        """
        return self.pooled(self._scores(features, np.repeat(numbers, lengths)), lengths)

    def track_score(self, features: Features, content_hash: str) -> float:
        """Score a track, see `pooled`."""
        return float(self.track_scores([(content_hash, features)])[0])


def mean_score(
    profile: Profile, tracks: Sequence[tuple[TrackRef, Features]], n_most: int = 500
) -> float:
    """Mean score of tracks, of at most so many of them; 0 without any."""
    some = tracks[:: -(-len(tracks) // n_most)] if tracks else []
    scores = profile.track_scores([(ref.content_hash, features) for ref, features in some])
    return float(scores.mean()) if len(scores) else 0.0
