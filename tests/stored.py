"""Features that come back from a library as they went in: it keeps a byte each, and a scale."""

import math

import numpy as np
from numpy.typing import NDArray


def rounded(features: NDArray[np.floating]) -> NDArray[np.float16]:
    """Change features such that the library keeps all of them exactly.

    They are whole multiples of a power of two, and the largest of a fragment is 127 times that.
    """
    rows = []
    for x in features.astype(np.float64):
        largest = np.abs(x).argmax()
        if x[largest]:
            scale = 2.0 ** math.ceil(math.log2(abs(x[largest]) / 127))
            x = np.rint(x / scale) * scale
            x[largest] = np.sign(x[largest]) * 127 * scale
        rows.append(x)
    return np.array(rows, np.float16)


def with_first(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Change features such that the library keeps the first of each fragment as it is."""
    rows = []
    for x in features.astype(np.float64):
        largest = np.abs(x).argmax()
        if largest > 0 and x[0]:
            scale = abs(x[0]) / max(1, math.floor(127 * abs(x[0] / x[largest])))
            x = np.clip(x, -127 * scale, 127 * scale)
            x[largest] = np.sign(x[largest]) * 127 * scale
        rows.append(x)
    return np.array(rows, np.float32)


def assert_kept(found: NDArray[np.floating], features: NDArray[np.floating]) -> None:
    """Check that features came back, to half a step of each fragment, and float16 before that."""
    x = features.astype(np.float64)
    largest = np.abs(x).max(axis=1, keepdims=True)
    assert found.shape == x.shape
    assert (np.abs(found - x) <= largest * (1 / 254 + 2**-10)).all()
