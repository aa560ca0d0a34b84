"""The candidates: how each learns in a rotation, and what it then makes of music."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from frozen import networks
from frozen.ground import Ground
from frozen.material import N_FRAGMENTS, RANGE_DB, Heard
from frozen.networks import Embedding, SpectrogramNetwork, StatisticsNetwork
from frozen.rows import N_CUT, cut
from recommender import preprocessor, timbre
from recommender.errors import CheckpointError
from recommender.genres import fusion, whitening
from recommender.genres.views import Views
from recommender.networks import FusionNetwork, GenreNetwork
from recommender.parameters import ConvolutionParams, FusionParams, TrainingParams
from recommender.preprocessor import layers

N_FRAMES_FINE = 344  # 8 s
SHRINKAGE_STATISTICS, SHRINKAGE_EMBEDDING = 0.7, 0.6

Floats = NDArray[np.float32]
Encode = Callable[[Heard], Floats]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a candidate makes of music, and how well it tells genres if it does."""

    encode: Encode
    accuracy: float | None = None


def statistics(ground: Ground) -> dict[str, Fitted]:
    """What needs no network."""
    n = timbre.n_statistics()
    means: dict[str, Encode] = {
        "timbre-fine": lambda heard: heard.statistics[:, :, :n].mean(1),
        "timbre-coarse": lambda heard: heard.statistics[:, :, n:].mean(1),
        "timbre": lambda heard: heard.statistics.mean(1),
    }
    x = means["timbre"](ground.heard)[ground.learned]
    whitened = whitener(x, ground.artists, SHRINKAGE_STATISTICS)
    return {
        "mfcc": Fitted(encode=lambda heard: heard.mfcc),
        **{row: Fitted(encode=encode) for row, encode in means.items()},
        "timbre-whitened": Fitted(encode=lambda heard: whitened(means["timbre"](heard))),
    }


def bliss(ground: Ground) -> dict[str, Fitted]:
    """Numbers of another project, if it is installed."""
    if ground.heard.bliss is None:
        return {}
    return {"bliss": Fitted(encode=lambda heard: np.asarray(heard.bliss))}


def thesis(ground: Ground, name: str = "thesis") -> dict[str, Fitted]:
    """The thesis's network as a script trained it, if it did."""
    try:
        network = preprocessor.load(ground.work / f"{name}-fold{ground.fold}.safetensors")
    except CheckpointError:
        return {}
    is_linear = network.params.compression == "linear"

    def encode(heard: Heard) -> Floats:
        fragments = heard.linear if is_linear else heard.fragments
        assert fragments is not None
        found = [network(x.astype(np.float32))[:, : network.n_convolved].mean(0) for x in fragments]
        return np.array(found)

    return {name: Fitted(encode=encode)}


