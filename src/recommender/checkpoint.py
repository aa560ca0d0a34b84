"""Weights on disk: a safetensors file that carries its own manifest, and is checked when read."""

import hashlib
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

Tensors = dict[str, NDArray[Any]]

_KEY = "recommender"
_VERSION = 2  # 1, which is read as well, had no digest
_BLANK = "0" * 64


def save(path: Path, kind: str, tensors: Mapping[str, NDArray[Any]], manifest: Any) -> None:
    """Write weights and their manifest into one safetensors file, atomically.

    The manifest is kept beside a SHA-256 digest of the whole file (computed with zeros in the
    digest's own place).

    Parameters
    ----------
    path : Path
    kind : str
        What the weights are: "preprocessor", "genre", "profile" …; `load` asks for it.
    tensors : mapping of str to ndarray
        Of float32; other kinds of numbers, such as bytes, are kept as well.
    manifest : anything that JSON can hold
        Parameters, genres, provenance.

    Raises
    ------
    OSError
        If there is no room or no permission.
    """
    header = json.dumps(
        {"digest": _BLANK, "kind": kind, "manifest": manifest, "version": _VERSION}, sort_keys=True
    )
    contiguous = {name: np.asarray(t, order="C") for name, t in tensors.items()}
    content = safetensors.numpy.save(contiguous, metadata={_KEY: header})
    # The first zeros are the digest's: it comes before all else that is written here.
    digest = hashlib.sha256(content).hexdigest()
    write_atomically(path, content.replace(_BLANK.encode(), digest.encode(), 1))


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
    header = _header(path, kind)
    try:
        content = path.read_bytes()
        tensors = safetensors.numpy.load(content)
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, AttributeError) as error:
        # The last three: kinds of numbers that NumPy lacks, such as bfloat16.
        raise CheckpointError(f"{path}: damaged ({error}); make it anew") from None
    if header["version"] > 1:
        digest = str(header.get("digest")).encode()
        blank = content.replace(digest, _BLANK.encode(), 1)
        if hashlib.sha256(blank).hexdigest().encode() != digest:
            raise CheckpointError(f"{path}: damaged (its digest does not fit); make it anew")
    return tensors, header.get("manifest")


def load_manifest(path: Path, kind: str) -> Any:
    """Read the manifest alone, without the weights.

    Whether the file is damaged is hardly checked; otherwise it raises as `load`.
    """
    return _header(path, kind).get("manifest")


def _header(path: Path, kind: str) -> dict[str, Any]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "null"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file") from None
    except (OSError, safetensors.SafetensorError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: not written by this program")
    version = header.get("version")
    if version not in (1, _VERSION):
        raise CheckpointError(
            f"{path}: has format version {version}, this program reads up to {_VERSION};"
            " use the program that wrote it, or make it anew"
        )
    if version == 1 and "digest" in header:
        raise CheckpointError(f"{path}: damaged (its version does not fit); make it anew")
    if header.get("kind") != kind:
        raise CheckpointError(f"{path}: holds a {header.get('kind')}, but a {kind} is needed")
    return header


def check_shapes(
    path: Path, tensors: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]
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
