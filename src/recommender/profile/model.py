"""What a profile is, and how it scores."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender.parameters import NetworkParams, TrainingParams

Features = NDArray[np.float16]
"""Features of a track's fragments, ``(n_fragments, n_features)``."""


Negatives = Literal["library", "library and shipped pool", "shipped pool"]
"""Where the other music of a training came from."""


@dataclass(frozen=True, kw_only=True)
class TrackRef:
    """A track that a profile was trained on, and where it lies in its file if that holds more."""

    content_hash: str
    path: str
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class ProfileEpoch:
    """Progress of a profile's training.

    Attributes
    ----------
    number, n_epochs : int
        This epoch, counted from 1, and how many there will be, over all networks.
    loss : float
    liked_score, other_score : float
        Mean score of this epoch's liked fragments and of its negatives.
    """

    number: int
    n_epochs: int
    loss: float
    liked_score: float
    other_score: float


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A trained profile.

    Attributes
    ----------
    name, recipe : str
    fingerprint : str
        Of the features that it was trained on; it scores no others.
    network : NetworkParams
    training : TrainingParams
    n_networks : int
        See `Recipe`.
    tensors : dict of str to ndarray
        ``feature_mean``, ``feature_std``, and the weights, each name with the network's number
        before it.
    liked, disliked : tuple of TrackRef
    negatives : str
        Where the other music came from.
    n_negative_tracks : int
    liked_score, other_score : float
        Mean score of the liked tracks, and of the library's others (0 without any).
    history : tuple of ProfileEpoch
    created : str
        Date and time in UTC, ISO 8601.
    """

    name: str
    recipe: str
    fingerprint: str
    network: NetworkParams
    training: TrainingParams
    n_networks: int
    tensors: dict[str, NDArray[np.float32]]
    liked: tuple[TrackRef, ...]
    disliked: tuple[TrackRef, ...] = ()
    negatives: Negatives = "library"
    n_negative_tracks: int = 0
    liked_score: float = 0.0
    other_score: float = 0.0
    history: tuple[ProfileEpoch, ...] = ()
    created: str = ""

    def scores(self, features: Features, part: int) -> NDArray[np.float32]:
        """Score fragments with the network that has not learned from a part of the other music.

        Parameters
        ----------
        features : ndarray, shape (n, n_features)
        part : int
            Part of the tracks that the fragments are of, see `part_of`.

        Returns
        -------
        ndarray of float32, shape (n,)
            Probabilities in [0, 1].
        """
        t = self.tensors
        x = ((features - t["feature_mean"]) / t["feature_std"]).astype(np.float32)
        for i in range(len(self.network.hidden)):
            x = x @ t[f"{part}.hidden.{i}.weight"].T + t[f"{part}.hidden.{i}.bias"]
            x = _sigmoid(x) if self.network.activation == "sigmoid" else np.maximum(x, 0.0)
        logits = x @ t[f"{part}.output.weight"].T + t[f"{part}.output.bias"]
        return _sigmoid(logits[:, 0])

    def track_score(self, features: Features, content_hash: str) -> float:
        """Score of a track: the mean over its fragments."""
        part = part_of(content_hash, self.n_networks)
        return float(self.scores(features, part).mean(dtype=np.float64))


def part_of(content_hash: str, n_parts: int) -> int:
    """Part that a recording belongs to, whatever else there is."""
    return int(content_hash[:8], 16) % n_parts


def _sigmoid(x: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), np.float32)
