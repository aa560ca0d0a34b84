"""The genre network: trained, used, kept, and cut to a preprocessor."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from recommender import checkpoint, preprocessor, spectrogram, training
from recommender.errors import CheckpointError
from recommender.genres.tracks import FragmentSet
from recommender.networks import GenreNetwork
from recommender.parameters import ConvolutionParams, SpectrogramParams, TrainingParams

_KIND = "genre"

TRAINING = TrainingParams(
    epochs=60,
    batch_size=64,
    optimizer="adam",
    learning_rate=1e-3,
    weight_decay=1e-2,
    loss="cross_entropy",
)


@dataclass(frozen=True, kw_only=True)
class GenreModel:
    """A trained genre network with what it needs to be used."""

    network: GenreNetwork
    params: SpectrogramParams
    genres: tuple[str, ...]
    provenance: dict[str, Any]


def train(
    training_set: FragmentSet,
    validation_set: FragmentSet | None,
    *,
    genres: Sequence[str],
    params: SpectrogramParams,
    training_params: TrainingParams = TRAINING,
    standardise: bool = True,
    provenance: dict[str, Any] | None = None,
    on_epoch: Callable[[training.Epoch], None] | None = None,
) -> GenreModel:
    """Train the genre network; an epoch draws half of each track's fragments afresh.

    Parameters
    ----------
    training_set : FragmentSet
    validation_set : FragmentSet or None
        Early stopping by its log-likelihood; of other artists than the training set.
    genres : sequence of str
        What the indices in ``y`` mean.
    params : SpectrogramParams
        What the fragments were made with.
    training_params : TrainingParams
    standardise : bool
        Shift and scale each mel band by its mean and deviation over the training set.
    provenance : dict, optional
        Kept with the weights.
    on_epoch : callable, optional

    Returns
    -------
    GenreModel
    """
    k, n_frames, n_mels = training_set.x.shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training_params.seed)
        network = GenreNetwork(ConvolutionParams(n_frames=n_frames, n_mels=n_mels), len(genres))
    if standardise:
        bands = training_set.x.reshape(-1, n_mels)
        network.band_mean.copy_(torch.from_numpy(bands.mean(0, dtype=np.float64)))
        network.band_std.copy_(torch.from_numpy(bands.std(0, dtype=np.float64) + 1e-3))
    rng = np.random.default_rng(training_params.seed)
    per_track = max(1, k // 2)
    tracks = np.arange(len(training_set.y))[:, None]
    targets = torch.from_numpy(np.repeat(training_set.y, per_track))

    def draw(_: int) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = rng.permuted(np.tile(np.arange(k), (len(tracks), 1)), axis=1)[:, :per_track]
        x = training_set.x[tracks, chosen].reshape(-1, n_frames, n_mels)
        return torch.from_numpy(x), targets

    def log_likelihood() -> float:
        assert validation_set is not None
        shares = track_shares(network, validation_set.x)
        return float(np.log(shares[np.arange(len(shares)), validation_set.y] + 1e-9).mean())

    training.fit(
        network,
        draw,
        functional.nll_loss,
        training_params,
        validate=log_likelihood if validation_set is not None else None,
        on_epoch=on_epoch,
    )
    return GenreModel(
        network=network, params=params, genres=tuple(genres), provenance=provenance or {}
    )


def track_shares(network: GenreNetwork, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shares of tracks, ``(n, k, n_frames, n_mels)`` to ``(n, n_genres)``: means over fragments."""
    network.eval()
    with torch.inference_mode():
        shares = [network(torch.from_numpy(track)).exp().mean(0).numpy() for track in x]
    return np.array(shares, np.float64)


def predict(path: Path, model: GenreModel) -> NDArray[np.float64]:
    """Genre shares of each fragment of a file, ``(n_fragments, n_genres)``; rows add up to 1.

    Raises
    ------
    AudioDecodeError
        If the file cannot be decoded.
    """
    with torch.inference_mode():
        shares = [
            model.network(torch.from_numpy(fragments)).exp().numpy()
            for fragments in spectrogram.fragments(path, model.params)
        ]
    return np.concatenate(shares).astype(np.float64)


def save(path: Path, model: GenreModel) -> None:
    """Write a genre model that `load` reads."""
    manifest = {
        "spectrogram": dataclasses.asdict(model.params),
        "genres": list(model.genres),
        "provenance": model.provenance,
    }
    tensors = {name: t.numpy() for name, t in model.network.state_dict().items()}
    checkpoint.save(path, _KIND, tensors, manifest)


def load(path: Path) -> GenreModel:
    """Read a genre model.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or does not fit.
    """
    tensors, manifest = checkpoint.load(path, _KIND)
    try:
        params = SpectrogramParams(**manifest["spectrogram"])
        genres = tuple(str(genre) for genre in manifest["genres"])
        provenance = dict(manifest["provenance"])
        shape = ConvolutionParams(n_frames=params.n_frames, n_mels=params.n_mels)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its manifest does not fit ({error})") from None
    network = GenreNetwork(shape, len(genres))
    expected = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    checkpoint.check_shapes(path, tensors, expected)
    network.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()})
    network.eval()
    return GenreModel(network=network, params=params, genres=genres, provenance=provenance)


def cut(model: GenreModel, path: Path) -> None:
    """Write the convolutions (layers 1 to 6) as a preprocessor that gives features."""
    tensors = {
        name: t.numpy()
        for name, t in model.network.state_dict().items()
        if not name.startswith("dense")
    }
    preprocessor.save(
        path, tensors, params=model.params, genres=model.genres, provenance=model.provenance
    )
