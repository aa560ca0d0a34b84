"""The genre network of the shipped preprocessor: convolutions, and what timbre tells."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender.networks.base import GenreClassifier, float_counter
from recommender.parameters import ConvolutionParams, FusionParams


class FusionNetwork(GenreClassifier):
    """Dense layers that join the thesis's two convolutions with statistics of timbre.

    What the second convolution's maps say is taken as its mean and its maximum over a fragment's
    time. Statistics are taken of a fine and of the coarse spectrogram (module `timbre`).

    Parameters
    ----------
    shape : ConvolutionParams
    fusion : FusionParams
    n_genres : int

    Attributes
    ----------
    statistics_mean, statistics_std : Tensor, shape (n_statistics,)
        Subtracted from the statistics, and divided by; 0 and 1 until somebody sets them.
    """

    statistics_mean: Tensor
    statistics_std: Tensor

    def __init__(self, shape: ConvolutionParams, fusion: FusionParams, n_genres: int) -> None:
        super().__init__(shape.n_mels)
        self.shape, self.fusion = shape, fusion
        self.register_buffer("statistics_mean", torch.zeros(fusion.n_statistics))
        self.register_buffer("statistics_std", torch.ones(fusion.n_statistics))
        self.conv1 = nn.Conv1d(shape.n_mels, shape.n_kernels_1, shape.kernel_frames_1)
        self.conv2 = nn.Conv1d(shape.n_kernels_1, shape.n_kernels_2, shape.kernel_frames_2)
        self.norm0 = _norm(2 * shape.n_kernels_2)
        self.dense1 = nn.Linear(2 * shape.n_kernels_2 + fusion.n_statistics, fusion.n_hidden)
        self.norm1 = _norm(fusion.n_hidden)
        self.dense2 = nn.Linear(fusion.n_hidden, fusion.n_embedding)
        self.norm2 = _norm(fusion.n_embedding)
        self.output = nn.Linear(fusion.n_embedding, n_genres)

    def pack(self, fragments: Tensor, statistics: Tensor) -> Tensor:
        """Put fragments ``(n, n_frames, n_mels)`` and statistics side by side, as inputs."""
        return torch.cat([fragments.flatten(1), statistics], dim=1)

    def standardised(self, x: Tensor) -> Tensor:
        """Statistics of packed inputs, shifted and scaled: ``(n, n_statistics)``."""
        statistics = x[:, -self.fusion.n_statistics :]
        return (statistics - self.statistics_mean) / self.statistics_std

    def embed(self, x: Tensor) -> Tensor:
        """Packed inputs to embeddings ``(n, n_embedding)``, batch-normalised."""
        maps = x[:, : -self.fusion.n_statistics].reshape(len(x), -1, self.shape.n_mels)
        maps = self.standardise(maps).transpose(1, 2)
        maps = functional.max_pool1d(functional.relu(self.conv1(maps)), 2)
        maps = functional.dropout(maps, 0.25, self.training)
        maps = functional.max_pool1d(functional.relu(self.conv2(maps)), 2, ceil_mode=True).float()
        pooled = self.norm0(torch.cat([maps.mean(2), maps.amax(2)], dim=1))
        z = self.standardised(x)
        if self.training:
            z = z + 0.3 * torch.randn_like(z)
        z = functional.dropout(z, 0.2, self.training)
        joined = torch.cat([functional.dropout(pooled, 0.4, self.training), z], dim=1)
        hidden = functional.relu(self.norm1(self.dense1(joined).float()))
        hidden = functional.dropout(hidden, 0.4, self.training)
        return self.norm2(self.dense2(hidden).float())  # type: ignore[no-any-return]

    def scores(self, x: Tensor) -> Tensor:
        """Packed inputs ``(n, n_frames * n_mels + n_statistics)`` to scores."""
        return self.output(functional.relu(self.embed(x)))  # type: ignore[no-any-return]


def _norm(n: int) -> nn.Module:
    return float_counter(nn.BatchNorm1d(n))
