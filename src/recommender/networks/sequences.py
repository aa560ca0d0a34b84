"""Genre networks along time: convolutions over frames, recurrent layers, and both.

The convolutions have no padding and span all bands. Inputs may have any number of frames that
leaves something to the last layer.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender.networks.base import GenreClassifier, float_counter, require


def _convolution(n_in: int, n_out: int, kernel: int = 3) -> list[nn.Module]:
    return [nn.Conv1d(n_in, n_out, kernel), float_counter(nn.BatchNorm1d(n_out)), nn.ReLU()]


class ConvLstm(GenreClassifier):
    """Conference paper on MFCC, convolution and LSTM: MFCC of 30 s of a track.

    Three times a convolution with 256 kernels of 5 frames, ReLU and max-pooling by 2; then an LSTM
    of 256 units (tanh), whose last state goes to the softmax.

    Parameters
    ----------
    input_shape : (int, int)
        Frames and coefficients of a piece, at least 36 frames.
    n_genres : int
    dropout : float
        After each pooling; the paper found that 0.5 cost about 20 points, and has none.

    Raises
    ------
    ParameterError
        If a piece has too few frames.
    """

    def __init__(self, input_shape: tuple[int, int], n_genres: int, dropout: float = 0.0) -> None:
        n_frames, n_bands = input_shape
        super().__init__(n_bands)
        require(n_frames, [(5, 2)] * 3, "frames")
        layers: list[nn.Module] = []
        for n_in in (n_bands, 256, 256):
            layers += [nn.Conv1d(n_in, 256, 5), nn.ReLU(), nn.MaxPool1d(2), nn.Dropout(dropout)]
        self.convolutions = nn.Sequential(*layers)
        self.lstm = nn.LSTM(256, 256, batch_first=True)
        self.output = nn.Linear(256, n_genres)

    def scores(self, x: Tensor) -> Tensor:
        """Shapes for 1,292 frames: 256 x 158, 256, n_genres."""
        x = self.convolutions(self.standardise(x).transpose(1, 2))
        steps, _ = self.lstm(x.transpose(1, 2))
        return self.output(steps[:, -1])  # type: ignore[no-any-return]


class Cnn1d(GenreClassifier):
    """CNN-1D of the bachelor's thesis on five networks: mel or MFCC of 3 s.

    Convolution 256 x 3, max-pooling by 2, convolution 128 x 3, global max-pooling, dense 512,
    dropout 0.5, softmax. The thesis names batch normalisation and ReLU for the networks in general;
    here they follow each convolution in this order, as it spells out for its CRNN.

    Parameters
    ----------
    input_shape : (int, int)
        Frames and bands of a piece, at least 10 frames.
    n_genres : int
    dropout : float

    Raises
    ------
    ParameterError
        If a piece has too few frames.
    """

    def __init__(self, input_shape: tuple[int, int], n_genres: int, dropout: float = 0.5) -> None:
        n_frames, n_bands = input_shape
        super().__init__(n_bands)
        # A batch of one piece still needs two steps to be normalised over.
        require(n_frames, [(3, 2), (3, 1)], "frames", last=2)
        self.convolutions = nn.Sequential(
            *_convolution(n_bands, 256), nn.MaxPool1d(2), *_convolution(256, 128)
        )
        self.dense = nn.Linear(128, 512)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(512, n_genres)

    def scores(self, x: Tensor) -> Tensor:
        """Shapes for 129 frames: 128 x 61, 128, 512, n_genres."""
        x = self.convolutions(self.standardise(x).transpose(1, 2)).amax(2)
        return self.output(self.dropout(functional.relu(self.dense(x))))  # type: ignore[no-any-return]


class StackedLstm(GenreClassifier):
    """LSTM of the bachelor's thesis on five networks: mel or MFCC of 3 s.

    LSTM 128, LSTM 64, dense 64 (ReLU), softmax. Its batch normalisation is taken to belong to
    convolutions, of which there are none here.

    Parameters
    ----------
    input_shape : (int, int)
        Frames and bands of a piece.
    n_genres : int

    Raises
    ------
    ParameterError
        If a piece has no frames.
    """

    def __init__(self, input_shape: tuple[int, int], n_genres: int) -> None:
        n_frames, n_bands = input_shape
        super().__init__(n_bands)
        require(n_frames, [], "frames")
        self.lstm1 = nn.LSTM(n_bands, 128, batch_first=True)
        self.lstm2 = nn.LSTM(128, 64, batch_first=True)
        self.dense = nn.Linear(64, 64)
        self.output = nn.Linear(64, n_genres)

    def scores(self, x: Tensor) -> Tensor:
        """Shapes for 129 frames: 129 x 128, 64, 64, n_genres."""
        steps, _ = self.lstm1(self.standardise(x))
        steps, _ = self.lstm2(steps)
        return self.output(functional.relu(self.dense(steps[:, -1])))  # type: ignore[no-any-return]


class Crnn(GenreClassifier):
    """CRNN of the bachelor's thesis on five networks: mel or MFCC of 3 s.

    Three times convolution, batch normalisation, ReLU and max-pooling by 2; LSTM 128, dense 64
    (ReLU), softmax. The thesis does not give the kernels: 128 of 3 frames, as its CNN-1D ends with.

    Parameters
    ----------
    input_shape : (int, int)
        Frames and bands of a piece, at least 22 frames.
    n_genres : int

    Raises
    ------
    ParameterError
        If a piece has too few frames.
    """

    def __init__(self, input_shape: tuple[int, int], n_genres: int) -> None:
        n_frames, n_bands = input_shape
        super().__init__(n_bands)
        require(n_frames, [(3, 2)] * 3, "frames")
        layers: list[nn.Module] = []
        for n_in in (n_bands, 128, 128):
            layers += [*_convolution(n_in, 128), nn.MaxPool1d(2)]
        self.convolutions = nn.Sequential(*layers)
        self.lstm = nn.LSTM(128, 128, batch_first=True)
        self.dense = nn.Linear(128, 64)
        self.output = nn.Linear(64, n_genres)

    def scores(self, x: Tensor) -> Tensor:
        """Shapes for 129 frames: 128 x 14, 128, 64, n_genres."""
        x = self.convolutions(self.standardise(x).transpose(1, 2))
        steps, _ = self.lstm(x.transpose(1, 2))
        return self.output(functional.relu(self.dense(steps[:, -1])))  # type: ignore[no-any-return]


class Parallel(GenreClassifier):
    """Parallel network of the bachelor's thesis on five networks: mel or MFCC of 3 s.

    Twice convolution, batch normalisation, ReLU and max-pooling by 2, flattened, beside a GRU's
    last state; both together go to the softmax. The thesis does not give the sizes: 64 kernels of
    3 frames each, 128 units.

    Parameters
    ----------
    input_shape : (int, int)
        Frames and bands of a piece, at least 10 frames.
    n_genres : int

    Raises
    ------
    ParameterError
        If a piece has too few frames.
    """

    def __init__(self, input_shape: tuple[int, int], n_genres: int) -> None:
        n_frames, n_bands = input_shape
        super().__init__(n_bands)
        n_steps = require(n_frames, [(3, 2)] * 2, "frames")
        self.convolutions = nn.Sequential(
            *_convolution(n_bands, 64), nn.MaxPool1d(2), *_convolution(64, 64), nn.MaxPool1d(2)
        )
        self.gru = nn.GRU(n_bands, 128, batch_first=True)
        self.output = nn.Linear(64 * n_steps + 128, n_genres)

    def scores(self, x: Tensor) -> Tensor:
        """Shapes for 129 frames: 64 x 30 beside 128, 2,048, n_genres."""
        x = self.standardise(x)
        steps, _ = self.gru(x)
        maps = self.convolutions(x.transpose(1, 2)).flatten(1)
        return self.output(torch.cat([maps, steps[:, -1]], 1))  # type: ignore[no-any-return]
