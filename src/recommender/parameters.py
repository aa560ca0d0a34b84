"""Every parameter of the project, its default and its meaning; named recipes; fingerprints."""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Literal

from recommender.errors import ParameterError


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ParameterError(message)


def _floor(x: float) -> int:
    # The products of durations and rates may fall short of a whole number by a rounding error.
    return math.floor(x + 1e-9)


@dataclass(frozen=True, kw_only=True)
class SpectrogramParams:
    """How sound becomes fragments of mel-spectrogram; the defaults are the thesis's own.

    Parameters
    ----------
    sr : int
        Sampling rate in Hz.
    frame_duration_s, hop_duration_s : float
        Length of a frame and distance between the starts of two frames, in seconds.
    window : {"rectangular", "hann"}
        Window function over a frame; Hann is periodic.
    fmin, fmax : float
        Where the filterbank begins and ends, in Hz.
    n_mels : int
        Number of triangular mel bands.
    n_frames : int
        Frames in a fragment.
    mel : {"described", "listing"}
        Filterbank as the thesis describes it, or as its published listing computes it (it ends at
        half of the mel range).
    compression : {"linear", "log"}
        Band energies as they are, or in decibels.
    reference : {"fragment", "absolute"}
        What becomes +1: the fragment's own maximum, or a full-scale sine.
    range_db : float
        With ``compression="log"``: the range in dB below the reference that is spread over [-1, 1].

    Raises
    ------
    ParameterError
        If a value makes no sense.
    """

    sr: int = 44_100
    frame_duration_s: float = 0.125
    hop_duration_s: float = 0.125
    window: Literal["rectangular", "hann"] = "rectangular"
    fmin: float = 0.0
    fmax: float = 11_024.0
    n_mels: int = 128
    n_frames: int = 64
    mel: Literal["described", "listing"] = "described"
    compression: Literal["linear", "log"] = "linear"
    reference: Literal["fragment", "absolute"] = "fragment"
    range_db: float = 80.0

    def __post_init__(self) -> None:
        _require(self.sr > 0, f"sr must be positive, not {self.sr}")
        for duration_s in (self.frame_duration_s, self.hop_duration_s):
            _require(math.isfinite(duration_s), f"{duration_s} s is not a duration")
        _require(self.frame_length >= 2, f"a frame of {self.frame_duration_s} s is too short")
        _require(self.hop_length >= 1, f"a hop of {self.hop_duration_s} s is too short")
        _require(self.window in ("rectangular", "hann"), f"unknown window {self.window!r}")
        _require(self.mel in ("described", "listing"), f"unknown filterbank {self.mel!r}")
        _require(self.compression in ("linear", "log"), f"unknown compression {self.compression!r}")
        _require(
            self.reference in ("fragment", "absolute"), f"unknown reference {self.reference!r}"
        )
        _require(
            0 <= self.fmin < self.fmax <= self.sr / 2,
            f"need 0 <= fmin < fmax <= sr/2, not {self.fmin}, {self.fmax} at {self.sr} Hz",
        )
        _require(self.n_bins >= 1, f"fmax of {self.fmax} Hz is below the first bin of the spectrum")
        _require(self.n_mels >= 1 and self.n_frames >= 1, "n_mels and n_frames must be at least 1")
        _require(0 < self.range_db < math.inf, f"range_db must be positive, not {self.range_db}")

    @property
    def frame_length(self) -> int:
        """Samples in a frame (the length of the Fourier transform)."""
        return _floor(self.frame_duration_s * self.sr)

    @property
    def hop_length(self) -> int:
        """Samples between the starts of two frames."""
        return _floor(self.hop_duration_s * self.sr)

    @property
    def bin_hz(self) -> float:
        """Distance between two bins of the spectrum, in Hz: the inverse of the frame's duration."""
        return 1.0 / self.frame_duration_s

    @property
    def n_bins(self) -> int:
        """Bins of the spectrum that are kept, from 0 Hz up to ``fmax``."""
        return min(_floor(self.frame_duration_s * self.fmax), self.frame_length // 2 + 1)

    @property
    def fragment_duration_s(self) -> float:
        """Distance between the starts of two fragments, in seconds."""
        return self.n_frames * self.hop_duration_s

    @property
    def fragment_length(self) -> int:
        """Samples between the starts of two fragments."""
        return _floor(self.fragment_duration_s * self.sr)

    @property
    def window_length(self) -> int:
        """Samples that a fragment needs, its last frame included."""
        return max((self.n_frames - 1) * self.hop_length + self.frame_length, self.fragment_length)


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
        _require(self.n_steps >= 1, f"{self.n_frames} frames are too few for the convolutions")

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
            _require(value >= 1, f"{name} must be at least 1, not {value}")


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
    standardise : bool
        Whether features are shifted and scaled by the negatives' mean and deviation first.
    """

    hidden: tuple[int, ...] = (1024, 128)
    activation: Literal["sigmoid", "relu"] = "sigmoid"
    dropout: float = 0.5
    standardise: bool = False

    def __post_init__(self) -> None:
        _require(all(n >= 1 for n in self.hidden), f"hidden widths must be positive: {self.hidden}")
        _require(self.activation in ("sigmoid", "relu"), f"unknown activation {self.activation!r}")
        _require(0 <= self.dropout < 1, f"dropout must lie in [0, 1), not {self.dropout}")


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
        _require(self.epochs >= 1, f"epochs must be at least 1, not {self.epochs}")
        _require(self.batch_size >= 1, f"batch_size must be at least 1, not {self.batch_size}")
        _require(self.patience >= 1, f"patience must be at least 1, not {self.patience}")
        _require(self.learning_rate > 0, f"learning_rate must be positive: {self.learning_rate}")
        _require(self.weight_decay >= 0, f"weight_decay must not be negative: {self.weight_decay}")
        _require(
            self.optimizer in ("sgd", "adam", "adam_l2", "rmsprop"),
            f"unknown optimizer {self.optimizer!r}",
        )
        _require(self.loss in ("squared", "bce", "cross_entropy"), f"unknown loss {self.loss!r}")
        _require(self.schedule in ("constant", "cosine"), f"unknown schedule {self.schedule!r}")
        _require(self.precision in ("float32", "bfloat16"), f"unknown precision {self.precision!r}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named way from sound to a profile.

    Attributes
    ----------
    name : str
        Also the name of the shipped preprocessor that belongs to it.
    spectrogram : SpectrogramParams
    network : NetworkParams
    training : TrainingParams
    fragments_per_track : int or None
        How many fragments of a liked track an epoch draws at most; ``None``: all.
    n_networks : int
        With more than one, the other music is dealt out in as many parts, each network learns from
        all parts but one, and a track is scored by the network that did not learn from it: else
        what is to be recommended would have been learned as "not liked".
    doubted_share : float
        Share of the other music that no network learns from, since it is most like the playlist:
        much of it would be liked.
    """

    name: str
    spectrogram: SpectrogramParams
    network: NetworkParams
    training: TrainingParams
    fragments_per_track: int | None = None
    n_networks: int = 1
    doubted_share: float = 0.0


THESIS = Recipe(
    name="thesis",
    spectrogram=SpectrogramParams(),
    network=NetworkParams(),
    training=TrainingParams(),
)
"""As the thesis writes it, targets that a sigmoid cannot reach included."""

DEFAULT = Recipe(
    name="default",
    spectrogram=SpectrogramParams(window="hann", compression="log"),
    network=NetworkParams(hidden=(64,), activation="relu", dropout=0.5),
    training=TrainingParams(
        epochs=12,
        batch_size=64,
        optimizer="adam",
        learning_rate=3e-3,
        weight_decay=1e-2,
        loss="bce",
        negative_target=0.0,
    ),
    fragments_per_track=10,
    n_networks=3,
    doubted_share=0.25,
)
"""The best that was measured."""

RECIPES = {recipe.name: recipe for recipe in (DEFAULT, THESIS)}


def suited(recipe: Recipe, *, whitened: bool) -> Recipe:
    """Return the recipe as it suits features.

    Parameters
    ----------
    recipe : Recipe
    whitened : bool
        Whether the features come out of the preprocessor whitened, as the shipped default's do.
        Those of the convolutions alone do not: the default recipe then standardises them, and
        learns at a third of its rate.
    """
    if whitened or recipe.name != DEFAULT.name:
        return recipe
    return dataclasses.replace(
        recipe,
        network=dataclasses.replace(recipe.network, standardise=True),
        training=dataclasses.replace(
            recipe.training, learning_rate=recipe.training.learning_rate / 3
        ),
    )


SPECTROGRAMS = {
    **{recipe.name: recipe.spectrogram for recipe in RECIPES.values()},
    "listing": SpectrogramParams(mel="listing"),
}
"""Spectrograms by name; "listing" has the filterbank of the thesis's published listing."""


def fingerprint(*parts: object) -> str:
    """Name of a way of making something: 16 hexadecimal digits, equal only for equal parts.

    Parameters
    ----------
    *parts
        Dataclasses, or anything that JSON can hold.
    """
    plain = [dataclasses.asdict(p) if dataclasses.is_dataclass(p) else p for p in parts]  # type: ignore[arg-type]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
