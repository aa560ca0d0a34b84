"""Parameters of spectrograms."""

import math
from dataclasses import dataclass
from typing import Literal

from recommender.parameters.checking import require


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
        require(self.sr > 0, f"sr must be positive, not {self.sr}")
        for duration_s in (self.frame_duration_s, self.hop_duration_s):
            require(math.isfinite(duration_s), f"{duration_s} s is not a duration")
        require(self.frame_length >= 2, f"a frame of {self.frame_duration_s} s is too short")
        require(self.hop_length >= 1, f"a hop of {self.hop_duration_s} s is too short")
        require(self.window in ("rectangular", "hann"), f"unknown window {self.window!r}")
        require(self.mel in ("described", "listing"), f"unknown filterbank {self.mel!r}")
        require(self.compression in ("linear", "log"), f"unknown compression {self.compression!r}")
        require(self.reference in ("fragment", "absolute"), f"unknown reference {self.reference!r}")
        require(
            0 <= self.fmin < self.fmax <= self.sr / 2,
            f"need 0 <= fmin < fmax <= sr/2, not {self.fmin}, {self.fmax} at {self.sr} Hz",
        )
        require(self.n_bins >= 1, f"fmax of {self.fmax} Hz is below the first bin of the spectrum")
        require(self.n_mels >= 1 and self.n_frames >= 1, "n_mels and n_frames must be at least 1")
        require(0 < self.range_db < math.inf, f"range_db must be positive, not {self.range_db}")

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
