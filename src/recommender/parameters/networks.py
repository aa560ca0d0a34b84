"""Shapes of networks, and how they are trained."""

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args

from recommender.parameters.checking import require


@dataclass(frozen=True, kw_only=True)
class ConvolutionParams:
    """Shape of the two convolutions that become the preprocessor; the defaults are the thesis's.

    Parameters
    ----------
    n_frames, n_mels : int
        Shape of a fragment.
    n_kernels_1, n_kernels_2 : int
        Kernels of the first and of the second convolution.
    kernel_frames_1, kernel_frames_2 : int
        Their lengths in time steps; each spans all bands (the second: all maps of the first).

    Raises
    ------
    ParameterError
        If a fragment has too few frames for them.
    """

    n_frames: int = 64
    n_mels: int = 128
    n_kernels_1: int = 256
    kernel_frames_1: int = 4
    n_kernels_2: int = 128
    kernel_frames_2: int = 2

    def __post_init__(self) -> None:
        require(self.n_steps >= 1, f"{self.n_frames} frames are too few for the convolutions")

    @property
    def n_steps(self) -> int:
        """Time steps after the second pooling, which keeps an odd last one: 15 for 64 frames."""
        pooled = (self.n_frames - self.kernel_frames_1 + 1) // 2
        return -(-(pooled - self.kernel_frames_2 + 1) // 2)

    @property
    def n_features(self) -> int:
        """Features of a fragment: 1,920 for 64 frames."""
        return self.n_kernels_2 * self.n_steps

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all weights by name, with the bands' mean and deviation before them."""
        return {
            "band_mean": (self.n_mels,),
            "band_std": (self.n_mels,),
            "conv1.weight": (self.n_kernels_1, self.n_mels, self.kernel_frames_1),
            "conv1.bias": (self.n_kernels_1,),
            "conv2.weight": (self.n_kernels_2, self.n_kernels_1, self.kernel_frames_2),
            "conv2.bias": (self.n_kernels_2,),
        }


@dataclass(frozen=True, kw_only=True)
class FusionParams:
    """Shape of what joins the convolutions with statistics of timbre.

    Parameters
    ----------
    fine_frame_length, fine_hop_length : int
        Of the fine spectrogram that statistics are taken of, in samples.
    n_statistics : int
        Of the fine and of the coarse spectrogram together.
    n_hidden, n_embedding : int
        Widths of the dense layers.
    n_features : int
        Numbers that a fragment becomes in the end.
    """

    fine_frame_length: int = 2_048
    fine_hop_length: int = 1_024
    n_statistics: int = 948
    n_hidden: int = 512
    n_embedding: int = 256
    n_features: int = 256

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            require(value >= 1, f"{name} must be at least 1, not {value}")


Scaling = Literal["none", "centre", "standardise"]
"""Of features: none; or the mean of the other music is subtracted, with "standardise" they are
divided by its deviation too, and then each fragment's are brought to the same length."""


@dataclass(frozen=True, kw_only=True)
class NetworkParams:
    """The dense network of one person: from features to the probability of being liked.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    activation : {"sigmoid", "relu"}
        After each hidden layer; the output is always a sigmoid.
    dropout : float
        After each hidden layer, in [0, 1).
    scaling : {"none", "centre", "standardise"}
        What is done to features first, see `Scaling`.
    """

    hidden: tuple[int, ...] = (1024, 128)
    activation: Literal["sigmoid", "relu"] = "sigmoid"
    dropout: float = 0.5
    scaling: Scaling = "none"

    def __post_init__(self) -> None:
        require(all(n >= 1 for n in self.hidden), f"hidden widths must be positive: {self.hidden}")
        require(self.activation in ("sigmoid", "relu"), f"unknown activation {self.activation!r}")
        require(0 <= self.dropout < 1, f"dropout must lie in [0, 1), not {self.dropout}")
        require(self.scaling in get_args(Scaling), f"unknown scaling {self.scaling!r}")


@dataclass(frozen=True, kw_only=True)
class TrainingParams:
    """How a network is trained.

    Parameters
    ----------
    epochs, batch_size : int
    optimizer : {"sgd", "adam", "adam_l2", "rmsprop"}
        "adam" is AdamW; "adam_l2" is Adam with its decay as a penalty.
    learning_rate : float
    weight_decay : float
        Of "adam": how much all weights shrink in each step, times the learning rate. Of the others:
        an L2 penalty, ``weight_decay / 2`` times the sum of all squared weights, is added to the
        loss.
    loss : {"squared", "bce", "cross_entropy"}
        Of profiles: squared error against targets +1 and ``negative_target``, or binary
        cross-entropy. Of genre networks: cross-entropy.
    negative_target : float
        Target of a negative: the thesis writes -1, which a sigmoid cannot reach.
    patience : int
        Epochs without a better validation score after which training stops, where it validates.
    seed : int
    schedule : {"constant", "cosine"}
        Learning rate: as it is, or rising over the first tenth of all steps, then falling to 0 as a
        cosine does.
    precision : {"float32", "bfloat16"}
        Of the layers while training; weights and losses are always float32. With bfloat16, CPUs
        that compute with it train large convolutions two to three times as fast.
    """

    epochs: int = 20
    batch_size: int = 16
    optimizer: Literal["sgd", "adam", "adam_l2", "rmsprop"] = "sgd"
    learning_rate: float = 0.01
    weight_decay: float = 0.0
    loss: Literal["squared", "bce", "cross_entropy"] = "squared"
    negative_target: float = -1.0
    patience: int = 10
    seed: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        require(self.epochs >= 1, f"epochs must be at least 1, not {self.epochs}")
        require(self.batch_size >= 1, f"batch_size must be at least 1, not {self.batch_size}")
        require(self.patience >= 1, f"patience must be at least 1, not {self.patience}")
        require(self.learning_rate > 0, f"learning_rate must be positive: {self.learning_rate}")
        require(self.weight_decay >= 0, f"weight_decay must not be negative: {self.weight_decay}")
        require(
            self.optimizer in ("sgd", "adam", "adam_l2", "rmsprop"),
            f"unknown optimizer {self.optimizer!r}",
        )
        require(self.loss in ("squared", "bce", "cross_entropy"), f"unknown loss {self.loss!r}")
        require(self.schedule in ("constant", "cosine"), f"unknown schedule {self.schedule!r}")
        require(self.precision in ("float32", "bfloat16"), f"unknown precision {self.precision!r}")
