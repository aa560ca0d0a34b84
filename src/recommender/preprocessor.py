"""Fragments to features: convolutions that were trained on genres, and statistics of timbre.

The forward pass is a page of NumPy, so that analysing music needs neither torch's seconds of
start-up nor its memory; tests hold it against the torch network.
"""

import dataclasses
import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import checkpoint, timbre
from recommender.errors import CheckpointError, ParameterError
from recommender.files import write_atomically
from recommender.parameters import RECIPES, ConvolutionParams, SpectrogramParams
from recommender.parameters import fingerprint as fingerprint_of

_KIND = "preprocessor"
_CHUNK = 32  # fragments at a time: 8 MB of intermediate values


@dataclass(frozen=True, kw_only=True)
class Preprocessor:
    """A frozen network and the spectrogram that it was trained on; call it with fragments.

    Attributes
    ----------
    params : SpectrogramParams
        The spectrogram that its fragments have to be made with.
    fingerprint : str
        Names spectrogram and weights; features of two fingerprints are never compared.
    n_features : int
        1,920 from the convolutions for 64 frames; with a spectrogram in decibels 474 statistics of
        timbre follow.
    genres : tuple of str
        What the network was trained to tell apart.
    provenance : dict
        What it was trained on, and how well it did.
    """

    params: SpectrogramParams
    tensors: dict[str, NDArray[np.float32]]
    genres: tuple[str, ...]
    provenance: dict[str, Any]
    fingerprint: str
    n_features: int

    def __call__(self, fragments: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute features, ``(n, n_frames, n_mels)`` to ``(n, n_features)``.

        Raises
        ------
        ParameterError
            If the fragments have another shape than the network was trained on.
        """
        shape = (self.params.n_frames, self.params.n_mels)
        if fragments.shape[1:] != shape:
            raise ParameterError(f"fragments of shape {shape} are needed: {fragments.shape[1:]}")
        out = np.empty((len(fragments), self.n_features), np.float32)
        for start in range(0, len(fragments), _CHUNK):
            chunk = fragments[start : start + _CHUNK]
            out[start : start + _CHUNK, : self.n_convolved] = self._convolve(chunk)
            if self.n_convolved < self.n_features:
                out[start : start + _CHUNK, self.n_convolved :] = timbre.statistics(chunk)
        return out

    @property
    def n_convolved(self) -> int:
        """How many of the features the convolutions give; they come first."""
        return _shape(self.params).n_features

    def _convolve(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        t = self.tensors
        x = (x - t["band_mean"]) / t["band_std"]
        x = _conv_relu(x, t["conv1.weight"], t["conv1.bias"])
        x = np.maximum(x[:, 0:-1:2], x[:, 1::2])  # pairs of steps; the odd last one is dropped
        x = _conv_relu(x, t["conv2.weight"], t["conv2.bias"])
        x = np.maximum(x[:, ::2], x[:, np.minimum(np.arange(1, x.shape[1] + 1, 2), x.shape[1] - 1)])
        # Flattened map by map, as torch does.
        return x.transpose(0, 2, 1).reshape(len(x), -1)


def load(name: str | Path = "default") -> Preprocessor:
    """Load a shipped preprocessor by the name of its recipe, or any by its path.

    Parameters
    ----------
    name : str or Path
        "default", "thesis", or a file that `save` wrote.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or does not fit.
    """
    if isinstance(name, Path):
        return _load(name)
    with resources.as_file(resources.files("recommender") / "weights" / f"{name}.safetensors") as p:
        return _load(p)


def find(fingerprint: str, folder: Path) -> Preprocessor:
    """Find the preprocessor of a fingerprint: shipped, or kept below the home folder.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    for name in RECIPES:
        if (shipped := load(name)).fingerprint == fingerprint:
            return shipped
    path = _kept(folder, fingerprint)
    if not path.exists():
        raise CheckpointError(
            f"{path}: the preprocessor with fingerprint {fingerprint} is neither shipped with this"
            " version nor kept here; build the profile again"
        )
    return _load(path)


def keep(source: Path, preprocessor: Preprocessor, folder: Path) -> None:
    """Keep a copy of a preprocessor below the home folder, where `find` looks."""
    path = _kept(folder, preprocessor.fingerprint)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, source.read_bytes())


def save(
    path: Path,
    tensors: dict[str, NDArray[np.float32]],
    *,
    params: SpectrogramParams,
    genres: tuple[str, ...],
    provenance: dict[str, Any],
) -> None:
    """Write a preprocessor that `load` reads.

    Parameters
    ----------
    path : Path
    tensors : dict
        ``band_mean``, ``band_std``, ``conv1.*`` and ``conv2.*`` of a genre network.
    params, genres, provenance
        See `Preprocessor`.
    """
    checkpoint.check_shapes(path, tensors, _shape(params).shapes)
    manifest = {
        "spectrogram": dataclasses.asdict(params),
        "genres": list(genres),
        "provenance": provenance,
    }
    checkpoint.save(path, _KIND, tensors, manifest)


def _kept(folder: Path, fingerprint: str) -> Path:
    return folder / "preprocessors" / f"{fingerprint}.safetensors"


def _load(path: Path) -> Preprocessor:
    tensors, manifest = checkpoint.load(path, _KIND)
    try:
        params = SpectrogramParams(**manifest["spectrogram"])
        shape = _shape(params)
        genres = tuple(str(genre) for genre in manifest["genres"])
        provenance = dict(manifest["provenance"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its manifest does not fit ({error})") from None
    checkpoint.check_shapes(path, tensors, shape.shapes)
    more = timbre.VERSION if timbre.fits(params) else None
    weights = hashlib.sha256()
    for name in sorted(tensors):
        weights.update(name.encode() + tensors[name].astype("<f4").tobytes())
    return Preprocessor(
        params=params,
        tensors=tensors,
        genres=genres,
        provenance=provenance,
        fingerprint=fingerprint_of(params, weights.hexdigest(), more),
        n_features=shape.n_features + (timbre.n_statistics() if more else 0),
    )


def _shape(params: SpectrogramParams) -> ConvolutionParams:
    return ConvolutionParams(n_frames=params.n_frames, n_mels=params.n_mels)


def _conv_relu(
    x: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Convolve ``(n, time, c_in)`` over time with ``(c_out, c_in, k)``; below 0 becomes 0."""
    c_out, _, k = weight.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, k, axis=1)  # (n, time', c_in, k)
    n, steps = windows.shape[:2]
    out = windows.reshape(n * steps, -1) @ weight.reshape(c_out, -1).T
    out += bias
    np.maximum(out, 0.0, out=out)
    return np.asarray(out.reshape(n, steps, c_out), np.float32)
