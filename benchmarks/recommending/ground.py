"""Features of all clips in one rotation, as networks hear them that never met the users' music."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from frozen import material
from recommender import preprocessor
from recommender.evaluation import Clip, Rotation, rotation
from recommender.preprocessor import layers
from recommender.profile import Features, TrackRef

Floats = NDArray[np.float64]
Named = tuple[TrackRef, Features]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """One rotation.

    Attributes
    ----------
    clips : sequence of Clip
    rotation : Rotation
    tracks : list of TrackRef
    features : dict of str to ndarray of float16, shape (n_clips, n_fragments, n_features)
        By preprocessor.
    vectors : dict of str to ndarray, shape (n_clips, d)
        By what they are of; a row a clip.
    """

    clips: Sequence[Clip]
    rotation: Rotation
    tracks: list[TrackRef]
    features: dict[str, NDArray[np.float16]]
    vectors: dict[str, Floats]

    def named(self, indices: Sequence[int] | NDArray[np.intp], of: str) -> list[Named]:
        """Clips with the features of a preprocessor."""
        return [(self.tracks[i], self.features[of][i]) for i in indices]

    def directions(self, of: str, *, standardise: bool) -> Floats:
        """Vectors relative to the negatives' mean (and deviation), brought to length 1."""
        x = self.vectors[of]
        negatives = x[self.rotation.negatives]
        x = x - negatives.mean(0)
        if standardise:
            x = x / (negatives.std(0) + 1e-9)
        return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))


def ground(clips: Sequence[Clip], work: Path, fold: int) -> Ground:
    """Read what was heard, and let the rotation's networks hear it."""
    heard = material.read(work / "heard")
    features = {name: _features(work, name, fold, heard) for name in ("default", "thesis")}
    turn = rotation(clips, fold)
    means = features["default"].mean(1, dtype=np.float64)
    vectors = {"mfcc": heard.mfcc.astype(np.float64), "default": means}
    if (work / "bliss.npy").exists():
        vectors["bliss"] = np.load(work / "bliss.npy").astype(np.float64)
    vectors["genres"] = _genres(clips, turn, means)
    return Ground(
        clips=clips,
        rotation=turn,
        tracks=[
            TrackRef(
                content_hash=f"{i * 2_654_435_761 % 2**32:08x}" + "0" * 56, path=str(clip.path)
            )
            for i, clip in enumerate(clips)
        ],
        features=features,
        vectors=vectors,
    )


def _features(work: Path, name: str, fold: int, heard: material.Heard) -> NDArray[np.float16]:
    """Features of all fragments, kept once they are computed."""
    network = preprocessor.load(work / f"{name}-fold{fold}.safetensors")
    place = work / "fragments" / f"{network.fingerprint}.npy"
    if place.exists():
        return np.asarray(np.load(place))
    n_clips, n_fragments = heard.statistics.shape[:2]
    found = np.empty((n_clips, n_fragments, network.n_features), np.float16)
    for i in range(n_clips):
        if network.fusion is None:
            found[i] = network(heard.linear[i])  # type: ignore[index]  # clips as they are have it
        else:
            maps = layers.convolve(network.tensors, heard.fragments[i].astype(np.float32))
            found[i] = layers.fuse(network.tensors, maps, heard.statistics[i])
    place.parent.mkdir(exist_ok=True)
    np.save(place, found)
    return found


def _genres(clips: Sequence[Clip], turn: Rotation, x: Floats) -> Floats:
    """Probabilities of genres, from features of clips that the network was trained on."""
    y = np.array([clip.genre for clip in clips])
    known = turn.training[y[turn.training] != ""]
    model = LogisticRegression(C=1e-3, max_iter=500).fit(x[known], y[known])
    return np.asarray(model.predict_proba(x))
