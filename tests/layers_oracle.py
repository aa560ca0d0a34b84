"""Layers of networks computed once more, plainly, in float64 with NumPy and SciPy.

Weights are laid out as torch keeps them: dense ``(out, in)``, convolutions ``(out, in, *kernel)``,
recurrent layers with their gates one below the other.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]
Weights = dict[str, Array]


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def softmax(x: Array) -> Array:
    shares = np.exp(x - x.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


def dense(x: Array, w: Weights, name: str) -> Array:
    return np.asarray(x @ w[f"{name}.weight"].T + w[f"{name}.bias"])


def convolve(x: Array, w: Weights, name: str) -> Array:
    """Maps ``(n, in, ...)`` to maps ``(n, out, ...)``, one axis or two, without padding."""
    kernels, axes = w[f"{name}.weight"], tuple(range(2, x.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernels.shape[2:], axes)
    summed = (1, *range(x.ndim, 2 * x.ndim - 2))
    out = np.tensordot(windows, kernels, (summed, (1, *axes)))
    return np.moveaxis(out + w[f"{name}.bias"], -1, 1)


def normalise(x: Array, w: Weights, name: str) -> Array:
    """Batch normalisation with the statistics gathered in training; torch adds 1e-5."""
    mean, var, scale, shift = (
        w[f"{name}.{part}"].reshape(-1, *[1] * (x.ndim - 2))
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return np.asarray((x - mean) / np.sqrt(var + 1e-5) * scale + shift)


def pool(x: Array, *sizes: int) -> Array:
    """Maxima over blocks of the last axes; what is left of an incomplete block is dropped."""
    for axis, size in enumerate(sizes, 2):
        x = np.moveaxis(x, axis, -1)
        n = x.shape[-1] // size
        x = x[..., : n * size].reshape(*x.shape[:-1], n, size).max(-1)
        x = np.moveaxis(x, -1, axis)
    return x


def lstm(x: Array, w: Weights, name: str, layer: int = 0) -> Array:
    """Steps ``(n, steps, in)`` to states ``(n, steps, units)``; gates: in, forget, cell, out."""
    h = c = np.zeros((len(x), w[f"{name}.weight_hh_l{layer}"].shape[1]))
    states = []
    for t in range(x.shape[1]):
        gates = _gates(x[:, t], w, name, layer, "ih") + _gates(h, w, name, layer, "hh")
        i, f, g, o = np.split(gates, 4, axis=1)
        c = expit(f) * c + expit(i) * np.tanh(g)
        h = expit(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1)


def gru(x: Array, w: Weights, name: str) -> Array:
    """Steps ``(n, steps, in)`` to states ``(n, steps, units)``; gates: reset, update, new."""
    h = np.zeros((len(x), w[f"{name}.weight_hh_l0"].shape[1]))
    states = []
    for t in range(x.shape[1]):
        ri, zi, ni = np.split(_gates(x[:, t], w, name, 0, "ih"), 3, axis=1)
        rh, zh, nh = np.split(_gates(h, w, name, 0, "hh"), 3, axis=1)
        z = expit(zi + zh)
        h = (1 - z) * np.tanh(ni + expit(ri + rh) * nh) + z * h
        states.append(h)
    return np.stack(states, axis=1)


def _gates(x: Array, w: Weights, name: str, layer: int, kind: str) -> Array:
    weight, bias = (w[f"{name}.{part}_{kind}_l{layer}"] for part in ("weight", "bias"))
    return np.asarray(x @ weight.T + bias)
