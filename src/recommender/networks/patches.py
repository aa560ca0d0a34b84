"""Genre networks of the course project, on sequences of embeddings of patches of sound."""

from torch import Tensor, nn
from torch.nn import functional

from recommender.networks.base import GenreClassifier, require


class PatchLstm(GenreClassifier):
    """LSTM over patches: 2 layers of 64 units, whose last state goes to the softmax.

    Parameters
    ----------
    input_shape : (int, int)
        Patches of a track, and dimensions of an embedding.
    n_genres : int
    hidden : int
        Units of a layer; searched from 8 to 512.
    layers : int
        Searched from 1 to 5.
    dropout_between : float
        Between the layers; of the two published dropouts the first. Searched from 0 to 0.25.
    dropout : float
        Before the softmax; the second. Searched likewise.

    Raises
    ------
    ParameterError
        If there are no patches.
    """

    def __init__(
        self,
        input_shape: tuple[int, int],
        n_genres: int,
        hidden: int = 64,
        layers: int = 2,
        dropout_between: float = 0.1,
        dropout: float = 0.15,
    ) -> None:
        n_patches, n_dims = input_shape
        super().__init__(n_dims)
        require(n_patches, [], "patches")
        between = dropout_between if layers > 1 else 0.0
        self.lstm = nn.LSTM(n_dims, hidden, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, n_genres)

    def scores(self, x: Tensor) -> Tensor:
        """Patches ``(n, n_patches, n_dims)`` to scores."""
        steps, _ = self.lstm(self.standardise(x))
        return self.output(self.dropout(steps[:, -1]))  # type: ignore[no-any-return]


class PatchCnn(GenreClassifier):
    """Two convolutions over patches and a linear layer.

    The project does not give their sizes: 64 kernels of 3 patches each, without padding, with ReLU;
    all that they give goes to the linear layer.

    Parameters
    ----------
    input_shape : (int, int)
        Patches of a track, at least 5, and dimensions of an embedding.
    n_genres : int

    Raises
    ------
    ParameterError
        If there are too few patches.
    """

    def __init__(self, input_shape: tuple[int, int], n_genres: int) -> None:
        n_patches, n_dims = input_shape
        super().__init__(n_dims)
        n_left = require(n_patches, [(3, 1)] * 2, "patches")
        self.conv1 = nn.Conv1d(n_dims, 64, 3)
        self.conv2 = nn.Conv1d(64, 64, 3)
        self.output = nn.Linear(64 * n_left, n_genres)

    def scores(self, x: Tensor) -> Tensor:
        """Shapes for 31 patches: 64 x 29, 64 x 27, n_genres."""
        x = functional.relu(self.conv1(self.standardise(x).transpose(1, 2)))
        x = functional.relu(self.conv2(x))
        return self.output(x.flatten(1))  # type: ignore[no-any-return]
