"""The genre network of the diploma thesis, whose convolutions become the frozen preprocessor."""

from torch import Tensor, nn
from torch.nn import functional

from recommender.networks.base import GenreClassifier
from recommender.parameters import ConvolutionParams


class GenreNetwork(GenreClassifier):
    """Convolutional genre classifier on fragments (thesis: preprocessor network, layers 1 to 13).

    Both kernels span their whole "frequency" axis (all bands; then all 256 maps), so both
    convolutions are one-dimensional, over time.

    Parameters
    ----------
    shape : ConvolutionParams
    n_genres : int
        Number of classes.
    """

    def __init__(self, shape: ConvolutionParams, n_genres: int) -> None:
        super().__init__(shape.n_mels)
        self.conv1 = nn.Conv1d(shape.n_mels, shape.n_kernels_1, shape.kernel_frames_1)
        self.conv2 = nn.Conv1d(shape.n_kernels_1, shape.n_kernels_2, shape.kernel_frames_2)
        self.dense1 = nn.Linear(shape.n_features, 1024)
        self.dense2 = nn.Linear(1024, 128)
        self.dense3 = nn.Linear(128, n_genres)

    def features(self, x: Tensor) -> Tensor:
        """Layers 1 to 7: fragments ``(n, n_frames, n_mels)`` to features ``(n, n_features)``."""
        x = self.standardise(x).transpose(1, 2)
        x = functional.max_pool1d(functional.relu(self.conv1(x)), 2)
        x = functional.dropout(x, 0.25, self.training)
        x = functional.max_pool1d(functional.relu(self.conv2(x)), 2, ceil_mode=True)
        return x.flatten(1)

    def scores(self, x: Tensor) -> Tensor:
        """Layers 1 to 13, but for the softmax."""
        x = functional.dropout(self.features(x), 0.25, self.training)
        x = functional.dropout(functional.relu(self.dense1(x)), 0.5, self.training)
        x = functional.dropout(functional.relu(self.dense2(x)), 0.5, self.training)
        return self.dense3(x)  # type: ignore[no-any-return]
