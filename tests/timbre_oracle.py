"""Statistics of timbre computed once more, plainly, in float64 with NumPy and SciPy."""

import itertools

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

Blocks = dict[str, NDArray[np.float64]]


def statistics(fragment: NDArray[np.float32], n_rates: int) -> Blocks:
    """All statistics of one fragment ``(n_frames, n_mels)`` by name, in the order they stand."""
    x = fragment.astype(np.float64)
    bands = pooled(x, 32)
    cepstra = scipy.fft.dct(x, axis=1, norm="ortho")[:, :20]
    return {
        "band means": bands.mean(0),
        "band deviations": bands.std(0),
        "band changes": np.abs(np.diff(bands, axis=0)).mean(0),
        "10th percentiles": np.percentile(bands, 10, axis=0),
        "90th percentiles": np.percentile(bands, 90, axis=0),
        "cepstral means": cepstra.mean(0),
        "cepstral deviations": cepstra.std(0),
        "deviations of cepstral changes": np.diff(cepstra, axis=0).std(0),
        "correlations": correlations(cepstra),
        "modulation": modulation(pooled(x, 8), n_rates),
    }


def pooled(x: NDArray[np.float64], n_bands: int) -> NDArray[np.float64]:
    """Means of neighbouring bands."""
    return np.stack([part.mean(1) for part in np.split(x, n_bands, axis=1)], axis=1)


def correlations(cepstra: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every two over time; 0.001 more in the deviations keeps those of constants at 0."""
    covariance = np.cov(cepstra.T, bias=True)
    deviation = cepstra.std(0) + 1e-3
    return np.asarray((covariance / np.outer(deviation, deviation))[np.triu_indices(20, 1)])


def modulation(bands: NDArray[np.float64], n_rates: int) -> NDArray[np.float64]:
    """Of each band at each group of rates, flattened."""
    n_frames = len(bands)
    taper = scipy.signal.windows.hann(n_frames, sym=True)
    spectrum = np.abs(scipy.fft.rfft(scipy.signal.detrend(bands.T, type="constant") * taper))
    edges = np.geomspace(1, n_frames // 2 + 1, n_rates + 1).round().astype(int)
    edges = np.maximum(edges, 1 + np.arange(n_rates + 1))  # no group is empty
    groups = [spectrum[:, a:b].mean(1) for a, b in itertools.pairwise(edges)]
    return np.log(0.01 + np.stack(groups, axis=1)).ravel()
