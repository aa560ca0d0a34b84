"""What a profile is, and how it scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recommender.parameters import Learner, NearnessParams
from recommender.profile import nearness, network
from recommender.profile.network import ProfileEpoch
from recommender.profile.tracks import Features, TrackRef, key_of, part_of

Negatives = Literal["library", "library and shipped pool", "shipped pool"]
"""Where the other music of a training came from."""

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
        return self._scores([(content_hash, features)])

    def _scores(self, tracks: Sequence[tuple[str, Features]]) -> NDArray[np.floating]:
        """Scores of the fragments of all tracks, one after the other."""
        x = np.concatenate([features for _, features in tracks])
        lengths = [len(features) for _, features in tracks]
        learner = self.learner
        if isinstance(learner, NearnessParams):
            keys = np.repeat(np.array([key_of(name) for name, _ in tracks]), lengths)
            return nearness.scores(self.tensors, learner, x, keys)
        parts = np.repeat([part_of(name, learner.n_parts) for name, _ in tracks], lengths)
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
        return self.pooled(self._scores(tracks), [len(features) for _, features in tracks])

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
