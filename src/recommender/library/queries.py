"""What a library answers: recordings and their features."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import LibraryError
from recommender.library.coding import Coded, decode
from recommender.library.records import Block, Brief, Row, Track
from recommender.library.remembered import Remembered

_AT_ONCE = 500  # rows that are asked for at a time

_BYTES_PER_S = "ifnull(size / nullif(file_s, 0), 0.0)"
_ROW = f"""files.path, number, tracks.id, features.id, content_hash, artist, title, album,
    duration_s, n_fragments, start_s, end_s, fast, {_BYTES_PER_S}"""
_BRIEF = f"files.path, tracks.id, features.id, content_hash, duration_s, {_BYTES_PER_S}"


class Queries(Remembered):
    """The part of the catalogue that reads recordings."""

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
        rows = self.rows(fingerprint, under, max_duration_s=max_duration_s)
        tracks = [track_of(row) for row in rows]
        if every_file:
            return tracks
        first: dict[int, Track] = {}
        for track in tracks:
            first.setdefault(track.id, track)
        return list(first.values())

    def rows(
        self,
        fingerprint: str,
        under: Sequence[Path] = (),
        *,
        max_duration_s: float | None = None,
        ids: Collection[int] | None = None,
        content_hashes: Collection[str] | None = None,
        paths: Collection[Path] | None = None,
        artists: Collection[str] | None = None,
        missing: bool = False,
    ) -> Iterator[Row]:
        """Read the recordings that have features, once for each file, sorted by path.

        Nothing may be written before the last one is read.

        Parameters
        ----------
        fingerprint, under, max_duration_s
            See `tracks`.
        ids, content_hashes, paths, artists : collection, optional
            Only these recordings, files at these paths exactly, files with these tags.
        missing : bool
            Also files that are gone, or on a drive that is away.
        """
        found = self._found(
            _ROW,
            fingerprint,
            under,
            max_duration_s=max_duration_s,
            ids=ids,
            content_hashes=content_hashes,
            paths=paths,
            artists=artists,
            missing=missing,
        )
        return map(Row._make, found)

    def briefs(
        self, fingerprint: str, under: Sequence[Path] = (), *, max_duration_s: float | None = None
    ) -> Iterator[Brief]:
        """Read what `rows` reads of all recordings, but little of each."""
        found = self._found(_BRIEF, fingerprint, under, max_duration_s=max_duration_s)
        return map(Brief._make, found)

    def _found(
        self,
        columns: str,
        fingerprint: str,
        under: Sequence[Path],
        *,
        max_duration_s: float | None,
        ids: Collection[int] | None = None,
        content_hashes: Collection[str] | None = None,
        paths: Collection[Path] | None = None,
        artists: Collection[str] | None = None,
        missing: bool = False,
    ) -> Iterator[tuple[Any, ...]]:
        names = None if paths is None else [os.fsencode(path).hex() for path in paths]
        given: tuple[tuple[str, Collection[int] | Collection[str] | None], ...] = (
            ("tracks.id IN (SELECT value FROM json_each(?))", ids),
            ("content_hash IN (SELECT from_hex(value) FROM json_each(?))", content_hashes),
            ("files.path IN (SELECT from_hex(value) FROM json_each(?))", names),
            ("artist IN (SELECT value FROM json_each(?))", artists),
        )
        if any(values is not None and not values for _, values in given):
            return
        wanted = {sql: json.dumps(list(v)) for sql, v in given if v is not None}
        only = "".join(f" AND {sql}" for sql in wanted)
        # Few recordings are looked up; many files are read in their order.
        is_few = ids is not None or content_hashes is not None
        first, second = ("tracks", "files") if is_few else ("files", "tracks")
        for low, high in ranges(under):
            yield from self._stream(
                f"""SELECT {columns}
                FROM {first} CROSS JOIN {second} ON tracks.id = files.track_id
                CROSS JOIN features INDEXED BY features_by_fingerprint
                    ON features.track_id = tracks.id
                WHERE files.path >= ? AND files.path < ? AND (? OR missing_since IS NULL)
                AND features.fingerprint_id =
                    (SELECT id FROM fingerprints WHERE fingerprint = ?)
                AND (? IS NULL OR ? >= CASE WHEN sheet IS NULL THEN file_s
                    ELSE ifnull(end_s, file_s) - ifnull(start_s, 0) END)
                {only} ORDER BY files.path, number""",
                (low, high, missing, fingerprint, max_duration_s, max_duration_s, *wanted.values()),
            )

    def features(
        self, track_ids: Iterable[int], fingerprint: str
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read features, one recording at a time, in the order of the ids.

        Yields
        ------
        int, ndarray of float32, shape (n_fragments, n_features)

        Raises
        ------
        LibraryError
            If a recording has no features of this fingerprint.
        """
        for track_id in track_ids:
            rows = self._rows(
                """SELECT n_fragments, scales, "values" FROM features
                WHERE track_id = ? AND fingerprint_id =
                    (SELECT id FROM fingerprints WHERE fingerprint = ?)""",
                (track_id, fingerprint),
            )
            if not rows:
                raise LibraryError(
                    f"{self.path}: no features of track {track_id} (fingerprint {fingerprint});"
                    " scan its folder again"
                )
            yield track_id, decode(_coded(*rows[0]))

    def blocks(self, features_ids: NDArray[np.int64], n_fragments: int) -> Iterator[Block]:
        """Read features in blocks of about so many fragments.

        Parameters
        ----------
        features_ids : ndarray of int64
            In rising order; those that are there no more are left out.
        n_fragments : int
        """
        rows: list[tuple[Any, ...]] = []
        n = 0
        for some in self._by_ids("features", "id, n_fragments, scales", features_ids):
            for row in some:
                rows.append(row)
                n += row[1]
                if n >= n_fragments:
                    yield _block(rows)
                    rows, n = [], 0
        if rows:
            yield _block(rows)

    def summaries(self, features_ids: NDArray[np.int64], n_at_once: int) -> Iterator[Coded]:
        """Read the means of recordings' fragments, some at a time, ``(n, n_features)``.

        Parameters
        ----------
        features_ids : ndarray of int64
            In rising order.
        n_at_once : int

        Raises
        ------
        LibraryError
            If one of them is there no more.
        """
        n_left = len(features_ids)
        for some in self._by_ids("summaries", "features_id, scale", features_ids, n_at_once):
            if len(some) != min(n_at_once, n_left):
                raise LibraryError(f"{self.path}: changed meanwhile; run this again")
            n_left -= len(some)
            values = np.frombuffer(b"".join([row[2] for row in some]), np.int8)
            yield Coded(
                values=values.reshape(len(some), -1),
                scales=np.array([row[1] for row in some], np.float32),
            )

    def _by_ids(
        self, table: str, columns: str, ids: NDArray[np.int64], n_at_once: int = _AT_ONCE
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield rows in the order of ids, the first column, some at a time; values come last."""
        id_name = columns.partition(",")[0]
        sql = f'SELECT {columns}, "values" FROM {table} WHERE {id_name}'
        for start in range(0, len(ids), n_at_once):
            some = ids[start : start + n_at_once].tolist()
            if some[-1] - some[0] + 1 == len(some):  # faster than one by one
                yield self._rows(f"{sql} BETWEEN ? AND ? ORDER BY 1", (some[0], some[-1]))
            else:
                yield self._rows(f"{sql} IN ({', '.join(map(str, some))}) ORDER BY 1")

    def artists(self) -> list[str]:
        """List the artists that tags name, as they name them."""
        rows = self._rows("SELECT DISTINCT artist FROM files WHERE artist NOT NULL ORDER BY artist")
        return [artist for (artist,) in rows]


def ranges(under: Sequence[Path]) -> list[tuple[bytes, bytes]]:
    """Half-open ranges of the bytes of paths: a file itself, and all that lies below a folder.

    They are sorted, and none overlaps another.
    """
    return name_ranges([os.path.realpath(path) for path in under])


def name_ranges(under: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Ranges of paths by names as they are, without resolving links; see `ranges`."""
    if not under:
        return [(b"", b"\xff")]  # absolute paths begin with a separator or a letter
    all_ranges = []
    for name in under:
        folder = os.fsencode(name.removesuffix(os.sep) + os.sep)
        all_ranges.append((os.fsencode(name), os.fsencode(name) + b"\0"))
        all_ranges.append((folder, folder[:-1] + bytes([folder[-1] + 1])))
    found: list[tuple[bytes, bytes]] = []
    for low, high in sorted(all_ranges):
        if not found or low > found[-1][1]:
            found.append((low, high))
        else:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
    return found


def track_of(row: Row) -> Track:
    """Name a recording and its file."""
    return Track(
        id=row.id,
        content_hash=row.content_hash.hex(),
        path=Path(os.fsdecode(row.path)),
        artist=row.artist,
        title=row.title,
        album=row.album,
        duration_s=row.duration_s,
        n_fragments=row.n_fragments,
        start_s=row.start_s,
        end_s=row.end_s,
        fast=bool(row.fast),
        bytes_per_s=row.bytes_per_s,
        features_id=row.features_id,
    )


def _coded(n_fragments: int, scales: bytes, values: bytes) -> Coded:
    return Coded(
        values=np.frombuffer(values, np.int8).reshape(n_fragments, -1),
        scales=np.frombuffer(scales, "<f4"),
    )


def _block(rows: Sequence[tuple[Any, ...]]) -> Block:
    ids, lengths, scales, values = zip(*rows, strict=True)
    return Block(
        features_ids=np.array(ids, np.int64),
        lengths=np.array(lengths, np.int64),
        coded=_coded(sum(lengths), b"".join(scales), b"".join(values)),
    )
