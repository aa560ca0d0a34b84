"""The networks, as torch modules.

`GenreNetwork` is the thesis's genre network, whose convolutions become the frozen preprocessor;
`ListenerNetwork` is the dense network of one person.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender.parameters import ConvolutionParams, NetworkParams


class GenreNetwork(nn.Module):
    """Convolutional genre classifier on fragments (thesis: preprocessor network, layers 1 to 13).

    Both kernels span their whole "frequency" axis (all bands; then all 256 maps), so both
    convolutions are one-dimensional, over time.

    Parameters
    ----------
    shape : ConvolutionParams
    n_genres : int
        Number of classes.
    """

    band_mean: Tensor
    band_std: Tensor

    def __init__(self, shape: ConvolutionParams, n_genres: int) -> None:
        super().__init__()
        self.register_buffer("band_mean", torch.zeros(shape.n_mels))
        self.register_buffer("band_std", torch.ones(shape.n_mels))
        self.conv1 = nn.Conv1d(shape.n_mels, shape.n_kernels_1, shape.kernel_frames_1)
        self.conv2 = nn.Conv1d(shape.n_kernels_1, shape.n_kernels_2, shape.kernel_frames_2)
        self.dense1 = nn.Linear(shape.n_features, 1024)
        self.dense2 = nn.Linear(1024, 128)
        self.dense3 = nn.Linear(128, n_genres)

    def features(self, x: Tensor) -> Tensor:
        """Layers 1 to 7: fragments ``(n, n_frames, n_mels)`` to features ``(n, n_features)``."""
        x = ((x - self.band_mean) / self.band_std).transpose(1, 2)
        x = functional.max_pool1d(functional.relu(self.conv1(x)), 2)
        x = functional.dropout(x, 0.25, self.training)
        x = functional.max_pool1d(functional.relu(self.conv2(x)), 2, ceil_mode=True)
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Fragments ``(n, n_frames, n_mels)`` to the logarithms of shares, ``(n, n_genres)``."""
        x = functional.dropout(self.features(x), 0.25, self.training)
        x = functional.dropout(functional.relu(self.dense1(x)), 0.5, self.training)
        x = functional.dropout(functional.relu(self.dense2(x)), 0.5, self.training)
        return functional.log_softmax(self.dense3(x), dim=1)


class ListenerNetwork(nn.Module):
    """Dense network of one person: features of a fragment to a logit of being liked.

    With the thesis's parameters: 1,920, dense 1,024 sigmoid, dropout 0.5, dense 128 sigmoid,
    dropout 0.5, dense 1 (whose sigmoid is taken outside).
    """

    def __init__(self, n_features: int, params: NetworkParams) -> None:
        super().__init__()
        widths = (n_features, *params.hidden)
        self.hidden = nn.ModuleList(
            nn.Linear(n_in, n_out) for n_in, n_out in itertools.pairwise(widths)
        )
        self.output = nn.Linear(widths[-1], 1)
        self.activation = torch.sigmoid if params.activation == "sigmoid" else torch.relu
        self.dropout = params.dropout

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(n, n_features)`` to logits ``(n,)``."""
        for layer in self.hidden:
            x = functional.dropout(self.activation(layer(x)), self.dropout, self.training)
        return self.output(x).squeeze(1)  # type: ignore[no-any-return]
