"""Genre networks without convolution or memory: dense layers on all that a piece holds."""

import itertools
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from recommender.networks.base import GenreClassifier


class FeedForward(GenreClassifier):
    """Dense layers on the flattened piece, then a softmax.

    The conference paper on MFCC, convolution and LSTM compares with a pattern-recognition network:
    tansig (tanh) hidden, softmax out. It does not say how many units: 10, the default of the
    toolbox that its terms come from. The article with the small 2-D CNN compares with a
    feed-forward net on its spectrograms; of it only ReLU is known, so take ``hidden=(64,)``, as
    its CNN has, and ``activation="relu"``.

    Parameters
    ----------
    input_shape : (int, int)
        Frames and bands of a piece; (1, n_features) for vectors.
    n_genres : int
    hidden : sequence of int
        Widths of the hidden layers; with none it is logistic regression.
    activation : {"tanh", "relu"}
        After each hidden layer.
    dropout : float
        After each activation.
    """

    def __init__(
        self,
        input_shape: tuple[int, int],
        n_genres: int,
        hidden: Sequence[int] = (10,),
        activation: Literal["tanh", "relu"] = "tanh",
        dropout: float = 0.0,
    ) -> None:
        n_frames, n_bands = input_shape
        super().__init__(n_bands)
        widths = (n_frames * n_bands, *hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for n_in, n_out in itertools.pairwise(widths):
            layers += [
                nn.Linear(n_in, n_out),
                nn.Tanh() if activation == "tanh" else nn.ReLU(),
                nn.Dropout(dropout),
            ]
        self.network = nn.Sequential(*layers, nn.Linear(widths[-1], n_genres))

    def scores(self, x: Tensor) -> Tensor:
        """Pieces to scores."""
        return self.network(self.standardise(x))  # type: ignore[no-any-return]


class PatchDense(FeedForward):
    """Fully connected net of the course project: 30 hidden units (ReLU), dropout 0.5.

    Its inputs are the embeddings of all patches of a track, side by side.

    Parameters
    ----------
    input_shape : (int, int)
        Patches of a track, and dimensions of an embedding.
    n_genres : int
    hidden : int
    dropout : float
    """

    def __init__(
        self,
        input_shape: tuple[int, int],
        n_genres: int,
        hidden: int = 30,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(input_shape, n_genres, (hidden,), "relu", dropout)
