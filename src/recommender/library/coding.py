"""Features as they are stored: a byte each, and a scale for each fragment.

The largest of a fragment's features becomes 127 or -127, the others whole numbers between. Half as
much to store and to read as float16, and as good: docs/scaling.md has the figures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST = 127


@dataclass(frozen=True, kw_only=True)
class Coded:
    """Features of fragments.

    Attributes
    ----------
    values : ndarray of int8, shape (n_fragments, n_features)
    scales : ndarray of float32, shape (n_fragments,)
        What a value of 1 stands for, in each fragment.
    """

    values: NDArray[np.int8]
    scales: NDArray[np.float32]

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> "Coded":
        return Coded(values=self.values[rows], scales=self.scales[rows])


def encode(features: NDArray[np.floating]) -> Coded:
    """Round features, ``(n_fragments, n_features)``; what was decoded comes back as it was."""
    x = features.astype(np.float32)
    scales = np.abs(x).max(axis=1, initial=0.0) / np.float32(LARGEST)
    scales[scales == 0] = 1.0  # of fragments without any feature
    values = np.rint(x / scales[:, None])
    return Coded(values=np.clip(values, -LARGEST, LARGEST).astype(np.int8), scales=scales)


def decode(coded: Coded) -> NDArray[np.float32]:
    """Return features, ``(n_fragments, n_features)``."""
    return np.multiply(coded.values, coded.scales[:, None], dtype=np.float32)


def summarise(coded: Coded) -> Coded:
    """Code the mean of fragments as one."""
    return encode(decode(coded).mean(0, keepdims=True))
