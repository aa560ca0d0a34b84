"""The dense network of one person: trained on fragments, and how it scores them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recommender.parameters import DenseParams, NetworkParams, Scaling, TrainingParams
from recommender.profile.scaling import BATCH, filled, moments, scaled
from recommender.profile.tracks import Features, Named, TrackRef, number_of, part_of

if TYPE_CHECKING:  # torch takes a second to import, and scoring does without it
    import torch

Floats = NDArray[np.float32]


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


def learn(
    liked: Sequence[Named],
    others: Sequence[Named],
    disliked: Sequence[Named],
    pool: Sequence[Features],
    params: DenseParams,
    on_epoch: Callable[[ProfileEpoch], None],
) -> dict[str, Floats]:
    """Train the networks of one person.

    Every epoch draws its negatives afresh: as many fragments as there are positives, each from a
    track chosen at random among the others; but up to half of them from disliked tracks, if there
    are any.

    Parameters
    ----------
    liked, others, disliked : sequence of (TrackRef, ndarray)
    pool : sequence of ndarray
        Other music that is no file's.
    params : DenseParams
    on_epoch : callable

    Returns
    -------
    dict of str to ndarray of float32
        ``feature_mean``, ``feature_std``, and the weights, each name with the network's number
        before it.
    """
    everything_else = [*(features for _, features in others), *pool]
    mean, std = moments(everything_else, params.scaling)
    tensors = {"feature_mean": mean, "feature_std": std}
    for part in range(params.n_parts):
        known = [other for other in others if _hears(part, other[0], params.n_parts)]
        trusted = _without_doubted(liked, known, params.doubted_share)
        heard = [features for _, features in trusted] + list(pool)
        draw = _Draw(
            liked=[features for _, features in liked],
            others=heard or everything_else,
            disliked=[features for _, features in disliked],
            per_track=params.fragments_per_track,
            negative_target=params.training.negative_target,
            mean=mean,
            std=std,
            scaling=params.scaling,
            rng=np.random.default_rng([params.seed, part]),
        )
        weights = _train_one(draw, len(mean), params, part, on_epoch)
        tensors |= {f"{part}.{key}": weight for key, weight in weights.items()}
    return tensors


def scores(
    tensors: Mapping[str, Floats], params: NetworkParams, features: Features, part: int
) -> Floats:
    """Score fragments with the network that has not learned from a part of the other music.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        From `learn`.
    params : NetworkParams
    features : ndarray, shape (n, n_features)
    part : int
        Part of the tracks that the fragments are of, see `part_of`.

    Returns
    -------
    ndarray of float32, shape (n,)
        Probabilities in [0, 1].
    """
    found = np.empty(len(features), np.float32)
    for start in range(0, len(features), BATCH):
        rows = slice(start, start + BATCH)
        x = scaled(features[rows], tensors["feature_mean"], tensors["feature_std"], params.scaling)
        n, x = len(x), filled(x)
        for i in range(len(params.hidden)):
            x = x @ tensors[f"{part}.hidden.{i}.weight"].T + tensors[f"{part}.hidden.{i}.bias"]
            x = _sigmoid(x) if params.activation == "sigmoid" else np.maximum(x, 0.0)
        logits = x @ tensors[f"{part}.output.weight"].T + tensors[f"{part}.output.bias"]
        found[rows] = _sigmoid(logits[:n, 0])
    return found


def _without_doubted(
    liked: Sequence[Named], others: Sequence[Named], share: float
) -> Sequence[Named]:
    """Leave out the others that are most like the playlist: many of them would be liked.

    Nearness is the cosine of mean features to the centroid of what is liked (Rocchio's rule, as Li
    and Liu, Learning to classify texts using positive and unlabeled data, 2003, use it).
    """
    n_doubted = int(share * len(others))
    if n_doubted == 0:
        return others
    vectors = np.array([features.mean(0, dtype=np.float32) for _, features in [*liked, *others]])
    vectors -= vectors[len(liked) :].mean(0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    nearness = vectors[len(liked) :] @ vectors[: len(liked)].mean(0)
    doubted = set(np.argsort(-nearness, kind="stable")[:n_doubted].tolist())
    return [other for i, other in enumerate(others) if i not in doubted]


def _train_one(
    draw: "_Draw",
    n_features: int,
    params: DenseParams,
    part: int,
    report: Callable[[ProfileEpoch], None],
) -> dict[str, Floats]:
    import torch

    from recommender import networks, training
    from recommender.profile import descent

    # The networks are small: a second thread would cost more than it brings.
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    how = dataclasses.replace(params.training, seed=params.seed + part)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(how.seed)
            network = networks.ListenerNetwork(n_features, params.network)

        def on_epoch(number: int, loss: float) -> None:
            network.eval()
            with torch.inference_mode():
                scores = torch.sigmoid(network(draw.x))
            report(
                ProfileEpoch(
                    number=part * how.epochs + number,
                    n_epochs=params.n_parts * how.epochs,
                    loss=loss,
                    liked_score=float(scores[: draw.n_liked].mean()),
                    other_score=float(scores[draw.n_liked :].mean()),
                )
            )

        if descent.suits(how):
            descent.fit(network, draw, how, on_epoch)
        else:
            training.fit(
                network, draw, _loss(how), how, on_epoch=lambda e: on_epoch(e.number, e.loss)
            )
    finally:
        torch.set_num_threads(n_threads)
    return {key: t.numpy().copy() for key, t in network.state_dict().items()}


def _hears(part: int, track: TrackRef, n_parts: int) -> bool:
    """Tell whether a network learns from a track of the other music; a single one from all."""
    return n_parts == 1 or part_of(number_of(track.content_hash), n_parts) != part


@dataclass(kw_only=True)
class _Draw:
    """Draws an epoch: the liked fragments, then the negatives."""

    liked: Sequence[Features]
    others: Sequence[Features]
    disliked: Sequence[Features]
    per_track: int | None
    negative_target: float
    mean: Floats
    std: Floats
    scaling: Scaling
    rng: np.random.Generator
    n_liked: int = 0
    x: "torch.Tensor | None" = None

    def __call__(self, _: int) -> "tuple[torch.Tensor, torch.Tensor]":
        import torch

        positives = [self._some(features) for features in self.liked]
        self.n_liked = sum(map(len, positives))
        negatives = self._some_disliked(self.n_liked // 2)
        for track in self.rng.integers(len(self.others), size=self.n_liked - len(negatives)):
            features = self.others[track]
            negatives.append(features[self.rng.integers(len(features))][None])
        x = np.concatenate([*positives, *negatives])
        self.x = torch.from_numpy(scaled(x, self.mean, self.std, self.scaling))
        y = torch.full((len(x),), self.negative_target)
        y[: self.n_liked] = 1.0
        return self.x, y

    def _some_disliked(self, n_most: int) -> list[Features]:
        """Fragments of disliked tracks, one by one: all of them, or so many at random."""
        fragments = [row[None] for features in self.disliked for row in features]
        chosen = self.rng.permutation(len(fragments))[:n_most]
        return [fragments[i] for i in chosen]

    def _some(self, features: Features) -> Features:
        if self.per_track is None or len(features) <= self.per_track:
            return features
        return features[self.rng.choice(len(features), self.per_track, replace=False)]


def _loss(params: TrainingParams) -> "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]":
    import torch
    from torch.nn import functional

    if params.loss == "bce":
        return functional.binary_cross_entropy_with_logits
    return lambda logits, y: functional.mse_loss(torch.sigmoid(logits), y)


def _sigmoid(x: NDArray[np.floating]) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), np.float32)