def thesis_untrained(ground: Ground) -> dict[str, Fitted]:
    """The same network with the weights that it starts from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ground.fold)
        network = GenreNetwork(ConvolutionParams(), len(ground.genres)).eval()
    bands = ground.heard.fragments[ground.learned].reshape(-1, ConvolutionParams().n_mels)
    network.band_mean.copy_(torch.from_numpy(bands.mean(0, dtype=np.float64)))
    network.band_std.copy_(torch.from_numpy(bands.std(0, dtype=np.float64) + 1e-3))

    def encode(heard: Heard) -> Floats:
        with torch.inference_mode():
            found = [network.features(torch.from_numpy(x).float()).mean(0) for x in heard.fragments]
        return torch.stack(found).numpy()

    return {"thesis-untrained": Fitted(encode=encode)}


def convolutions(ground: Ground) -> dict[str, Fitted]:
    """Three convolutions on pieces of the fine spectrogram."""
    assert ground.heard.levels is not None
    levels = ground.heard.levels[ground.learned]
    last = levels.shape[1] - N_FRAMES_FINE

    def draw(rng: np.random.Generator) -> Floats:
        starts = rng.integers(last + 1, size=len(levels))
        pieces = [x[s : s + N_FRAMES_FINE] for x, s in zip(levels, starts, strict=True)]
        return _relative(np.stack(pieces)[:, None])

    def pieces(heard: Heard, chosen: NDArray[np.intp] | slice = slice(None)) -> Floats:
        assert heard.levels is not None
        starts = [last * i // (N_FRAGMENTS - 1) for i in range(N_FRAGMENTS)]
        of_clip = [heard.levels[chosen, s : s + N_FRAMES_FINE] for s in starts]
        return _relative(np.stack(of_clip, axis=1))

    network = networks.train(
        lambda n_genres, n_moods: SpectrogramNetwork(levels.shape[2], n_genres, n_moods),
        draw,
        ground.targets((1, 0, 0, 0)),
        networks.SPECTROGRAM_TRAINING,
    )
    embedded = _whitened(network, pieces(ground.heard, ground.learned), ground.artists)
    return {
        "convolutions": Fitted(
            encode=lambda heard: embedded(pieces(heard)),
            accuracy=ground.accuracy(lambda i: networks.shares(network, pieces(ground.heard, i))),
        )
    }


def dense(
    ground: Ground,
    row: str,
    *,
    genre: float = 0.0,
    mood: float = 0.0,
    artist: float = 0.0,
    clip: float = 0.0,
    changed: bool = True,
    fine_alone: bool = False,
) -> dict[str, Fitted]:
    """Dense layers on statistics of timbre, trained for these targets; its embedding whitened."""
    views = (ground.changed if changed else ground.unchanged).statistics
    n = timbre.n_statistics() if fine_alone else views.shape[2]
    clean = ground.heard.statistics[ground.learned, :, :n].reshape(-1, n)
    mean, std = clean.mean(0), clean.std(0) + 1e-6
    x = (views[:, :, :n] - mean) / std

    def standardised(heard: Heard) -> Floats:
        return np.asarray((heard.statistics[:, :, :n] - mean) / std, np.float32)

    def draw(rng: np.random.Generator) -> Floats:
        chosen = rng.permuted(np.tile(np.arange(x.shape[1]), (len(x), 1)), axis=1)[:, :2]
        return np.asarray(x[np.arange(len(x))[:, None], chosen])

    network = networks.train(
        lambda n_genres, n_moods: StatisticsNetwork(n, n_genres, n_moods),
        draw,
        ground.targets((genre, mood, artist, clip)),
        networks.STATISTICS_TRAINING,
    )
    everything = standardised(ground.heard)
    accuracy = None
    if genre:
        accuracy = ground.accuracy(lambda i: networks.shares(network, everything[i]))
    known = everything[ground.learned]
    embedded = _whitened(network, known, ground.artists)
    found = {
        row: Fitted(encode=lambda heard: embedded(standardised(heard)), accuracy=accuracy),
    }
    if row == "genre":
        beside = whitener(known.mean(1), ground.artists, SHRINKAGE_STATISTICS)
        found["genre-plain"] = Fitted(
            encode=lambda heard: networks.embeddings(network, standardised(heard)),
            accuracy=accuracy,
        )
        found["genre-beside"] = Fitted(
            encode=lambda heard: np.hstack(
                [beside(standardised(heard).mean(1)), embedded(standardised(heard))]
            ),
            accuracy=accuracy,
        )
    return found


def default(ground: Ground) -> dict[str, Fitted]:
    """The shipped preprocessor's way; its numbers are sorted, so fewer are the first of them."""
    whole = _fused(ground, ground.changed)
    n_most = FusionParams().n_statistics + FusionParams().n_embedding
    found = {"default-uncut": whole}
    for n in N_CUT:
        found[cut(n)] = dataclasses.replace(whole, encode=_first(whole.encode, min(n, n_most)))
    return found


def default_unchanged(ground: Ground) -> dict[str, Fitted]:
    """The same without augmentation."""
    whole = _fused(ground, ground.unchanged)
    encode = _first(whole.encode, N_CUT[0])
    return {"default-unchanged": dataclasses.replace(whole, encode=encode)}


