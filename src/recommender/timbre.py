"""Statistics of timbre: what a fragment sounds like, whatever is played.

Computed from fragments of mel-spectrogram in decibels. They follow what serves music similarity
well: band statistics, mel-frequency cepstra with their correlations (Mandel and Ellis, Song-level
features and support vector machines for music classification, 2005) and a modulation spectrum
(Pampalk, Rauber and Merkl, Content-based organization and visualization of music archives, 2002).
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from recommender.parameters import SpectrogramParams

VERSION = 1
"""Features of different versions are never compared."""

N_BANDS = 32
N_CEPSTRA = 20
N_MODULATED_BANDS = 8
N_RATES = 8

_MIN_LEVEL = 1e-2  # keeps the logarithm of a modulation that is not there finite
_MIN_DEVIATION = 1e-3


def fits(params: SpectrogramParams) -> bool:
    """Tell whether fragments made so have timbre statistics: decibels, enough frames and bands."""
    divides = params.n_mels % N_BANDS == 0
    return params.compression == "log" and divides and params.n_frames // 2 >= N_RATES


def n_statistics() -> int:
    """Count the statistics of a fragment: 474."""
    n_correlations = N_CEPSTRA * (N_CEPSTRA - 1) // 2
    return 5 * N_BANDS + 3 * N_CEPSTRA + n_correlations + N_MODULATED_BANDS * N_RATES


def statistics(fragments: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the statistics of fragments.

    Parameters
    ----------
    fragments : ndarray, shape (n, n_frames, n_mels)
        In decibels, scaled to [-1, 1], of a shape that `fits`.

    Returns
    -------
    ndarray of float32, shape (n, 474)
        Of 32 bands over time: mean, deviation, mean change from frame to frame, 10th and 90th
        percentile; of 20 cepstra: mean, deviation, deviation of their change, correlations;
        logarithmic modulation of 8 bands at 8 rates, 1/8 Hz to half the frame rate, log-spaced.
    """
    bands = _pool(fragments, N_BANDS)
    cepstra = fragments @ _dct(fragments.shape[2])
    blocks = [
        bands.mean(1),
        bands.std(1),
        np.abs(np.diff(bands, axis=1)).mean(1),
        *np.quantile(bands, (0.1, 0.9), axis=1),
        cepstra.mean(1),
        cepstra.std(1),
        np.diff(cepstra, axis=1).std(1),
        _correlations(cepstra),
        _modulation(_pool(fragments, N_MODULATED_BANDS)),
    ]
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _pool(fragments: NDArray[np.float32], n_bands: int) -> NDArray[np.float32]:
    """Means of neighbouring mel bands, ``(n, n_frames, n_bands)``."""
    n, n_frames, n_mels = fragments.shape
    pooled = fragments.reshape(n, n_frames, n_bands, n_mels // n_bands).mean(3)
    return np.asarray(pooled, np.float32)


def _dct(n_mels: int) -> NDArray[np.float32]:
    """First columns of the orthonormal discrete cosine transform (type 2)."""
    band, order = np.arange(n_mels)[:, None], np.arange(N_CEPSTRA)[None, :]
    basis = np.sqrt(2 / n_mels) * np.cos(np.pi * (band + 0.5) * order / n_mels)
    basis[:, 0] /= np.sqrt(2)
    return np.asarray(basis, np.float32)


def _correlations(cepstra: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correlations of every two cepstra over time; those of what hardly moves tend to 0."""
    centred = cepstra - cepstra.mean(1, keepdims=True)
    covariance = centred.transpose(0, 2, 1) @ centred / cepstra.shape[1]
    deviation = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)) + _MIN_DEVIATION
    correlation = covariance / deviation[:, :, None] / deviation[:, None, :]
    first, second = np.triu_indices(N_CEPSTRA, 1)
    return np.asarray(correlation[:, first, second], np.float32)


def _modulation(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithm of each band's mean modulation at octave-like groups of rates, flattened."""
    n_frames = bands.shape[1]
    taper = np.hanning(n_frames)[:, None]
    spectrum = np.abs(np.fft.rfft((bands - bands.mean(1, keepdims=True)) * taper, axis=1))
    edges = np.geomspace(1, n_frames // 2 + 1, N_RATES + 1).round().astype(int)
    edges = np.maximum(edges, 1 + np.arange(N_RATES + 1))  # no group is empty
    rates = [spectrum[:, a:b].mean(1) for a, b in itertools.pairwise(edges)]
    levels = np.log(_MIN_LEVEL + np.stack(rates, axis=2))
    return np.asarray(levels.reshape(len(bands), -1), np.float32)
