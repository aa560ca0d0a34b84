"""What a library answers: recordings, features, failures, figures."""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import LibraryError
from recommender.library.database import Database
from recommender.library.records import Counts, Failure, Track


class Queries(Database):
    """The half of the catalogue that only reads."""

    def tracks(
        self,
        fingerprint: str,
        under: Sequence[Path] = (),
        *,
        max_duration_s: float | None = None,
        every_file: bool = False,
    ) -> list[Track]:
        """List the recordings that have features of a fingerprint, sorted by path.

        Parameters
        ----------
        fingerprint : str
        under : sequence of Path
            Only files in these folders, and these files; by default all.
        max_duration_s : float, optional
            Only from files that are no longer; of a CUE sheet's tracks each counts by itself.
        every_file : bool
            List a recording once for each file that holds it, and not only for the first.
        """
        found: dict[tuple[bytes, int], tuple[Any, ...]] = {}
        for low, high in ranges(under):
            rows = self._rows(
                """SELECT files.path, number, tracks.id, content_hash, artist, title, album,
                    duration_s, n_fragments, start_s, end_s, fast, size / nullif(file_s, 0)
                FROM files JOIN tracks ON tracks.id = files.track_id
                JOIN features ON features.track_id = tracks.id
                WHERE files.path >= ? AND files.path < ? AND features.fingerprint_id =
                    (SELECT id FROM fingerprints WHERE fingerprint = ?)
                AND (? IS NULL OR ? >= CASE WHEN sheet IS NULL THEN file_s
                    ELSE ifnull(end_s, file_s) - ifnull(start_s, 0) END)""",
                (low, high, fingerprint, max_duration_s, max_duration_s),
            )
            found.update((row[:2], row[2:]) for row in rows)
        tracks = [
            Track(
                id=id,
                content_hash=content_hash.hex(),
                path=Path(os.fsdecode(path)),
                artist=artist,
                title=title,
                album=album,
                duration_s=duration_s,
                n_fragments=n_fragments,
                start_s=start_s,
                end_s=end_s,
                fast=bool(fast),
                bytes_per_s=bytes_per_s or 0.0,
            )
            for (path, _), (
                id,
                content_hash,
                artist,
                title,
                album,
                duration_s,
                n_fragments,
                start_s,
                end_s,
                fast,
                bytes_per_s,
            ) in sorted(found.items())
        ]
        if every_file:
            return tracks
        first: dict[int, Track] = {}
        for track in tracks:
            first.setdefault(track.id, track)
        return list(first.values())

    def features(
        self, track_ids: Iterable[int], fingerprint: str
    ) -> Iterator[tuple[int, NDArray[np.float16]]]:
        """Read features, one recording at a time, in the order of the ids.

        Yields
        ------
        int, ndarray of float16, shape (n_fragments, n_features)
            The array is read-only.

        Raises
        ------
        LibraryError
            If a recording has no features of this fingerprint.
        """
        for track_id in track_ids:
            rows = self._rows(
                """SELECT n_fragments, n_features, "values" FROM features
                WHERE track_id = ? AND fingerprint_id =
                    (SELECT id FROM fingerprints WHERE fingerprint = ?)""",
                (track_id, fingerprint),
            )
            if not rows:
                raise LibraryError(
                    f"{self.path}: no features of track {track_id} (fingerprint {fingerprint});"
                    " scan its folder again"
                )
            n_fragments, n_features, values = rows[0]
            yield track_id, np.frombuffer(values, "<f2").reshape(n_fragments, n_features)

    def failures(self) -> list[Failure]:
        """List what could not be used, sorted by path."""
        rows = self._rows("SELECT path, reason, failed_at FROM failures ORDER BY path")
        return [
            Failure(
                path=Path(os.fsdecode(path)), reason=reason, failed_at=datetime.fromisoformat(at)
            )
            for path, reason, at in rows
        ]

    def warnings(self) -> list[tuple[Path, str]]:
        """List files that could be used although something is wrong with them, sorted by path."""
        rows = self._rows(
            "SELECT DISTINCT path, warning FROM files WHERE warning NOT NULL ORDER BY path"
        )
        return [(Path(os.fsdecode(path)), warning) for path, warning in rows]

    def counts(self) -> Counts:
        """Count recordings, files, failures and bytes."""
        analysed = self._rows(
            """SELECT fingerprint, count(track_id), ifnull(sum(fast), 0) FROM fingerprints
            LEFT JOIN features ON fingerprint_id = fingerprints.id GROUP BY fingerprint"""
        )
        n_tracks, n_files, n_failures, n_warnings, n_bytes = self._rows(
            """SELECT (SELECT count(*) FROM tracks), (SELECT count(DISTINCT path) FROM files),
                (SELECT count(*) FROM failures),
                (SELECT count(DISTINCT path) FROM files WHERE warning NOT NULL),
                (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())"""
        )[0]
        return Counts(
            n_tracks=n_tracks,
            n_files=n_files,
            n_failures=n_failures,
            n_warnings=n_warnings,
            n_analysed={fingerprint: n for fingerprint, n, _ in analysed},
            n_fast={fingerprint: n_fast for fingerprint, _, n_fast in analysed},
            n_bytes=n_bytes,
        )


def ranges(under: Sequence[Path]) -> Iterator[tuple[bytes, bytes]]:
    """Half-open ranges of the bytes of paths: a file itself, and all that lies below a folder."""
    if not under:
        yield b"", b"\xff"  # absolute paths begin with a separator or a letter
    for path in dict.fromkeys(under):
        name = os.path.realpath(path)
        yield os.fsencode(name), os.fsencode(name) + b"\0"
        folder = os.fsencode(name.removesuffix(os.sep) + os.sep)
        yield folder, folder[:-1] + bytes([folder[-1] + 1])
