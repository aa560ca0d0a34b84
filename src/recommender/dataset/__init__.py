"""The spectrogram dataset: regenerate, describe and read it.

A dataset is a folder of ``.bin`` files, raw little-endian float32 in C order, ``(n, n_frames,
n_mels)``, and a ``manifest.json`` beside them that says how they were made and from what. The
manifest is written last, so a folder without one is unfinished; building again goes on with it.
"""

from recommender.dataset.build import BuildReport, Decode, build
from recommender.dataset.manifest import Dataset, DatasetFile, DatasetParams, Piece, read

__all__ = [
    "BuildReport",
    "Dataset",
    "DatasetFile",
    "DatasetParams",
    "Decode",
    "Piece",
    "build",
    "read",
]
