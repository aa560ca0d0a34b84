"""Weights on disk: a safetensors file that carries its own manifest, and is checked when read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from recommender.errors import CheckpointError
from recommender.files import write_atomically

Tensors = dict[str, NDArray[np.float32]]

_KEY = "recommender"
_VERSION = 1


def save(path: Path, kind: str, tensors: Mapping[str, NDArray[np.float32]], manifest: Any) -> None:
    """Write weights and their manifest into one safetensors file, atomically.

    Parameters
    ----------
    path : Path
    kind : str
        What the weights are: "preprocessor", "genre", "profile" …; `load` asks for it.
    tensors : mapping of str to ndarray of float32
    manifest : anything that JSON can hold
        Parameters, genres, provenance.
    """
    header = json.dumps({"version": _VERSION, "kind": kind, "manifest": manifest}, sort_keys=True)
    contiguous = {name: np.ascontiguousarray(t) for name, t in tensors.items()}
    write_atomically(path, safetensors.numpy.save(contiguous, metadata={_KEY: header}))


def load(path: Path, kind: str) -> tuple[Tensors, Any]:
    """Read weights and manifest.

    Returns
    -------
    tensors : dict of str to ndarray
    manifest : object
        As given to `save`.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of another kind, or of a newer version.
    """
    manifest = load_manifest(path, kind)
    try:
        tensors = safetensors.numpy.load_file(path)
    except (OSError, safetensors.SafetensorError, TypeError, AttributeError) as error:
        # The last two: kinds of numbers that NumPy lacks, such as bfloat16.
        raise CheckpointError(f"{path}: damaged ({error}); make it anew") from None
    return tensors, manifest


def load_manifest(path: Path, kind: str) -> Any:
    """Read the manifest alone, without the weights; raises as `load`."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "null"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file") from None
    except (OSError, safetensors.SafetensorError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: not written by this program")
    if header.get("version") != _VERSION:
        raise CheckpointError(
            f"{path}: has format version {header.get('version')}, this program reads"
            f" {_VERSION}; use the program that wrote it, or make it anew"
        )
    if header.get("kind") != kind:
        raise CheckpointError(f"{path}: holds a {header.get('kind')}, but a {kind} is needed")
    return header.get("manifest")


def check_shapes(
    path: Path, tensors: Mapping[str, NDArray[np.float32]], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse weights whose names, shapes or types are not the expected ones.

    Raises
    ------
    CheckpointError
        Naming the file and the first tensor that does not fit.
    """
    for name, shape in shapes.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise CheckpointError(f"{path}: the weights {name!r} are missing")
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise CheckpointError(
                f"{path}: {name!r} has shape {tensor.shape} ({tensor.dtype}),"
                f" but {shape} (float32) is needed"
            )
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name!r} holds values that are not finite")
    if extra := sorted(set(tensors) - set(shapes)):
        raise CheckpointError(f"{path}: holds weights that are not expected here: {extra[0]!r}")
