"""The shipped preprocessor's network: trained on genres, then frozen into a compact vector."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recommender import training
from recommender.genres import whitening
from recommender.genres.views import Views
from recommender.networks import FusionNetwork
from recommender.parameters import ConvolutionParams, FusionParams, TrainingParams

TRAINING = TrainingParams(
    epochs=40,
    batch_size=192,
    optimizer="adam",
    learning_rate=1e-3,
    weight_decay=1e-2,
    loss="cross_entropy",
    schedule="cosine",
    precision="bfloat16",
)

N_DRAWN = 2  # views of a track in each epoch
_SMOOTHING = 0.1
_SHRINKAGE_STATISTICS, _SHRINKAGE_EMBEDDING = 0.7, 0.6
_EVEN = 1e-3  # added to deviations, so that a silent band divides by something

Array = NDArray[np.float32]


def train(
    views: Views,
    y: NDArray[np.int64],
    n_genres: int,
    *,
    fusion: FusionParams | None = None,
    params: TrainingParams = TRAINING,
    on_epoch: Callable[[training.Epoch], None] | None = None,
) -> FusionNetwork:
    """Train the network to tell genres apart.

    Parameters
    ----------
    views : Views
        Of the training tracks; an epoch draws two of each.
    y : ndarray of int64, shape (n_tracks,)
        Indices of genres; each counts with the root of its frequency's inverse.
    n_genres : int
    fusion : FusionParams, optional
    params : TrainingParams
    on_epoch : callable, optional

    Returns
    -------
    FusionNetwork
        In evaluation mode.
    """
    n, n_views, n_frames, n_mels = views.fragments.shape
    shape = ConvolutionParams(n_frames=n_frames, n_mels=n_mels)
    fusion = fusion or FusionParams(n_statistics=views.statistics.shape[2])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        network = FusionNetwork(shape, fusion, n_genres)
    _standardise(network, views)
    n_drawn = min(N_DRAWN, n_views)
    targets = torch.from_numpy(np.repeat(y, n_drawn))
    weights = training.class_weights(y, n_genres).sqrt()
    weights /= weights[torch.from_numpy(y)].mean()

    def draw(number: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([params.seed, number])
        chosen = rng.permuted(np.tile(np.arange(n_views), (n, 1)), axis=1)[:, :n_drawn]
        rows = np.arange(n)[:, None]
        x = _packed(network, views.fragments[rows, chosen], views.statistics[rows, chosen])
        return x, targets

    def loss(outputs: Tensor, y: Tensor) -> Tensor:
        # The outputs are log-probabilities already, which this leaves as they are.
        return functional.cross_entropy(outputs, y, weights, label_smoothing=_SMOOTHING)

    training.fit(network, draw, loss, params, on_epoch=on_epoch)
    return network


def shares(network: FusionNetwork, views: Views) -> NDArray[np.float64]:
    """Genre shares of tracks, ``(n_tracks, n_genres)``: means over their clean views."""
    n_genres = network.output.out_features
    with torch.inference_mode():
        found = [network(x).exp().double().mean(0).numpy() for x in _clean(network, views)]
    return np.array(found).reshape(-1, n_genres)


def freeze(network: FusionNetwork, views: Views, groups: Sequence[str]) -> dict[str, Array]:
    """Fold the network into plain layers, and add the projection to a compact vector.

    Statistics and embeddings are each whitened by what varies within artists, scaled to the same
    mean length, put side by side, cut to their principal directions and scaled to unit size: all of
    it is one matrix.

    Parameters
    ----------
    network : FusionNetwork
        Trained.
    views : Views
        Of the training tracks.
    groups : sequence of str
        Their artists.

    Returns
    -------
    dict of str to ndarray of float32
        As `preprocessor.save` takes them for a fused network.
    """
    with torch.inference_mode():
        pairs = [
            (network.standardised(x).mean(0).numpy(), network.embed(x).mean(0).numpy())
            for x in _clean(network, views)
        ]
    matrices, means, parts = [], [], []
    shrinkages = (_SHRINKAGE_STATISTICS, _SHRINKAGE_EMBEDDING)
    for vectors, shrinkage in zip(zip(*pairs, strict=True), shrinkages, strict=True):
        x = np.array(vectors, np.float64)
        means.append(x.mean(0))
        matrix = whitening.within(x, groups, shrinkage=shrinkage)
        moved = (x - means[-1]) @ matrix
        scale = 1 / np.sqrt(np.square(moved).sum(1).mean())
        matrices.append(matrix * scale)
        parts.append(moved * scale)
    directions = whitening.principal(np.hstack(parts), network.fusion.n_features)
    sizes = (len(matrices[0]),)
    projection = np.vstack(
        [m @ d for m, d in zip(matrices, np.split(directions, sizes), strict=True)]
    ).T
    # So that numbers of unit size come out, which half precision and training like.
    projection /= np.sqrt(np.square(np.hstack(parts) @ directions).mean())
    folded = _folded(network)
    folded["projection.weight"] = projection
    folded["projection.bias"] = -projection @ np.concatenate(means)
    return {name: np.asarray(value, np.float32) for name, value in folded.items()}


def _folded(network: FusionNetwork) -> dict[str, NDArray[np.float64]]:
    """Weights without normalisations: these are linear once training is over."""
    t = {name: value.double().numpy() for name, value in network.state_dict().items()}
    kept = ("band_mean", "band_std", "statistics_mean", "statistics_std")
    folded = {name: t[name] for name in kept}
    folded |= {name: value for name, value in t.items() if name.startswith("conv")}
    n_pooled = 2 * network.shape.n_kernels_2
    scale0, shift0 = _affine(t, "norm0", network.norm0)
    scale1, shift1 = _affine(t, "norm1", network.norm1)
    scale2, shift2 = _affine(t, "norm2", network.norm2)
    weight = t["dense1.weight"].copy()
    bias = t["dense1.bias"] + weight[:, :n_pooled] @ shift0
    weight[:, :n_pooled] *= scale0
    folded["dense1.weight"] = scale1[:, None] * weight
    folded["dense1.bias"] = scale1 * bias + shift1
    folded["dense2.weight"] = scale2[:, None] * t["dense2.weight"]
    folded["dense2.bias"] = scale2 * t["dense2.bias"] + shift2
    return folded


def _affine(
    t: dict[str, NDArray[np.float64]], name: str, norm: nn.Module
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    assert isinstance(norm, nn.BatchNorm1d)
    scale = t[f"{name}.weight"] / np.sqrt(t[f"{name}.running_var"] + norm.eps)
    return scale, t[f"{name}.bias"] - scale * t[f"{name}.running_mean"]


def _clean(network: FusionNetwork, views: Views) -> list[Tensor]:
    """Packed clean views, track by track."""
    k = views.n_clean
    return [
        _packed(network, fragments[None, :k], statistics[None, :k]).float()
        for fragments, statistics in zip(views.fragments, views.statistics, strict=True)
    ]


def _packed(
    network: FusionNetwork, fragments: NDArray[np.float16], statistics: NDArray[np.float32]
) -> Tensor:
    """Views ``(n, k, ...)`` to packed inputs ``(n * k, ...)``."""
    return network.pack(
        torch.from_numpy(fragments.reshape(-1, *fragments.shape[2:])).float(),
        torch.from_numpy(statistics.reshape(-1, statistics.shape[-1])),
    )


def _standardise(network: FusionNetwork, views: Views) -> None:
    """Take means and deviations from the clean views."""
    k = views.n_clean
    bands = views.fragments[:, :k].reshape(-1, views.fragments.shape[-1])
    statistics = views.statistics[:, :k].reshape(-1, views.statistics.shape[-1])
    for values, mean, std, even in (
        (bands, network.band_mean, network.band_std, _EVEN),
        (statistics, network.statistics_mean, network.statistics_std, 1e-6),
    ):
        mean.copy_(torch.from_numpy(values.mean(0, dtype=np.float64)))
        std.copy_(torch.from_numpy(values.std(0, dtype=np.float64) + even))
