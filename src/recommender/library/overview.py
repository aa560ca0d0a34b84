"""What a library knows of files: for scans, and for people who look after it."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from recommender.library.queries import Queries, name_ranges
from recommender.library.records import (
    WHOLE,
    Counts,
    Failure,
    FileState,
    Root,
    Section,
    program_version,
)

_ANALYSED: Final[Mapping[Section, bool]] = {WHOLE: True}
_NOT_ANALYSED: Final[Mapping[Section, bool]] = {WHOLE: False}


class Overview(Queries):
    """The part of the catalogue that knows of files."""

    def states(
        self, fingerprint: str, under: Sequence[Path] = (), *, fast: bool = False
    ) -> dict[str, FileState]:
        """Tell everything known of the files below folders, or of files, or of all, by name.

        Parameters
        ----------
        fingerprint : str
        under : sequence of Path
            As the library has them: links are not resolved.
        fast : bool
            Whether features of a few windows will do.
        """
        states: dict[str, FileState] = {}
        for low, high in name_ranges(list(map(str, under))):
            rows = self._stream(
                """SELECT path, size, mtime_ns, file_s, sheet, warning, missing_since,
                    number, start_s, end_s,
                    EXISTS (SELECT 1 FROM features INDEXED BY features_by_fingerprint
                        WHERE features.track_id = files.track_id AND fast <= ? AND fingerprint_id =
                        (SELECT id FROM fingerprints WHERE fingerprint = ?))
                FROM files WHERE path >= ? AND path < ? ORDER BY path, number""",
                (fast, fingerprint, low, high),
            )
            parts: dict[Section, bool] = {}
            for path, size, mtime_ns, file_s, sheet, warning, missing, *part in rows:
                number, start_s, end_s, analysed = part
                if number == WHOLE.number:
                    sections = _ANALYSED if analysed else _NOT_ANALYSED
                else:
                    name = os.fsdecode(path)
                    if name not in states:
                        parts = {}
                    parts[Section(number=number, start_s=start_s, end_s=end_s)] = bool(analysed)
                    sections = parts
                states[os.fsdecode(path)] = FileState(
                    size=size,
                    mtime_ns=mtime_ns,
                    sections=sections,
                    file_s=file_s,
                    sheet=sheet.hex() if sheet else None,
                    warning=warning,
                    is_missing=missing is not None,
                )
            failures = self._rows(
                """SELECT path, size, mtime_ns, reason, version IS NOT ? FROM failures
                WHERE path >= ? AND path < ?""",
                (program_version(), low, high),
            )
            for path, size, mtime_ns, reason, is_outdated in failures:
                states[os.fsdecode(path)] = FileState(
                    size=size, mtime_ns=mtime_ns, failure=reason, is_outdated=bool(is_outdated)
                )
        return states

    def sounds(self, names: Collection[str]) -> dict[str, str]:
        """Return what each file holds: the content hash of its first section."""
        rows = self._rows(
            """SELECT path, content_hash, min(number) FROM files JOIN tracks ON tracks.id = track_id
            WHERE path IN (SELECT from_hex(value) FROM json_each(?)) GROUP BY path""",
            (_hexadecimal(names),),
        )
        return {os.fsdecode(path): content_hash.hex() for path, content_hash, _ in rows}

    def holders(self, content_hash: str) -> dict[str, bool]:
        """Name the files that hold a recording, and tell which of them are marked as missing."""
        rows = self._rows(
            """SELECT DISTINCT path, missing_since NOT NULL FROM files
            JOIN tracks ON tracks.id = track_id WHERE content_hash = ?""",
            (bytes.fromhex(content_hash),),
        )
        return {os.fsdecode(path): bool(is_missing) for path, is_missing in rows}

    def knows(self, path: Path) -> bool:
        """Tell whether anything is known of a file, or of files below a folder."""
        return any(
            self._rows(f"SELECT 1 FROM {table} WHERE path >= ? AND path < ? LIMIT 1", between)
            for between in name_ranges([str(path)])
            for table in ("files", "failures")
        )

    def roots(self) -> list[Root]:
        """List the folders that were scanned as such, sorted by path."""
        rows = self._rows("SELECT path, scanned_at FROM roots ORDER BY path")
        return [
            Root(path=Path(os.fsdecode(path)), scanned_at=datetime.fromisoformat(at))
            for path, at in rows
        ]

    def failures(self, under: Sequence[Path] = ()) -> list[Failure]:
        """List what could not be used, below folders or everywhere, sorted by path."""
        return [
            Failure(
                path=Path(os.fsdecode(path)),
                reason=reason,
                failed_at=datetime.fromisoformat(at),
                version=version,
            )
            for low, high in name_ranges([os.path.realpath(path) for path in under])
            for path, reason, at, version in self._rows(
                """SELECT path, reason, failed_at, version FROM failures
                WHERE path >= ? AND path < ? ORDER BY path""",
                (low, high),
            )
        ]

    def warnings(self) -> list[tuple[Path, str]]:
        """List files that could be used although something is wrong with them, sorted by path."""
        rows = self._rows(
            """SELECT DISTINCT path, warning FROM files
            WHERE warning NOT NULL AND missing_since IS NULL ORDER BY path"""
        )
        return [(Path(os.fsdecode(path)), warning) for path, warning in rows]

    def counts(self) -> Counts:
        """Count recordings, files, failures, seconds and bytes."""
        analysed = self._rows(
            """SELECT fingerprint, count(track_id), ifnull(sum(fast), 0) FROM fingerprints
            LEFT JOIN features ON fingerprint_id = fingerprints.id GROUP BY fingerprint"""
        )
        figures = self._rows(
            """WITH present AS (SELECT path, track_id, size, warning FROM files
                WHERE missing_since IS NULL)
            SELECT (SELECT count(*) FROM tracks), (SELECT count(DISTINCT path) FROM present),
                (SELECT count(DISTINCT path) FROM files WHERE missing_since NOT NULL),
                (SELECT count(*) FROM failures),
                (SELECT count(DISTINCT path) FROM present WHERE warning NOT NULL),
                (SELECT total(duration_s) FROM tracks
                    WHERE id IN (SELECT track_id FROM present)),
                (SELECT ifnull(sum(size), 0) FROM (SELECT DISTINCT path, size FROM present)),
                (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())"""
        )[0]
        n_tracks, n_files, n_missing, n_failures, n_warnings, duration_s, n_file_bytes, n_bytes = (
            figures
        )
        return Counts(
            n_tracks=n_tracks,
            n_files=n_files,
            n_missing=n_missing,
            n_failures=n_failures,
            n_warnings=n_warnings,
            n_analysed={fingerprint: n for fingerprint, n, _ in analysed},
            n_fast={fingerprint: n_fast for fingerprint, _, n_fast in analysed},
            duration_s=duration_s,
            n_file_bytes=n_file_bytes,
            n_bytes=n_bytes,
        )


def _hexadecimal(names: Collection[str]) -> str:
    return json.dumps([os.fsencode(name).hex() for name in names])
