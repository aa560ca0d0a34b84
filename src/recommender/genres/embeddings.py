"""Frozen networks as makers of patch embeddings: the project's own, and any ONNX file.

An ONNX file comes with a description of what it is fed with, FILE.json beside FILE.onnx; the module
`patches` says how it reads.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import audio, preprocessor, spectrogram
from recommender.errors import AudioDecodeError, CheckpointError, ParameterError
from recommender.extras import need
from recommender.genres.patches import (
    PatchSpectrogram,
    filterbank,
    patch_spectrograms,
    read_description,
)
from recommender.parameters import SHIPPED, fingerprint
from recommender.preprocessor import Preprocessor
from recommender.preprocessor.layers import convolve

_BATCH = 32  # patches at a time


@dataclass(frozen=True, kw_only=True)
class Maker:
    """A frozen network that turns a file into a sequence of patch embeddings.

    Attributes
    ----------
    patches : callable
        From a file's path to ``(n_patches, n_dims)`` float32, over the whole track; raises
        AudioDecodeError.
    n_dims : int
        Numbers of a patch.
    patch_duration_s : float
        Distance between the starts of two patches.
    fingerprint : str
        Names network and spectrogram; patches of two fingerprints are never compared.
    """

    patches: Callable[[Path], NDArray[np.float32]]
    n_dims: int
    patch_duration_s: float
    fingerprint: str


@functools.cache
def maker(name: str) -> Maker:
    """Find a frozen network.

    Parameters
    ----------
    name : str
        A shipped preprocessor ("default", "thesis"), or the path of a preprocessor (.safetensors),
        of an ONNX file, or of its description.

    Raises
    ------
    ParameterError
        If there is no network of this name, if its description does not fit, or if ONNX Runtime is
        missing.
    CheckpointError
        If its file is missing, damaged or does not fit.
    """
    path = Path(name)
    if name in SHIPPED or path.suffix == ".safetensors":
        return _of_preprocessor(_preprocessor(name))
    if path.suffix in (".onnx", ".json"):
        return _of_onnx(path.with_suffix(".onnx"), read_description(path.with_suffix(".json")))
    raise ParameterError(
        f"no frozen network {name!r}; there are {', '.join(SHIPPED)}, and files with the suffixes"
        " .safetensors and .onnx"
    )


@functools.cache
def features(name: str) -> Maker:
    """Find a preprocessor, and take a fragment's features as one patch of 8 s.

    Parameters
    ----------
    name : str
        A shipped preprocessor ("default", "thesis"), or the path of one.

    Raises
    ------
    CheckpointError
        If its file is missing, damaged or does not fit.
    """
    network = _preprocessor(name)

    def fragments(path: Path) -> NDArray[np.float32]:
        found = list(network.stream(audio.blocks(path, sr=network.params.sr)))
        if not found:
            raise _too_short(path, network)
        return np.concatenate(found)

    return Maker(
        patches=fragments,
        n_dims=network.n_features,
        patch_duration_s=network.params.fragment_duration_s,
        fingerprint=network.fingerprint,
    )


# The project's own networks -----------------------------------------------------------------------


def _preprocessor(name: str) -> Preprocessor:
    return preprocessor.load(name if name in SHIPPED else Path(name))


def _too_short(path: Path, network: Preprocessor) -> AudioDecodeError:
    duration_s = network.params.frame_duration_s
    return AudioDecodeError(f"{path}: too short for a frame of {duration_s} s")


def _of_preprocessor(network: Preprocessor) -> Maker:
    params = network.params
    silence = np.full((1, params.n_frames, params.n_mels), -1, np.float32)
    _, n_steps, n_dims = steps(network, silence).shape

    def patches(path: Path) -> NDArray[np.float32]:
        y = np.concatenate(list(audio.blocks(path, sr=params.sr)))
        fragments = spectrogram.transform(y, params)
        if len(fragments) == 0:
            raise _too_short(path, network)
        found = steps(network, fragments).reshape(-1, n_dims)
        # What is left after the last whole fragment counts for as many steps as it fills.
        rest = y[len(fragments) * params.fragment_length :]
        n_more = len(rest) * n_steps // params.fragment_length
        if n_more and len(last := spectrogram.transform(rest, params)):
            found = np.concatenate([found, steps(network, last)[0, :n_more]])
        return found

    return Maker(
        patches=patches,
        n_dims=n_dims,
        patch_duration_s=params.fragment_duration_s / n_steps,
        fingerprint=network.fingerprint,
    )


def steps(network: Preprocessor, fragments: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the two convolutions say of fragments, in the order of time.

    Parameters
    ----------
    network : Preprocessor
    fragments : ndarray of float32, shape (n, n_frames, n_mels)

    Returns
    -------
    ndarray of float32, shape (n, n_steps, n_maps)
        128 maps at each of 15 steps, about half a second each.
    """
    return np.asarray(convolve(network.tensors, fragments).transpose(0, 2, 1))


