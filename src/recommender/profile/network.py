"""Train the network of one person."""

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ProfileError
from recommender.parameters import Recipe, TrainingParams
from recommender.profile.model import Features, Negatives, Profile, ProfileEpoch, TrackRef, part_of

if TYPE_CHECKING:  # torch takes a second to import, and scoring does without it
    import torch


_MAX_SUMMARISED = 500

Named = tuple[TrackRef, Features]


def train(
    name: str,
    recipe: Recipe,
    fingerprint: str,
    liked: Sequence[Named],
    others: Sequence[Named],
    *,
    disliked: Sequence[Named] = (),
    pool: Sequence[Features] = (),
    on_epoch: Callable[[ProfileEpoch], None] | None = None,
) -> Profile:
    """Train the networks of one person.

    Every epoch draws its negatives afresh: as many fragments as there are positives, each from a
    track chosen at random among the others; but up to half of them from disliked tracks, if there
    are any.

    Parameters
    ----------
    name : str
    recipe : Recipe
    fingerprint : str
        Of all features given here.
    liked : sequence of (TrackRef, ndarray)
        Tracks of the playlist with their features.
    others : sequence of (TrackRef, ndarray)
        Other tracks, none of them in the playlist.
    disliked : sequence of (TrackRef, ndarray), optional
    pool : sequence of ndarray, optional
        Features of the shipped pool, if it is needed.
    on_epoch : callable, optional

    Returns
    -------
    Profile

    Raises
    ------
    ProfileError
        If there is nothing liked, or nothing else.
    """
    if not liked:
        raise ProfileError(f"profile {name!r}: no track of the playlist could be analysed")
    everything_else = [*(features for _, features in others), *pool]
    if not everything_else:
        raise ProfileError(
            f"profile {name!r}: there is no other music to tell the playlist from; name some with"
            " --library"
        )
    mean, std = _moments(everything_else) if recipe.network.standardise else (0.0, 1.0)
    n_features = liked[0][1].shape[1]
    tensors = {
        "feature_mean": np.broadcast_to(mean, n_features).astype(np.float32),
        "feature_std": np.broadcast_to(std, n_features).astype(np.float32),
    }
    history: list[ProfileEpoch] = []

    def report(epoch: ProfileEpoch) -> None:
        history.append(epoch)
        if on_epoch is not None:
            on_epoch(epoch)

    for part in range(recipe.n_networks):
        known = [other for other in others if _hears(part, other[0], recipe.n_networks)]
        trusted = _without_doubted(liked, known, recipe.doubted_share)
        heard = [features for _, features in trusted] + list(pool)
        draw = _Draw(
            liked=[features for _, features in liked],
            others=heard or everything_else,
            disliked=[features for _, features in disliked],
            per_track=recipe.fragments_per_track,
            negative_target=recipe.training.negative_target,
            mean=tensors["feature_mean"],
            std=tensors["feature_std"],
            rng=np.random.default_rng([recipe.training.seed, part]),
        )
        weights = _train_one(draw, n_features, recipe, part, report)
        tensors |= {f"{part}.{key}": weight for key, weight in weights.items()}
    profile = Profile(
        name=name,
        recipe=recipe.name,
        fingerprint=fingerprint,
        network=recipe.network,
        training=recipe.training,
        n_networks=recipe.n_networks,
        tensors=tensors,
        liked=tuple(track for track, _ in liked),
        disliked=tuple(track for track, _ in disliked),
        negatives=_origin(others, pool),
        n_negative_tracks=len(everything_else),
        history=tuple(history),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return dataclasses.replace(
        profile,
        liked_score=_mean_score(profile, liked),
        other_score=_mean_score(profile, others),
    )


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
    recipe: Recipe,
    part: int,
    report: Callable[[ProfileEpoch], None],
) -> dict[str, NDArray[np.float32]]:
    import torch

    from recommender import networks, training

    # The networks are small: a second thread would cost more than it brings.
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    params = dataclasses.replace(recipe.training, seed=recipe.training.seed + part)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(params.seed)
            network = networks.ListenerNetwork(n_features, recipe.network)

        def on_epoch(epoch: training.Epoch) -> None:
            network.eval()
            with torch.inference_mode():
                scores = torch.sigmoid(network(draw.x))
            report(
                ProfileEpoch(
                    number=part * params.epochs + epoch.number,
                    n_epochs=recipe.n_networks * params.epochs,
                    loss=epoch.loss,
                    liked_score=float(scores[: draw.n_liked].mean()),
                    other_score=float(scores[draw.n_liked :].mean()),
                )
            )

        training.fit(network, draw, _loss(params), params, on_epoch=on_epoch)
    finally:
        torch.set_num_threads(n_threads)
    return {key: t.numpy().copy() for key, t in network.state_dict().items()}


def _hears(part: int, track: TrackRef, n_networks: int) -> bool:
    """Tell whether a network learns from a track of the other music; a single one from all."""
    return n_networks == 1 or part_of(track.content_hash, n_networks) != part


def _origin(others: Sequence[Named], pool: Sequence[Features]) -> Negatives:
    if not pool:
        return "library"
    return "library and shipped pool" if others else "shipped pool"


def _mean_score(profile: Profile, tracks: Sequence[Named]) -> float:
    """Mean score of tracks, at most a few hundred of them; 0 without any."""
    some = tracks[:: -(-len(tracks) // _MAX_SUMMARISED)] if tracks else []
    scores = [profile.track_score(features, track.content_hash) for track, features in some]
    return float(np.mean(scores)) if scores else 0.0


@dataclass(kw_only=True)
class _Draw:
    """Draws an epoch: the liked fragments, then the negatives."""

    liked: Sequence[Features]
    others: Sequence[Features]
    disliked: Sequence[Features]
    per_track: int | None
    negative_target: float
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
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
        x = np.concatenate([*positives, *negatives]).astype(np.float32)
        self.x = torch.from_numpy((x - self.mean) / self.std)
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


def _moments(tracks: Sequence[Features]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of the features over tracks, each track counting the same."""
    means = np.array([features.mean(0, dtype=np.float64) for features in tracks])
    squares = np.array([np.square(f, dtype=np.float64).mean(0) for f in tracks])
    mean = means.mean(0)
    std = np.sqrt(np.maximum(squares.mean(0) - mean**2, 0.0))
    # Features that hardly ever differ would otherwise shout when they do.
    return mean, np.maximum(std, 0.1 * std.mean() + 1e-6)
