"""Networks that were tried, other than the shipped one and the thesis's, and how they are trained.

Each draws two views of a clip in every step. Targets are the genre, and beside it or in its stead
the mood, the artist, or the clip itself: of the latter two, embeddings of the same are drawn
together and those of others pushed apart (Khosla et al., Supervised contrastive learning, 2020).
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recommender import training
from recommender.genres import fusion
from recommender.parameters import TrainingParams

N_EMBEDDING = 256
N_CONTRAST = 128
TEMPERATURE = 0.1
SMOOTHING = 0.1
STATISTICS_TRAINING = dataclasses.replace(
    fusion.TRAINING, epochs=60, batch_size=128, precision="float32"
)
SPECTROGRAM_TRAINING = dataclasses.replace(fusion.TRAINING, epochs=15, batch_size=96)

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What is to be learned of each clip, -1 where it is unknown; and how much each counts.

    Attributes
    ----------
    labels : ndarray of int, shape (n, 4)
        Genre, mood, artist, clip.
    weights : tuple of four floats
    """

    labels: NDArray[np.int64]
    weights: tuple[float, float, float, float]


class Embedding(nn.Module, ABC):
    """A network with an embedding, and heads on it that are forgotten after the training."""

    def __init__(self, n_inputs: int, n_genres: int, n_moods: int) -> None:
        super().__init__()
        self.sizes = [n_genres, n_moods, N_CONTRAST]
        self.dense = nn.Linear(n_inputs, N_EMBEDDING)
        self.norm = nn.BatchNorm1d(N_EMBEDDING)
        self.heads = nn.Linear(N_EMBEDDING, sum(self.sizes))

    @abstractmethod
    def hidden(self, x: Tensor) -> Tensor:
        """Views ``(n, ...)`` to what the embedding is made of, ``(n, n_inputs)``."""

    def embed(self, x: Tensor) -> Tensor:
        """Views ``(n, ...)`` to embeddings of zero mean and unit deviation."""
        return self.norm(self.dense(self.hidden(x)).float())  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """Views of clips ``(n, k, ...)`` to scores and a projection, ``(n, k, m)``."""
        scores = self.heads(functional.relu(self.embed(x.flatten(0, 1))))
        return scores.reshape(*x.shape[:2], -1)  # type: ignore[no-any-return]

    def genres(self, x: Tensor) -> Tensor:
        """Views of clips ``(n, k, ...)`` to shares of genres, ``(n, n_genres)``."""
        return self(x)[..., : self.sizes[0]].softmax(2).mean(1)  # type: ignore[no-any-return]


class StatisticsNetwork(Embedding):
    """Two dense layers on standardised statistics of timbre."""

    def __init__(self, n_inputs: int, n_genres: int, n_moods: int) -> None:
        super().__init__(512, n_genres, n_moods)
        self.first = nn.Linear(n_inputs, 512)
        self.norm1 = nn.BatchNorm1d(512)

    def hidden(self, x: Tensor) -> Tensor:
        """Statistics ``(n, n_inputs)`` to the hidden layer; noisy while training."""
        if self.training:
            x = x + 0.3 * torch.randn_like(x)
        x = functional.dropout(x, 0.2, self.training)
        x = functional.relu(self.norm1(self.first(x).float()))
        return functional.dropout(x, 0.4, self.training)


class SpectrogramNetwork(Embedding):
    """Three convolutions over time on fine spectrograms, with their mean and maximum."""

    def __init__(self, n_mels: int, n_genres: int, n_moods: int) -> None:
        super().__init__(512, n_genres, n_moods)
        self.norm0 = nn.BatchNorm1d(n_mels)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(n_in, n_out, 3, padding=1)
            for n_in, n_out in ((n_mels, 192), (192, 192), (192, 256))
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(n) for n in (192, 192, 256))

    def hidden(self, x: Tensor) -> Tensor:
        """Fragments ``(n, n_frames, n_mels)`` to means and maxima ``(n, 512)``."""
        x = self.norm0(x.transpose(1, 2))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.max_pool1d(functional.relu(norm(convolution(x))), 2)
        x = torch.cat([x.mean(2), x.amax(2)], dim=1).float()
        return functional.dropout(x, 0.3, self.training)


def train(
    build: Callable[[int, int], Embedding],
    draw: Callable[[np.random.Generator], Floats],
    targets: Targets,
    params: TrainingParams,
) -> Embedding:
    """Train a network.

    Parameters
    ----------
    build : callable
        Takes how many genres and moods there are.
    draw : callable
        Gives views of all clips, ``(n, k, ...)``, for one epoch.
    targets : Targets
        Of the same clips.
    params : TrainingParams
    """
    n_genres, n_moods = (int(targets.labels[:, i].max()) + 1 for i in (0, 1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        network = build(n_genres, max(1, n_moods))
    genres = targets.labels[:, 0]
    balance = training.class_weights(genres, n_genres).sqrt()
    balance /= balance[torch.from_numpy(genres)].mean()
    # int32: these are no classes to be counted as right or wrong.
    labels = torch.from_numpy(targets.labels.astype(np.int32))

    def drawn(number: int) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(draw(np.random.default_rng([params.seed, number]))), labels

    def loss(outputs: Tensor, y: Tensor) -> Tensor:
        y = y.long().repeat_interleave(outputs.shape[1], 0)
        genre, mood, projection = torch.split(outputs.float().flatten(0, 1), network.sizes, 1)
        known = y[:, 1] >= 0
        parts: tuple[Callable[[], Tensor], ...] = (
            lambda: functional.cross_entropy(genre, y[:, 0], balance, label_smoothing=SMOOTHING),
            lambda: (
                functional.cross_entropy(mood[known], y[known, 1], reduction="sum")
                / known.sum().clamp(min=1)
            ),
            lambda: _contrast(projection, y[:, 2]),
            lambda: _contrast(projection, y[:, 3]),
        )
        weighted = [w * part() for w, part in zip(targets.weights, parts, strict=True) if w]
        return torch.stack(weighted).sum()

    training.fit(network, drawn, loss, params)
    return network


def embeddings(network: Embedding, x: Floats) -> Floats:
    """Embed clips, ``(n, k, ...)`` to ``(n, 256)``: means over their fragments."""
    parts = []
    with torch.inference_mode():
        for part in np.array_split(x, -(-len(x) // 64)):
            found = network.embed(torch.from_numpy(part).flatten(0, 1)).numpy()
            parts.append(found.reshape(*part.shape[:2], -1).mean(1))
    return np.concatenate(parts)


def shares(network: Embedding, x: Floats) -> NDArray[np.float64]:
    """Shares of genres, ``(n, k, ...)`` to ``(n, n_genres)``."""
    with torch.inference_mode():
        return np.asarray(network.genres(torch.from_numpy(x)), np.float64)


def _contrast(projection: Tensor, labels: Tensor) -> Tensor:
    z = functional.normalize(projection, dim=1)
    itself = torch.eye(len(z), dtype=torch.bool)
    similarity = (z @ z.T / TEMPERATURE).masked_fill(itself, -1e9)
    same = (labels[:, None] == labels[None]) & ~itself
    log_shares = similarity - torch.logsumexp(similarity, 1, keepdim=True)
    return -((log_shares * same).sum(1) / same.sum(1).clamp(min=1)).mean()