# ONNX ---------------------------------------------------------------------------------------------


def _of_onnx(path: Path, description: PatchSpectrogram) -> Maker:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    bank = filterbank(description)
    network = _OnnxNetwork(path, description)
    silence = np.zeros(description.frame_length, np.float32)
    n_dims = network(patch_spectrograms(silence, description, bank)).shape[1]

    def patches(path: Path) -> NDArray[np.float32]:
        y = np.concatenate(list(audio.blocks(path, sr=description.sr)))
        sound = y.astype(np.float32) / np.float32(32_768)
        found = network(patch_spectrograms(sound, description, bank))
        if not np.isfinite(found).all():
            raise AudioDecodeError(f"{path}: {network.path} gives numbers that are not finite")
        return found

    hop = (description.hop_frames or description.n_frames) * description.hop_length
    return Maker(
        patches=patches,
        n_dims=n_dims,
        patch_duration_s=hop / description.sr,
        fingerprint=fingerprint(description, hashlib.sha256(content).hexdigest()),
    )


class _OnnxNetwork:
    """A network in an ONNX file; call it with patches ``(n, n_frames, n_mels)``."""

    def __init__(self, path: Path, description: PatchSpectrogram) -> None:
        runtime = need("onnxruntime", "lab")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what is wrong is raised, not printed
        self.path = path
        self._errors = _errors()
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except self._errors as error:
            raise CheckpointError(
                f"{path}: not an ONNX network that can be run ({error})"
            ) from None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self._input = self._only("input", [i.name for i in inputs], description.input)
        self._output = self._only("output", [o.name for o in outputs], description.output)
        self._layout = description.layout
        # A network that was exported for a single patch is asked for one after another.
        shape = next(i.shape for i in inputs if i.name == self._input)
        batch = dict(zip(self._layout, shape, strict=False)).get("n")
        self._n_at_once = batch if isinstance(batch, int) and batch > 0 else _BATCH

    def __call__(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        starts = range(0, len(patches), self._n_at_once)
        return np.concatenate([self._run(patches[i : i + self._n_at_once]) for i in starts])

    def _run(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        axes = [axis for axis in self._layout if axis != "1"]
        x = patches.transpose(["ntf".index(axis) for axis in axes])
        ones = tuple(i for i, axis in enumerate(self._layout) if axis == "1")
        fed = np.ascontiguousarray(np.expand_dims(x, ones))
        try:
            (found,) = self._session.run([self._output], {self._input: fed})
        except self._errors as error:
            raise CheckpointError(
                f"{self.path}: cannot be fed with an array of shape {fed.shape} (layout"
                f" {self._layout}); does its description fit? ({error})"
            ) from None
        if np.ndim(found) != 2 or len(found) != len(patches):
            raise CheckpointError(
                f"{self.path}: gives an array of shape {np.shape(found)} for {len(patches)} patches"
                " instead of (n_patches, n_dims); does its description name the right output?"
            )
        return np.asarray(found, np.float32)

    def _only(self, what: str, names: list[str], chosen: str | None) -> str:
        if chosen is None and len(names) == 1:
            return names[0]
        if chosen in names and (what == "output" or len(names) == 1):
            return str(chosen)
        raise CheckpointError(f"{self.path}: has the {what}s {names}, its description {chosen!r}")


def _errors() -> tuple[type[Exception], ...]:
    """The exceptions of ONNX Runtime, which have no common base."""
    state: Any = need("onnxruntime.capi.onnxruntime_pybind11_state", "lab")
    kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
    # The last one: what its Python part raises of inputs that it does not know.
    return (*(kind for kind in kinds if issubclass(kind, Exception)), ValueError)
