"""Genre networks that take a spectrogram for a picture: small kernels over time and frequency."""

import torch
from torch import Tensor, nn

from recommender.networks.base import GenreClassifier, float_counter, require


def _pooled(pool: int | tuple[int, int]) -> list[nn.Module]:
    # The same values in the other order, but ReLU has a fraction of them left to do.
    return [nn.MaxPool2d(pool), nn.ReLU()]


def _convolution(n_in: int, n_out: int, kernel: int) -> list[nn.Module]:
    norm = float_counter(nn.BatchNorm2d(n_out))
    return [nn.Conv2d(n_in, n_out, kernel), norm, *_pooled(2)]


def _channels_last(*layers: nn.Module) -> nn.Sequential:
    # With the maps innermost in memory, convolutions on CPUs take half of the time or less.
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


class Cnn2d(GenreClassifier):
    """CNN-2D of the bachelor's thesis on five networks: mel or MFCC of 3 s.

    Convolutions of 128 (3 x 3), 64 (3 x 3) and 64 (2 x 2) kernels without padding, each with ReLU,
    batch normalisation before it, and max-pooling by 2 x 2 (whose size the thesis does not give);
    dense 128 (ReLU), dropout 0.4, softmax.

    Parameters
    ----------
    input_shape : (int, int)
        Frames and bands of a piece, at least 18 of each.
    n_genres : int
    dropout : float

    Raises
    ------
    ParameterError
        If a piece has too few frames or bands.
    """

    def __init__(self, input_shape: tuple[int, int], n_genres: int, dropout: float = 0.4) -> None:
        n_frames, n_bands = input_shape
        super().__init__(n_bands)
        layers = [(3, 2), (3, 2), (2, 2)]
        n_left = require(n_frames, layers, "frames") * require(n_bands, layers, "bands")
        self.network = _channels_last(
            *_convolution(1, 128, 3),
            *_convolution(128, 64, 3),
            *_convolution(64, 64, 2),
            nn.Flatten(),
            nn.Linear(64 * n_left, 128),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(128, n_genres),
        )

    def scores(self, x: Tensor) -> Tensor:
        """Maps after the poolings for 129 x 128: 128 x 63 x 63, 64 x 30 x 30, 64 x 14 x 14."""
        return self.network(self.standardise(x)[:, None])  # type: ignore[no-any-return]


class SmallCnn2d(GenreClassifier):
    """Small 2-D CNN of an article: a mel-spectrogram of 128 bands and 660 frames.

    Convolution 16 (3 x 3), pooling 2 x 4, convolution 32 (3 x 3), pooling 2 x 4 (4 in time), dense
    64, softmax; ReLU. The article has dropout, but does not say how much, nor where: 0.25 after the
    dense layer here. Nor does it speak of padding: none.

    Parameters
    ----------
    input_shape : (int, int)
        Frames and bands of a piece, at least 26 frames and 10 bands.
    n_genres : int
    dropout : float

    Raises
    ------
    ParameterError
        If a piece has too few frames or bands.
    """

    def __init__(self, input_shape: tuple[int, int], n_genres: int, dropout: float = 0.25) -> None:
        n_frames, n_bands = input_shape
        super().__init__(n_bands)
        n_left = require(n_frames, [(3, 4)] * 2, "frames")
        n_left *= require(n_bands, [(3, 2)] * 2, "bands")
        self.network = _channels_last(
            nn.Conv2d(1, 16, 3),
            *_pooled((4, 2)),
            nn.Conv2d(16, 32, 3),
            *_pooled((4, 2)),
            nn.Flatten(),
            nn.Linear(32 * n_left, 64),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(64, n_genres),
        )

    def scores(self, x: Tensor) -> Tensor:
        """Maps after the poolings for 660 x 128: 16 x 164 x 63, 32 x 40 x 30."""
        return self.network(self.standardise(x)[:, None])  # type: ignore[no-any-return]
