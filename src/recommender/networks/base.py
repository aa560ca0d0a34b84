"""What all genre networks have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender.errors import ParameterError


class GenreClassifier(nn.Module, ABC):
    """A network from pieces of sound to shares of genres.

    All weights are float32. They start as torch's own, which follow its global generator.

    Parameters
    ----------
    n_bands : int
        Length of the last axis of its inputs: mel bands, coefficients, dimensions.

    Attributes
    ----------
    band_mean, band_std : Tensor, shape (n_bands,)
        Subtracted from each band, and divided by; 0 and 1 until somebody sets them.
    """

    band_mean: Tensor
    band_std: Tensor

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.register_buffer("band_mean", torch.zeros(n_bands))
        self.register_buffer("band_std", torch.ones(n_bands))

    def standardise(self, x: Tensor) -> Tensor:
        """Shift and scale each band of ``(n, n_frames, n_bands)``."""
        return (x - self.band_mean) / self.band_std

    @abstractmethod
    def scores(self, x: Tensor) -> Tensor:
        """Pieces ``(n, n_frames, n_bands)`` to scores ``(n, n_genres)``, which softmax shares."""

    def forward(self, x: Tensor) -> Tensor:
        """Pieces ``(n, n_frames, n_bands)`` to the logarithms of shares, ``(n, n_genres)``."""
        # In full precision, also where the layers before are computed in half of it.
        return functional.log_softmax(self.scores(x).float(), dim=1)


def require(n: int, layers: Sequence[tuple[int, int]], what: str, *, last: int = 1) -> int:
    """Length of an axis after unpadded convolutions, each followed by a max-pooling.

    Parameters
    ----------
    n : int
        Length before.
    layers : sequence of (int, int)
        Lengths of each kernel and of the pooling after it (1: none).
    what : str
        What the axis counts, for the message.
    last : int
        What must be left in the end.

    Raises
    ------
    ParameterError
        If less is left; it names the least length.
    """
    left, least = n, last
    for kernel, pool in layers:
        left = (left - kernel + 1) // pool
    for kernel, pool in reversed(layers):
        least = least * pool + kernel - 1
    if n < least:
        raise ParameterError(f"this network needs at least {least} {what}, not {n}")
    return left


def float_counter(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
    """Make torch's counter of batches float32, as all weights are."""
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked = norm.num_batches_tracked.float()
    return norm
