"""The layers of frozen networks, in NumPy; tests hold them against the torch networks.

Analysing music so needs neither torch's seconds of start-up nor its memory.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recommender.parameters import ConvolutionParams, FusionParams

Array = NDArray[np.float32]
Tensors = Mapping[str, Array]


def convolve(t: Tensors, x: Array) -> Array:
    """Compute the two convolutions of the thesis's genre network (its layers 1 to 6).

    Parameters
    ----------
    t : mapping of str to ndarray
        ``band_mean``, ``band_std``, ``conv1.*``, ``conv2.*``.
    x : ndarray of float32, shape (n, n_frames, n_mels)

    Returns
    -------
    ndarray of float32, shape (n, n_maps, n_steps)
        128 maps at 15 steps for 64 frames.
    """
    x = (x - t["band_mean"]) / t["band_std"]
    x = _conv_relu(x, t["conv1.weight"], t["conv1.bias"])
    x = np.maximum(x[:, 0:-1:2], x[:, 1::2])  # pairs of steps; the odd last one is dropped
    x = _conv_relu(x, t["conv2.weight"], t["conv2.bias"])
    x = np.maximum(x[:, ::2], x[:, np.minimum(np.arange(1, x.shape[1] + 1, 2), x.shape[1] - 1)])
    return x.transpose(0, 2, 1)


def fuse(t: Tensors, maps: Array, statistics: Array) -> Array:
    """Compute what follows the convolutions where statistics of timbre join them.

    Parameters
    ----------
    t : mapping of str to ndarray
        ``statistics_mean``, ``statistics_std``, ``dense1.*``, ``dense2.*``, ``projection.*``.
    maps : ndarray of float32, shape (n, n_maps, n_steps)
        From `convolve`.
    statistics : ndarray of float32, shape (n, n_statistics)

    Returns
    -------
    ndarray of float32, shape (n, n_features)
    """
    z = (statistics - t["statistics_mean"]) / t["statistics_std"]
    x = np.concatenate([maps.mean(2), maps.max(2), z], axis=1)
    x = np.maximum(x @ t["dense1.weight"].T + t["dense1.bias"], 0.0)
    x = x @ t["dense2.weight"].T + t["dense2.bias"]
    x = np.concatenate([z, x], axis=1)
    return np.asarray(x @ t["projection.weight"].T + t["projection.bias"], np.float32)


def fused_shapes(shape: ConvolutionParams, fusion: FusionParams) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights by name, of convolutions and what follows them."""
    joined = 2 * shape.n_kernels_2 + fusion.n_statistics
    return {
        **shape.shapes,
        "statistics_mean": (fusion.n_statistics,),
        "statistics_std": (fusion.n_statistics,),
        "dense1.weight": (fusion.n_hidden, joined),
        "dense1.bias": (fusion.n_hidden,),
        "dense2.weight": (fusion.n_embedding, fusion.n_hidden),
        "dense2.bias": (fusion.n_embedding,),
        "projection.weight": (fusion.n_features, fusion.n_statistics + fusion.n_embedding),
        "projection.bias": (fusion.n_features,),
    }


def _conv_relu(x: Array, weight: Array, bias: Array) -> Array:
    """Convolve ``(n, time, c_in)`` over time with ``(c_out, c_in, k)``; below 0 becomes 0."""
    c_out, _, k = weight.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, k, axis=1)  # (n, time', c_in, k)
    n, steps = windows.shape[:2]
    out = windows.reshape(n * steps, -1) @ weight.reshape(c_out, -1).T
    out += bias
    np.maximum(out, 0.0, out=out)
    return np.asarray(out.reshape(n, steps, c_out), np.float32)
