"""The shipped pool of other music, for libraries that hold too little: features, not audio."""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from recommender.errors import CheckpointError
from recommender.files import write_atomically


def load_shipped(fingerprint: str) -> list[NDArray[np.float16]]:
    """Load the pool that belongs to a fingerprint.

    Returns
    -------
    list of ndarray of float16, shape (n_fragments, n_features)
        One array a track; empty if there is no pool for this fingerprint.
    """
    with resources.as_file(resources.files("recommender") / "weights") as folder:
        for path in sorted(folder.glob("negatives-*.safetensors")):
            with safetensors.safe_open(path, framework="numpy") as file:
                if (file.metadata() or {}).get("fingerprint") != fingerprint:
                    continue
                features, lengths = file.get_tensor("features"), file.get_tensor("lengths")
            if lengths.sum() != len(features):
                raise CheckpointError(f"{path}: damaged; install the program again")
            return np.split(features, np.cumsum(lengths)[:-1])
    return []


def save_pool(
    path: Path,
    tracks: Sequence[NDArray[np.float16]],
    fingerprint: str,
    provenance: Mapping[str, object],
) -> None:
    """Write a pool that `load_shipped` finds if it is called ``negatives-….safetensors``."""
    tensors: dict[str, NDArray[Any]] = {
        "features": np.concatenate(tracks),
        "lengths": np.array([len(features) for features in tracks], np.int64),
    }
    metadata = {"fingerprint": fingerprint, "provenance": json.dumps(provenance, sort_keys=True)}
    write_atomically(path, safetensors.numpy.save(tensors, metadata=metadata))
