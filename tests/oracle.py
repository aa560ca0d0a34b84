"""The mel-spectrogram computed once more, plainly, in float64 with NumPy and SciPy.

Written from the description of the method alone (thesis: sound to mel-spectrogram), not from the
native code, so that both can be held against each other.
"""

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from recommender.parameters import SpectrogramParams


def mel(f: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.01048 * np.log1p(np.asarray(f) / 700.0))


def hz(m: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(700.0 * np.expm1(m / 1127.01048))


def filterbank(p: SpectrogramParams) -> NDArray[np.float64]:
    """Triangles of peak 1 on the bins, ``(n_mels, n_bins)``."""
    low, high = mel(p.fmin), mel(p.fmax)
    if p.mel == "described":
        edges = np.linspace(low, high, p.n_mels + 2)
    else:  # full width = range / n_mels, step = half of it
        edges = low + np.arange(p.n_mels + 2) * (high - low) / p.n_mels / 2
    left, centre, right = hz(edges)[:-2, None], hz(edges)[1:-1, None], hz(edges)[2:, None]
    f = np.arange(p.n_bins)[None, :] * p.bin_hz
    rising, falling = (f - left) / (centre - left), (right - f) / (right - centre)
    return np.clip(np.minimum(rising, falling), 0.0, None)


def window(p: SpectrogramParams) -> NDArray[np.float64]:
    name = {"hann": "hann", "rectangular": "boxcar"}[p.window]
    return np.asarray(scipy.signal.get_window(name, p.frame_length))


def energies(y: NDArray[np.float64], p: SpectrogramParams) -> NDArray[np.float64]:
    """Band energies of one fragment before normalising, ``(n_frames, n_mels)``."""
    w = window(p)
    starts = range(0, len(y) - p.frame_length + 1, p.hop_length)
    frames = np.stack([y[s : s + p.frame_length] * w for s in starts][: p.n_frames])
    magnitudes = np.abs(scipy.fft.rfft(frames, axis=1))[:, : p.n_bins]
    bands = magnitudes @ filterbank(p).T
    return np.asarray(bands[np.arange(p.n_frames) % len(bands)])


def normalise(bands: NDArray[np.float64], p: SpectrogramParams) -> NDArray[np.float64]:
    """Band energies of a fragment to values in [-1, 1]; silence is all -1."""
    sine = window(p).sum() / 2  # the peak magnitude of a sine of amplitude 1
    reference = bands.max() if p.reference == "fragment" else sine
    if bands.max() == 0:
        return np.full_like(bands, -1.0)
    relative = bands / reference
    if p.compression == "log":
        db = 20 * np.log10(np.maximum(relative, 1e-30))
        relative = (np.clip(db, -p.range_db, 0) + p.range_db) / p.range_db
    return np.asarray(np.clip(2 * relative - 1, -1, 1))


def fragments(y: NDArray[np.float64], p: SpectrogramParams) -> NDArray[np.float64]:
    """All fragments of a track, ``(n_fragments, n_frames, n_mels)``."""
    need = (p.n_frames - 1) * p.hop_length + p.frame_length
    n = max(1, len(y) // p.fragment_length)
    starts = np.arange(n) * p.fragment_length
    return np.stack([normalise(energies(y[s : s + need], p), p) for s in starts])