def default_untrained(ground: Ground) -> dict[str, Fitted]:
    """The same with the weights that its network starts from: a rate of nothing, but normalised."""
    params = dataclasses.replace(fusion.TRAINING, epochs=2, learning_rate=1e-12)
    encode = _first(_fused(ground, ground.changed, params).encode, N_CUT[0])
    return {"default-untrained": Fitted(encode=encode)}


GROUPS: dict[str, Callable[[Ground], dict[str, Fitted]]] = {
    "default": default,
    "default-unchanged": default_unchanged,
    "convolutions": convolutions,
    "default-untrained": default_untrained,
    "genre": lambda ground: dense(ground, "genre", genre=1.0),
    "genre-fine": lambda ground: dense(ground, "genre-fine", genre=1.0, fine_alone=True),
    "genre-unchanged": lambda ground: dense(ground, "genre-unchanged", genre=1.0, changed=False),
    "genre-mood": lambda ground: dense(ground, "genre-mood", genre=1.0, mood=0.3),
    "genre-artist": lambda ground: dense(ground, "genre-artist", genre=1.0, mood=0.0, artist=0.3),
    "artist": lambda ground: dense(ground, "artist", artist=1.0),
    "clip": lambda ground: dense(ground, "clip", clip=1.0),
    "thesis": thesis,
    "thesis-log": lambda ground: thesis(ground, "thesis-log"),
    "thesis-untrained": thesis_untrained,
    "statistics": statistics,
    "bliss": bliss,
}
"""The slow ones first."""


def whitener(
    x: NDArray[np.floating], groups: Sequence[str], shrinkage: float
) -> Callable[[NDArray[np.floating]], Floats]:
    """Standardise, then whiten by what varies within groups; to mean squared length 1."""
    mean, std = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64) + 1e-6
    z = (x - mean) / std
    matrix = whitening.within(z, groups, shrinkage=shrinkage)
    matrix /= np.sqrt(np.square(z @ matrix).sum(1).mean())
    return lambda x: np.asarray((x - mean) / std @ matrix, np.float32)


def _fused(ground: Ground, views: Views, params: TrainingParams = fusion.TRAINING) -> Fitted:
    """The shipped network, frozen but not cut."""
    shape = FusionParams(n_statistics=views.statistics.shape[2])
    uncut = dataclasses.replace(shape, n_features=shape.n_statistics + shape.n_embedding)
    network: FusionNetwork = fusion.train(
        views, ground.y, len(ground.genres), fusion=uncut, params=params
    )
    tensors = fusion.freeze(network, views, ground.artists)

    def encode(heard: Heard) -> Floats:
        pairs = zip(heard.fragments, heard.statistics, strict=True)
        return np.array(
            [
                layers.fuse(tensors, layers.convolve(tensors, x.astype(np.float32)), z).mean(0)
                for x, z in pairs
            ]
        )

    def shares(chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        return fusion.shares(
            network,
            Views(
                fragments=ground.heard.fragments[chosen],
                statistics=ground.heard.statistics[chosen],
                n_clean=N_FRAGMENTS,
            ),
        )

    return Fitted(encode=encode, accuracy=ground.accuracy(shares))


def _first(encode: Encode, n: int) -> Encode:
    return lambda heard: encode(heard)[:, :n]


def _whitened(network: Embedding, x: Floats, artists: Sequence[str]) -> Callable[[Floats], Floats]:
    whiten = whitener(networks.embeddings(network, x), artists, SHRINKAGE_EMBEDDING)
    return lambda x: whiten(networks.embeddings(network, x))


def _relative(levels: NDArray[np.float16]) -> Floats:
    """Levels ``(..., n_frames, n_mels)`` against their maximum, 80 dB spread over [-1, 1]."""
    found = levels.astype(np.float32)
    found -= found.max(axis=(-2, -1), keepdims=True)
    return np.asarray(np.maximum(found, -RANGE_DB) / (RANGE_DB / 2) + 1, np.float32)
