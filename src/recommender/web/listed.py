"""Rankings as columns: small enough to be kept, and paged through at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.ranking import Ranked
from recommender.web.browsing import Browser

_FEW = 2_000  # so many files are looked up by their names


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A ranking as columns.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
    scores : ndarray, shape (n,)
    duplicates : dict of int to tuple of Path
        Of the places, from 0, that have any.
    n_total : int
        How many places there are, or, if it is not complete, how many there may be.
    complete : bool
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    duplicates: dict[int, tuple[Path, ...]]
    n_total: int
    complete: bool


def columns(library: Browser, fingerprint: str, ranked: Sequence[Ranked]) -> Listed:
    """Put a whole ranking into columns."""
    ids = {
        (bytes(row.path), row.start_s): row.id
        for row in library.rows(
            fingerprint, paths=[item.path for item in ranked] if len(ranked) <= _FEW else None
        )
    }
    return Listed(
        ids=np.array([ids[_place(item)] for item in ranked], np.int64),
        scores=np.array([item.score for item in ranked], np.float64),
        duplicates={i: item.duplicates for i, item in enumerate(ranked) if item.duplicates},
        n_total=len(ranked),
        complete=True,
    )


def _place(item: Ranked) -> tuple[bytes, float | None]:
    return bytes(item.path), item.start_s
