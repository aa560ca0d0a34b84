"""Recordings, the files that hold them, and their features."""

import itertools
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.library.queries import Queries, ranges
from recommender.library.records import File, FileState, Pruned, Section


class Library(Queries):
    """The catalogue in its database.

    Use it from one thread, and as a context manager. Every method raises `LibraryError` if the
    database cannot be read or written; what was written before stays.
    """

    # What a scan needs ----------------------------------------------------------------------------

    def states(
        self, fingerprint: str, under: Sequence[Path] = (), *, fast: bool = False
    ) -> dict[Path, FileState]:
        """Tell everything known of the files below folders, or of files, or of all.

        Parameters
        ----------
        fingerprint : str
        under : sequence of Path
        fast : bool
            Whether features of a few windows will do.
        """
        states: dict[Path, FileState] = {}
        for low, high in ranges(under):
            files = self._rows(
                """SELECT path, size, mtime_ns, file_s, sheet, warning, number, start_s, end_s,
                    EXISTS (SELECT 1 FROM features INDEXED BY features_by_fingerprint
                        WHERE features.track_id = files.track_id AND fast <= ? AND fingerprint_id =
                        (SELECT id FROM fingerprints WHERE fingerprint = ?))
                FROM files WHERE path >= ? AND path < ? ORDER BY path, number""",
                (fast, fingerprint, low, high),
            )
            for name, group in itertools.groupby(files, key=lambda row: row[0]):
                rows = list(group)
                size, mtime_ns, file_s, sheet, warning = rows[0][1:6]
                states[Path(os.fsdecode(name))] = FileState(
                    size=size,
                    mtime_ns=mtime_ns,
                    sections={
                        Section(number=number, start_s=start_s, end_s=end_s): bool(analysed)
                        for number, start_s, end_s, analysed in (row[6:] for row in rows)
                    },
                    file_s=file_s,
                    sheet=sheet.hex() if sheet else None,
                    warning=warning,
                )
            failures = self._rows(
                "SELECT path, size, mtime_ns, reason FROM failures WHERE path >= ? AND path < ?",
                (low, high),
            )
            for path, size, mtime_ns, reason in failures:
                states[Path(os.fsdecode(path))] = FileState(
                    size=size, mtime_ns=mtime_ns, failure=reason
                )
        return states

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
        features: NDArray[np.float16] | None = None,
        *,
        fast: bool = False,
    ) -> None:
        """Write a file and, if given, the features of its recording; see `remember_sections`."""
        self.remember_sections([(file, features)], fingerprint, fast=fast)

    def remember_sections(
        self,
        sections: Sequence[tuple[File, NDArray[np.float16] | None]],
        fingerprint: str | None = None,
        *,
        fast: bool = False,
    ) -> None:
        """Write all that is known of a file in one transaction, in place of what was.

        Parameters
        ----------
        sections : sequence of (File, ndarray of float16 or None)
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
                    f"INSERT INTO files VALUES ({', '.join('?' * 14)})",
                    (path, *_row(file, track_id)),
                )
                if features is None:
                    continue
                self._rows(
                    """INSERT INTO features
                    VALUES (?, (SELECT id FROM fingerprints WHERE fingerprint = ?), ?, ?, ?, ?)
                    ON CONFLICT (track_id, fingerprint_id) DO UPDATE SET
                        n_fragments = excluded.n_fragments, "values" = excluded."values", fast = 0
                        WHERE fast > excluded.fast""",
                    (
                        track_id,
                        fingerprint,
                        *features.shape,
                        features.astype("<f2").tobytes(),
                        fast,
                    ),
                )
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
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?)",
                (os.fsencode(path), size, mtime_ns, _text(reason), failed_at),
            )

    def forget(self, paths: Iterable[Path]) -> None:
        """Forget files; the features of their recordings stay, for when they come back."""
        with self._transaction():
            for path in paths:
                self._rows("DELETE FROM files WHERE path = ?", (os.fsencode(path),))
                self._rows("DELETE FROM failures WHERE path = ?", (os.fsencode(path),))

    def prune(
        self,
        *,
        keep: Iterable[str] | None = None,
        missing_folders: bool = False,
        dry_run: bool = False,
    ) -> Pruned:
        """Forget files that are gone and recordings without files; give the space back.

        Parameters
        ----------
        keep : iterable of str, optional
            Fingerprints whose features stay; by default all.
        missing_folders : bool
            Forget files whose folder is gone too. By default they are kept, with their features:
            the folder may lie on a drive that is not mounted.
        dry_run : bool
            Only tell what would be forgotten.
        """
        rows = self._rows("SELECT path, track_id FROM files UNION SELECT path, NULL FROM failures")
        known = [(Path(os.fsdecode(path)), track_id) for path, track_id in rows]
        gone = {path for path, _ in known if is_gone(path)}
        # A link to a folder that is not there counts as missing as well.
        missing = {path for path in gone if not os.path.isdir(path.parent)}  # noqa: PTH112
        kept = set() if missing_folders else missing
        forgotten = gone - kept
        living = {track_id for path, track_id in known if path not in forgotten}
        unused = [row for row in self._rows("SELECT id FROM tracks") if row[0] not in living]
        if not dry_run:
            self.forget(forgotten)
            with self._transaction():
                self._rows("DELETE FROM tracks WHERE id NOT IN (SELECT track_id FROM files)")
                if keep is not None:
                    names = list(keep)
                    marks = ", ".join("?" * len(names))
                    self._rows(
                        f"DELETE FROM fingerprints WHERE fingerprint NOT IN ({marks})", names
                    )
            self._give_space_back()
        return Pruned(
            files=tuple(sorted(forgotten, key=os.fsencode)),
            n_tracks=len(unused),
            kept_folders=tuple(sorted({path.parent for path in kept}, key=os.fsencode)),
        )


def is_gone(path: Path) -> bool:
    """Tell whether a path certainly exists no more: not merely out of sight."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


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
