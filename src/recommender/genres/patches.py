"""Patches of mel-spectrogram for networks in ONNX files, and the description that they come with.

The description is a JSON file: an object whose keys are the fields of `PatchSpectrogram`. For a
VGG-like network on patches of 0.96 s, say::

    {"sr": 16000, "frame_length": 400, "hop_length": 160, "n_fft": 512, "n_mels": 64,
     "fmin": 125, "fmax": 7500, "n_frames": 96, "layout": "n1tf"}
"""

import dataclasses
import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from recommender.errors import ParameterError
from recommender.extras import need

_CHUNK = 2_048  # frames at a time


@dataclass(frozen=True, kw_only=True)
class PatchSpectrogram:
    """What an ONNX network is fed with: patches of a mel-spectrogram.

    Parameters
    ----------
    sr : int
        Sampling rate in Hz.
    frame_length, hop_length : int
        Samples in a frame, and between the starts of two.
    n_mels : int
    fmin, fmax : float
        Where the filterbank begins and ends, in Hz.
    n_frames : int
        Frames in a patch.
    hop_frames : int, optional
        Frames between the starts of two patches; by default one patch follows the other.
    n_fft : int, optional
        Length of the Fourier transform, if frames are filled up with zeros.
    window : {"hann", "rectangular"}
        Hann is periodic.
    power : {1, 2}
        Bands are sums of magnitudes or of powers.
    mel : {"htk", "slaney"}
        Scale and triangles as librosa builds them: HTK's, of peak 1, or Slaney's, of area 1.
    compression : {"log", "db", "linear"}
        Natural logarithm, ten times the decimal one, or none, of bands plus `offset`.
    offset : float
    layout : str
        Axes of the input: n patches, t frames, f bands, 1 for axes of length one; "n1tf", say.
    input, output : str, optional
        Names in the file, if it has several. The output is (n patches, n_dims).

    Raises
    ------
    ParameterError
        If a value makes no sense.
    """

    sr: int
    frame_length: int
    hop_length: int
    n_mels: int
    fmin: float
    fmax: float
    n_frames: int
    hop_frames: int | None = None
    n_fft: int | None = None
    window: Literal["hann", "rectangular"] = "hann"
    power: Literal[1, 2] = 1
    mel: Literal["htk", "slaney"] = "htk"
    compression: Literal["log", "db", "linear"] = "log"
    offset: float = 0.01
    layout: str = "ntf"
    input: str | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        for name in ("sr", "frame_length", "hop_length", "n_mels", "n_frames"):
            _require(_is_count(getattr(self, name)), f"{name} must be a whole number above 0")
        for name in ("hop_frames", "n_fft"):
            value = getattr(self, name)
            _require(value is None or _is_count(value), f"{name} must be a whole number above 0")
        for name in ("fmin", "fmax", "offset"):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and math.isfinite(value)
            _require(is_number and value >= 0, f"{name} must be a number, 0 or above")
        _require(self.fmin < self.fmax <= self.sr / 2, "need fmin < fmax <= sr/2")
        _require(self.length >= self.frame_length, "n_fft must not be below frame_length")
        _require(self.window in ("hann", "rectangular"), f"unknown window {self.window!r}")
        _require(self.power in (1, 2), f"power must be 1 or 2, not {self.power!r}")
        _require(self.mel in ("htk", "slaney"), f"unknown mel scale {self.mel!r}")
        known = self.compression in ("log", "db", "linear")
        _require(known, f"unknown compression {self.compression!r}")
        _require(self.compression == "linear" or self.offset > 0, "log and db need an offset")
        axes = sorted(str(self.layout).replace("1", ""))
        _require(axes == ["f", "n", "t"], f"layout must have n, t and f once: {self.layout!r}")
        for name in ("input", "output"):
            value = getattr(self, name)
            _require(value is None or isinstance(value, str), f"{name} must be a name")

    @property
    def length(self) -> int:
        """Samples that the Fourier transform takes."""
        return self.n_fft or self.frame_length


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ParameterError(message)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def read_description(path: Path) -> PatchSpectrogram:
    """Read the description of an ONNX file's input.

    Raises
    ------
    ParameterError
        If it is missing, or if a key or a value does not fit.
    """
    fields = dataclasses.fields(PatchSpectrogram)
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        names = ", ".join(field.name for field in fields)
        raise ParameterError(
            f"{path}: an ONNX file needs a description of its input here, a JSON object with the"
            f" keys {names} ({error})"
        ) from None
    if not isinstance(keys, dict):
        raise ParameterError(f"{path}: not a JSON object")
    if unknown := sorted(set(keys) - {field.name for field in fields}):
        raise ParameterError(f"{path}: unknown key {unknown[0]!r}")
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    if missing := sorted(needed - set(keys)):
        raise ParameterError(f"{path}: the key {missing[0]!r} is missing")
    try:
        return PatchSpectrogram(**keys)
    except (ParameterError, TypeError) as error:
        raise ParameterError(f"{path}: {error}") from None


def patch_spectrograms(
    y: NDArray[np.float32], params: PatchSpectrogram, bank: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Compute the patches of a sound.

    Parameters
    ----------
    y : ndarray of float32, shape (n_samples,)
        Not empty; a sound shorter than a patch is repeated.
    params : PatchSpectrogram
    bank : ndarray, shape (n_mels, n_bins)
        See `filterbank`.

    Returns
    -------
    ndarray of float32, shape (n_patches, n_frames, n_mels)
        As many whole patches as there are.
    """
    p = params
    needed = (p.n_frames - 1) * p.hop_length + p.frame_length
    y = y if len(y) >= needed else np.resize(y, needed)
    hann = p.window == "hann"
    window = np.hanning(p.frame_length + 1)[:-1] if hann else np.ones(p.frame_length)
    frames = np.lib.stride_tricks.sliding_window_view(y, p.frame_length)[:: p.hop_length]
    mel = np.empty((len(frames), p.n_mels), np.float32)
    for start in range(0, len(frames), _CHUNK):
        windowed = frames[start : start + _CHUNK] * window.astype(np.float32)
        spectrum = np.abs(scipy.fft.rfft(windowed, n=p.length, axis=1)) ** p.power
        mel[start : start + _CHUNK] = spectrum @ bank.T
    if p.compression != "linear":
        mel = np.log(mel + np.float32(p.offset)) * np.float32(
            10 / math.log(10) if p.compression == "db" else 1
        )
    patches = np.lib.stride_tricks.sliding_window_view(mel, p.n_frames, axis=0)
    return patches[:: p.hop_frames or p.n_frames].transpose(0, 2, 1)


def filterbank(params: PatchSpectrogram) -> NDArray[np.float32]:
    """Mel filterbank of librosa, ``(n_mels, n_fft // 2 + 1)``.

    Raises
    ------
    ParameterError
        If a band lies between two bins of the spectrum, or if librosa is missing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            bank = need("librosa", "lab").filters.mel(
                sr=params.sr,
                n_fft=params.length,
                n_mels=params.n_mels,
                fmin=params.fmin,
                fmax=params.fmax,
                htk=params.mel == "htk",
                norm="slaney" if params.mel == "slaney" else None,
            )
        except UserWarning:
            raise ParameterError(
                f"{params.n_mels} mel bands are too many for a transform of {params.length} samples"
            ) from None
    return np.asarray(bank, np.float32)
