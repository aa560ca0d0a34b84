"""Recordings, the files that hold them, and their features."""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import LibraryError
from recommender.library.database import Database
from recommender.library.records import Counts, Failure, File, FileState, Pruned, Track


class Library(Database):
    """The catalogue in its database.

    Use it from one thread, and as a context manager. Every method raises `LibraryError` if the
    database cannot be read or written; what was written before stays.
    """

    # What there is --------------------------------------------------------------------------------

    def tracks(self, fingerprint: str, under: Sequence[Path] = ()) -> list[Track]:
        """List the recordings that have features of a fingerprint, each once, sorted by path.

        Parameters
        ----------
        fingerprint : str
        under : sequence of Path
            Only files in these folders, and these files; by default all.
        """
        found: dict[bytes, tuple[Any, ...]] = {}
        for low, high in _ranges(under):
            rows = self._rows(
                """SELECT files.path, tracks.id, tracks.content_hash, artist, title, album,
                    duration_s, n_fragments
                FROM files JOIN tracks ON tracks.id = files.track_id
                JOIN features ON features.track_id = tracks.id
                WHERE files.path >= ? AND files.path < ? AND features.fingerprint_id =
                    (SELECT id FROM fingerprints WHERE fingerprint = ?)""",
                (low, high, fingerprint),
            )
            found.update((row[0], row) for row in rows)
        first: dict[int, Track] = {}
        for path, id, content_hash, artist, title, album, duration_s, n_fragments in map(
            found.__getitem__, sorted(found)
        ):
            if id not in first:
                first[id] = Track(
                    id=id,
                    content_hash=content_hash.hex(),
                    path=Path(os.fsdecode(path)),
                    artist=artist,
                    title=title,
                    album=album,
                    duration_s=duration_s,
                    n_fragments=n_fragments,
                )
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
        rows = self._rows("SELECT path, warning FROM files WHERE warning NOT NULL ORDER BY path")
        return [(Path(os.fsdecode(path)), warning) for path, warning in rows]

    def counts(self) -> Counts:
        """Count recordings, files, failures and bytes."""
        n_tracks, n_files, n_failures, n_warnings, n_bytes = self._rows(
            """SELECT (SELECT count(*) FROM tracks), (SELECT count(*) FROM files),
                (SELECT count(*) FROM failures),
                (SELECT count(*) FROM files WHERE warning NOT NULL),
                (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())"""
        )[0]
        analysed = self._rows(
            """SELECT fingerprint, count(track_id) FROM fingerprints
            LEFT JOIN features ON fingerprint_id = fingerprints.id GROUP BY fingerprint"""
        )
        return Counts(
            n_tracks=n_tracks,
            n_files=n_files,
            n_failures=n_failures,
            n_warnings=n_warnings,
            n_analysed=dict(analysed),
            n_bytes=n_bytes,
        )

    # What a scan needs ----------------------------------------------------------------------------

    def states(self, fingerprint: str, under: Sequence[Path] = ()) -> dict[Path, FileState]:
        """Tell everything known of the files below folders, or of files, or of all."""
        states: dict[Path, FileState] = {}
        for low, high in _ranges(under):
            files = self._rows(
                """SELECT path, size, mtime_ns, warning, EXISTS (
                    SELECT 1 FROM features WHERE features.track_id = files.track_id AND
                    fingerprint_id = (SELECT id FROM fingerprints WHERE fingerprint = ?))
                FROM files WHERE path >= ? AND path < ?""",
                (fingerprint, low, high),
            )
            for path, size, mtime_ns, warning, analysed in files:
                states[Path(os.fsdecode(path))] = FileState(
                    size=size, mtime_ns=mtime_ns, analysed=bool(analysed), warning=warning
                )
            failures = self._rows(
                "SELECT path, size, mtime_ns, reason FROM failures WHERE path >= ? AND path < ?",
                (low, high),
            )
            for path, size, mtime_ns, reason in failures:
                states[Path(os.fsdecode(path))] = FileState(
                    size=size, mtime_ns=mtime_ns, analysed=False, failure=reason
                )
        return states

    def duration_s(self, content_hash: str, fingerprint: str) -> float | None:
        """Return the length of a recording that has features of this fingerprint, else ``None``."""
        rows = self._rows(
            """SELECT duration_s FROM tracks JOIN features ON track_id = tracks.id
            JOIN fingerprints ON fingerprints.id = fingerprint_id
            WHERE content_hash = ? AND fingerprint = ?""",
            (bytes.fromhex(content_hash), fingerprint),
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
    ) -> None:
        """Write a file's row and, if given, the features of its recording, in one transaction.

        Parameters
        ----------
        file : File
        fingerprint : str, optional
            Of the features; has been described.
        features : ndarray of float16, shape (n_fragments, n_features), optional
            Ignored where another process has written them already.
        """
        path, content_hash = os.fsencode(file.path), bytes.fromhex(file.content_hash)
        tags = (file.tags.artist, file.tags.title, file.tags.album, file.tags.genre, file.warning)
        with self._transaction():
            self._rows(
                """INSERT INTO tracks (content_hash, duration_s) VALUES (?, ?)
                ON CONFLICT DO NOTHING""",
                (content_hash, file.duration_s),
            )
            ((track_id,),) = self._rows(
                "SELECT id FROM tracks WHERE content_hash = ?", (content_hash,)
            )
            self._rows(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (path, track_id, file.size, file.mtime_ns, *map(_text, tags)),
            )
            if features is not None:
                self._rows(
                    """INSERT INTO features VALUES
                    (?, (SELECT id FROM fingerprints WHERE fingerprint = ?), ?, ?, ?)
                    ON CONFLICT DO NOTHING""",
                    (track_id, fingerprint, *features.shape, features.astype("<f2").tobytes()),
                )
            self._rows("DELETE FROM failures WHERE path = ?", (path,))

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


def _ranges(under: Sequence[Path]) -> Iterator[tuple[bytes, bytes]]:
    """Half-open ranges of the bytes of paths: a file itself, and all that lies below a folder."""
    if not under:
        yield b"", b"\xff"  # absolute paths begin with a separator or a letter
    for path in dict.fromkeys(under):
        name = os.path.realpath(path)
        yield os.fsencode(name), os.fsencode(name) + b"\0"
        folder = os.fsencode(name.removesuffix(os.sep) + os.sep)
        yield folder, folder[:-1] + bytes([folder[-1] + 1])


def _text(text: str | None) -> str | None:
    # Tags and names may hold lone surrogates, which no text column can.
    return None if text is None else text.encode("utf-8", "replace").decode()
