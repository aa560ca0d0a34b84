"""Tracks as profiles know them."""

import hashlib
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]
"""Features of a track's fragments, ``(n_fragments, n_features)``."""


Item = TypeVar("Item")
Number = TypeVar("Number", int, NDArray[np.int64])


@dataclass(frozen=True, kw_only=True)
class TrackRef:
    """A track that a profile was trained on, and where it lies in its file if that holds more."""

    content_hash: str
    path: str
    start_s: float | None = None
    end_s: float | None = None


Named = tuple[TrackRef, Features]


def number_of(content_hash: str) -> int:
    """Return the first 32 bits of a recording's hash: its lot where tracks are dealt out."""
    return int(content_hash[:8], 16)


def part_of(number: Number, n_parts: int) -> Number:
    """Part that a recording with this number belongs to, whatever else there is."""
    return number % n_parts


def key_of(number: Number) -> Number:
    """Return the first 24 bits of a number: float32 holds them, and few recordings share them."""
    return number >> 8


def choose(hashes: Sequence[str], n_most: int, seed: int) -> list[int]:
    """Choose at most so many recordings by lot, in rising order of their indices.

    Whether one is chosen over another depends on these two and the seed alone, so that a library
    that grows a little hardly changes the choice.
    """
    return draw(((name, i) for i, name in enumerate(hashes)), n_most, seed)


def draw(recordings: Iterable[tuple[str, Item]], n_most: int, seed: int) -> list[Item]:
    """Choose at most so many recordings by lot, in their order; see `choose`.

    Parameters
    ----------
    recordings : iterable of (str, object)
        Content hashes, and what is wanted of those that are chosen.
    """
    lots = (
        (hashlib.blake2b(f"{seed} {name}".encode()).digest(), i, item)
        for i, (name, item) in enumerate(recordings)
    )
    chosen = heapq.nsmallest(n_most, lots, key=lambda lot: lot[0])
    return [item for _, _, item in sorted(chosen, key=lambda lot: lot[1])]
