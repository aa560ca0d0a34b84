"""Genre systems learn: networks by the one training loop, others by their own libraries."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from recommender import training
from recommender.errors import ParameterError
from recommender.genres import classical, som
from recommender.genres.model import GenreModel, Pieces, as_vectors, network_shares
from recommender.genres.systems import System
from recommender.networks import GenreClassifier
from recommender.parameters import fingerprint

_TINY = 1e-9  # added to shares before their logarithm is taken
_EVEN = 1e-3  # added to deviations, so that a silent band is divided by something
_TRACKS = 64  # at a time, where all of them at once would need much memory

Examples = tuple[Pieces, NDArray[np.int64]]
"""Pieces of tracks, ``(n_tracks, k, n_frames, n_bands)``, and their genres' indices."""


def train(
    system: System,
    examples: Examples,
    *,
    genres: tuple[str, ...],
    validation: Examples | None = None,
    seed: int = 0,
    class_weights: bool = False,
    jobs: int = 1,
    on_epoch: Callable[[training.Epoch], None] | None = None,
    state: Path | None = None,
    provenance: dict[str, Any] | None = None,
) -> tuple[GenreModel, list[training.Epoch]]:
    """Train a system.

    Parameters
    ----------
    system : System
    examples : tuple of two ndarray
        What is learned from.
    genres : tuple of str
        What the indices of genres mean.
    validation : tuple of two ndarray, optional
        Of other artists: the epoch with the best log-likelihood of its tracks counts, and training
        stops when none has been better for long enough. Only networks make use of it.
    seed : int
        Of the first weights, the order of the batches, dropout and all other chance.
    class_weights : bool
        Whether each genre counts the same, however many tracks it has; networks alone can.
    jobs : int
        Threads of classical models.
    on_epoch : callable, optional
        Called after each epoch.
    state : Path, optional
        File that keeps the state of the training after each epoch, from which it goes on.
    provenance : dict, optional
        Kept with the weights.

    Returns
    -------
    model : GenreModel
    history : list of Epoch
        Empty for what is not trained by epochs.

    Raises
    ------
    ParameterError
        If the system, the inputs and the options do not fit.
    """
    classifier: Any
    history: list[training.Epoch] = []
    if not isinstance(system.build, str):
        classifier, history = _train_network(
            system, examples, len(genres), validation, seed, class_weights, on_epoch, state
        )
    elif class_weights:
        raise ParameterError(f"{system.name} is no network: its genres' weights are its own")
    else:
        pieces = examples[0].reshape(-1, *examples[0].shape[2:])
        y = np.repeat(examples[1], examples[0].shape[1])
        if system.build == "som":
            classifier = som.fit(som.vectors(pieces), y, len(genres), seed=seed)
        else:
            classifier = classical.fit(system.build, as_vectors(pieces), y, seed, jobs=jobs)
    model = GenreModel(
        system=system, genres=genres, classifier=classifier, provenance=provenance or {}
    )
    return model, history


def _train_network(
    system: System,
    examples: Examples,
    n_genres: int,
    validation: Examples | None,
    seed: int,
    class_weights: bool,
    on_epoch: Callable[[training.Epoch], None] | None,
    state: Path | None,
) -> tuple[GenreClassifier, list[training.Epoch]]:
    if system.training is None:
        raise ParameterError(f"{system.name}: it is not said how it is trained")
    params = dataclasses.replace(system.training, seed=seed)
    x, y = examples
    n, k, n_frames, n_bands = x.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = system.network((n_frames, n_bands), n_genres)
    if system.standardise:
        _standardise(network, x)
    n_drawn = min(system.n_drawn or k, k)
    targets = torch.from_numpy(np.repeat(y, n_drawn))
    weights = training.class_weights(y, n_genres) if class_weights else None

    def draw(number: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([seed, number])
        chosen = rng.permuted(np.tile(np.arange(k), (n, 1)), axis=1)[:, :n_drawn]
        pieces = x[np.arange(n)[:, None], chosen]
        return torch.from_numpy(pieces.reshape(-1, n_frames, n_bands)), targets

    def loss(outputs: Tensor, y: Tensor) -> Tensor:
        return functional.nll_loss(outputs, y, weights)

    def validate() -> training.Validation:
        assert validation is not None
        return _validate(network, validation, half=params.precision == "bfloat16")

    history = training.fit(
        network,
        draw,
        loss,
        params,
        validate=validate if validation is not None else None,
        on_epoch=on_epoch,
        state=state,
        identity=_identity(system, examples, validation, class_weights) if state else "",
    )
    return network, history


def _validate(network: GenreClassifier, examples: Examples, *, half: bool) -> training.Validation:
    x, y = examples
    pieces = x.reshape(-1, *x.shape[2:])
    shares = network_shares(network, pieces, half=half).reshape(*x.shape[:2], -1).mean(1)
    likelihood = float(np.log(shares[np.arange(len(y)), y] + _TINY).mean())
    accuracy = float((shares.argmax(1) == y).mean())
    return training.Validation(score=likelihood, loss=-likelihood, accuracy=accuracy)


def _standardise(network: GenreClassifier, x: Pieces) -> None:
    """Set each band's mean and deviation, as far as the training set goes."""
    n_bands = x.shape[-1]
    n, total, squares = 0, np.zeros(n_bands), np.zeros(n_bands)
    for start in range(0, len(x), _TRACKS):
        bands = x[start : start + _TRACKS].reshape(-1, n_bands).astype(np.float64)
        n += len(bands)
        total += bands.sum(0)
        squares += np.square(bands).sum(0)
    mean = total / n
    std = np.sqrt(np.maximum(squares / n - mean**2, 0.0))
    network.band_mean.copy_(torch.from_numpy(mean))
    network.band_std.copy_(torch.from_numpy(std + _EVEN))


def _identity(
    system: System, examples: Examples, validation: Examples | None, class_weights: bool
) -> str:
    """Name what is trained and on what, so that no other training's state is gone on with."""
    content = hashlib.sha256()
    for array in (*examples, *(validation or ())):
        content.update(str(array.shape).encode())
        content.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    ways = [system.name, dict(system.settings), system.n_drawn, class_weights]
    return fingerprint(system.inputs, *ways, content.hexdigest())
