"""Recordings, the files that hold them, and their features."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.library.coding import encode
from recommender.library.records import File, program_version
from recommender.library.upkeep import Upkeep


class Library(Upkeep):
    """The catalogue in its database.

    Use it from one thread, and as a context manager. Every method raises `LibraryError` if the
    database cannot be read or written; what was written before stays.
    """

    # What a scan needs ----------------------------------------------------------------------------

    def duration_s(
        self, content_hash: str, fingerprint: str, *, fast: bool = False
    ) -> float | None:
        """Return the length of a recording that has features of this fingerprint, else ``None``.

        If `fast`, features of a few windows will do.
        """
        rows = self._rows(
            """SELECT duration_s FROM tracks JOIN features INDEXED BY features_by_fingerprint
                ON track_id = tracks.id
            JOIN fingerprints ON fingerprints.id = fingerprint_id
            WHERE content_hash = ? AND fingerprint = ? AND fast <= ?""",
            (bytes.fromhex(content_hash), fingerprint, fast),
        )
        return float(rows[0][0]) if rows else None

    def describe(self, fingerprint: str, description: str) -> None:
        """Write down what a fingerprint stands for, as JSON; needed once before its features."""
        with self._transaction():
            self._rows(
                """INSERT INTO fingerprints (fingerprint, description) VALUES (?, ?)
                ON CONFLICT DO NOTHING""",
                (fingerprint, description),
            )

    def remember(
        self,
        file: File,
        fingerprint: str | None = None,
        features: NDArray[np.floating] | None = None,
        *,
        fast: bool = False,
    ) -> None:
        """Write a file and, if given, the features of its recording; see `remember_sections`."""
        self.remember_sections([(file, features)], fingerprint, fast=fast)

    def remember_sections(
        self,
        sections: Sequence[tuple[File, NDArray[np.floating] | None]],
        fingerprint: str | None = None,
        *,
        fast: bool = False,
    ) -> None:
        """Write all that is known of a file in one transaction, in place of what was.

        Parameters
        ----------
        sections : sequence of (File, ndarray or None)
            All of one file, at least one, each with features ``(n_fragments, n_features)`` if they
            are new. Features that are there already stay, but for those of a few windows where
            there are now those of the whole recording.
        fingerprint : str, optional
            Of the features; has been described.
        fast : bool
            Whether these features are of a few windows only.
        """
        path = os.fsencode(sections[0][0].path)
        with self._transaction():
            self._rows("DELETE FROM files WHERE path = ?", (path,))
            self._rows("DELETE FROM failures WHERE path = ?", (path,))
            for file, features in sections:
                track_id = self._remember_track(file)
                self._rows(
                    f"INSERT INTO files VALUES ({', '.join('?' * 14)}, NULL)",
                    (path, *_row(file, track_id)),
                )
                if features is None:
                    continue
                self._remember_features(track_id, fingerprint, features, fast=fast)
                if not fast:  # decoded from end to end: better than what the tags say
                    self._rows(
                        "UPDATE tracks SET duration_s = ? WHERE id = ?", (file.duration_s, track_id)
                    )

    def _remember_track(self, file: File) -> int:
        content_hash = bytes.fromhex(file.content_hash)
        self._rows(
            "INSERT INTO tracks (content_hash, duration_s) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (content_hash, file.duration_s),
        )
        rows = self._rows("SELECT id FROM tracks WHERE content_hash = ?", (content_hash,))
        return int(rows[0][0])

    def _remember_features(
        self,
        track_id: int,
        fingerprint: str | None,
        features: NDArray[np.floating],
        *,
        fast: bool,
    ) -> None:
        ((fingerprint_id,),) = self._rows(
            "SELECT id FROM fingerprints WHERE fingerprint = ?", (fingerprint,)
        )
        names = (track_id, fingerprint_id)
        where = "track_id = ? AND fingerprint_id = ?"
        there = self._rows(f"SELECT fast FROM features WHERE {where}", names)
        if there and there[0][0] <= fast:
            return
        self._rows(f"DELETE FROM features WHERE {where}", names)
        self._insert_features(*names, encode(features), fast=fast)

    def record_failure(
        self, path: Path, reason: str, *, size: int | None = None, mtime_ns: int | None = None
    ) -> None:
        """Write down why a path cannot be used; what was known of it before is forgotten.

        Parameters
        ----------
        path : Path
        reason : str
        size, mtime_ns : int, optional
            Given if the file has to change before another attempt makes sense.
        """
        failed_at = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction():
            self._rows("DELETE FROM files WHERE path = ?", (os.fsencode(path),))
            self._rows(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?)",
                (
                    os.fsencode(path),
                    size,
                    mtime_ns,
                    _text(reason),
                    failed_at,
                    program_version(),
                ),
            )


def _row(file: File, track_id: int) -> tuple[object, ...]:
    """Values of a row of `files` after its path."""
    return (
        file.section.number,
        file.section.start_s,
        file.section.end_s,
        track_id,
        file.size,
        file.mtime_ns,
        file.duration_s if file.file_s is None else file.file_s,
        bytes.fromhex(file.sheet) if file.sheet else None,
        *map(_text, (file.tags.artist, file.tags.title, file.tags.album, file.tags.genre)),
        _text(file.warning),
    )


def _text(text: str | None) -> str | None:
    # Tags and names may hold lone surrogates, which no text column can.
    return None if text is None else text.encode("utf-8", "replace").decode()
