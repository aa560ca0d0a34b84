"""Tracks as profiles know them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float16]
"""Features of a track's fragments, ``(n_fragments, n_features)``."""


@dataclass(frozen=True, kw_only=True)
class TrackRef:
    """A track that a profile was trained on, and where it lies in its file if that holds more."""

    content_hash: str
    path: str
    start_s: float | None = None
    end_s: float | None = None


Named = tuple[TrackRef, Features]


def part_of(content_hash: str, n_parts: int) -> int:
    """Part that a recording belongs to, whatever else there is."""
    return int(content_hash[:8], 16) % n_parts


def key_of(content_hash: str) -> int:
    """Number of a recording, of 24 bits: float32 holds it, and few recordings share one."""
    return int(content_hash[:6], 16)


def choose(hashes: Sequence[str], n_most: int, seed: int) -> list[int]:
    """Choose at most so many recordings by lot, in rising order of their indices.

    Whether one is chosen over another depends on these two and the seed alone, so that a library
    that grows a little hardly changes the choice.
    """
    if len(hashes) <= n_most:
        return list(range(len(hashes)))
    lots = [hashlib.blake2b(f"{seed} {name}".encode()).digest() for name in hashes]
    return sorted(sorted(range(len(hashes)), key=lots.__getitem__)[:n_most])
