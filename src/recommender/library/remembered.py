"""Scores that profiles gave, so that a second ranking only has to score what is new."""

from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.library.database import Database

MOST_PROFILES: Final = 20
"""Of so many profiles scores are kept: those that were asked for last."""


class Remembered(Database):
    """The part of the catalogue that remembers scores."""

    def scores(self, profile: bytes, features_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores that are remembered, and NaN for the others.

        Parameters
        ----------
        profile : bytes
            Digest of all that scores depend on but the features.
        features_ids : ndarray of int64, shape (n,)
        """
        found = np.full(len(features_ids), np.nan)
        ids, values = self._remembered(profile)
        if len(ids):
            at = np.minimum(np.searchsorted(ids, features_ids), len(ids) - 1)
            there = ids[at] == features_ids
            found[there] = values[at[there]]
        return found

    def remember_scores(
        self, profile: bytes, features_ids: NDArray[np.int64], scores: NDArray[np.float64]
    ) -> None:
        """Remember scores, beside those that are remembered already; see `scores`."""
        with self._transaction():
            ids, values = self._remembered(profile)
            # Of an id that is there twice the first counts: the new score.
            ids, first = np.unique(np.concatenate([features_ids, ids]), return_index=True)
            values = np.concatenate([scores, values])[first]
            self._rows(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)",
                (
                    profile,
                    ids.astype("<i8").tobytes(),
                    values.astype("<f8").tobytes(),
                    datetime.now(UTC).isoformat(timespec="microseconds"),
                ),
            )
            self._rows(
                """DELETE FROM scores WHERE profile NOT IN
                (SELECT profile FROM scores ORDER BY used_at DESC LIMIT ?)""",
                (MOST_PROFILES,),
            )

    def _remembered(self, profile: bytes) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        rows = self._rows('SELECT features_ids, "values" FROM scores WHERE profile = ?', (profile,))
        ids, values = rows[0] if rows else (b"", b"")
        return np.frombuffer(ids, "<i8"), np.frombuffer(values, "<f8")
