"""Frozen networks on disk: shipped, kept below the home folder, or anywhere."""

import dataclasses
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import checkpoint, timbre
from recommender.errors import CheckpointError, ParameterError
from recommender.files import write_atomically
from recommender.parameters import SHIPPED, ConvolutionParams, FusionParams, SpectrogramParams
from recommender.parameters import fingerprint as fingerprint_of
from recommender.preprocessor.frozen import Preprocessor
from recommender.preprocessor.layers import fused_shapes

_KIND = "preprocessor"


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
    for name in SHIPPED:
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
    fusion: FusionParams | None = None,
    genres: tuple[str, ...],
    provenance: dict[str, Any],
) -> None:
    """Write a preprocessor that `load` reads.

    Parameters
    ----------
    path : Path
    tensors : dict
        ``band_mean``, ``band_std``, ``conv1.*`` and ``conv2.*`` of a genre network; of a fused one
        also what follows (see `layers.fuse`).
    params, fusion, genres, provenance
        See `Preprocessor`.
    """
    checkpoint.check_shapes(path, tensors, _shapes(params, fusion))
    manifest = {
        "spectrogram": dataclasses.asdict(params),
        "fusion": dataclasses.asdict(fusion) if fusion else None,
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
        described = manifest.get("fusion")  # older files have none
        fusion = FusionParams(**described) if described else None
        shapes = _shapes(params, fusion)
        genres = tuple(str(genre) for genre in manifest["genres"])
        provenance = dict(manifest["provenance"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its manifest does not fit ({error})") from None
    checkpoint.check_shapes(path, tensors, shapes)
    weights = hashlib.sha256()
    for name in sorted(tensors):
        weights.update(name.encode() + tensors[name].astype("<f4").tobytes())
    parts: list[object] = [params, weights.hexdigest()]
    parts.append(timbre.VERSION if timbre.fits(params) else None)
    if fusion is not None:
        parts.append(fusion)
    return Preprocessor(
        params=params,
        fusion=fusion,
        tensors=tensors,
        genres=genres,
        provenance=provenance,
        fingerprint=fingerprint_of(*parts),
    )


def _shapes(params: SpectrogramParams, fusion: FusionParams | None) -> dict[str, tuple[int, ...]]:
    shape = ConvolutionParams(n_frames=params.n_frames, n_mels=params.n_mels)
    if fusion is None:
        return shape.shapes
    fine = timbre.fine_params(
        params, frame_length=fusion.fine_frame_length, hop_length=fusion.fine_hop_length
    )
    if not (timbre.fits(params) and timbre.fits(fine)):
        raise ParameterError("a fused network needs spectrograms that have statistics of timbre")
    if fine.frame_length > params.frame_length:
        raise ParameterError("the fine spectrogram must not have the longer frames")
    if fusion.n_statistics != (n := 2 * timbre.n_statistics()):
        raise ParameterError(f"there are {n} statistics of timbre, not {fusion.n_statistics}")
    return fused_shapes(shape, fusion)
