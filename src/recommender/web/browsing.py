"""What pages ask of a library beside what rankings do: search, folders, all that is known."""

import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from recommender.library import Library
from recommender.library.queries import name_ranges

_COLUMNS = """tracks.id, {path}, artist, title, album, genre, tracks.duration_s, start_s, end_s,
    missing_since NOT NULL"""

_NAMED = """instr(CASE WHEN length(CAST(name AS BLOB)) = length(name) THEN lower(name)
    ELSE folded(CAST(name AS BLOB)) END, ?)"""


class Found(NamedTuple):
    """A recording in one of its files; see `library.Track`."""

    id: int
    path: bytes
    artist: str | None
    title: str | None
    album: str | None
    genre: str | None
    duration_s: float
    start_s: float | None
    end_s: float | None
    is_missing: int


class Made(NamedTuple):
    """Features that a recording has."""

    fingerprint: str
    fast: int
    n_fragments: int


class Browser(Library):
    """A library that pages look through; use it from one thread, and as a context manager."""

    @classmethod
    def of(cls, home: Path) -> Self:
        """Open the library below the home folder."""
        return cls.open(home / "library.db")

    def search(
        self, words: str = "", folder: Path | None = None, *, offset: int = 0, limit: int = 50
    ) -> tuple[int, list[Found]]:
        """Find recordings in files that are there, sorted by path.

        Parameters
        ----------
        words : str
            All of them occur in artist, title, album or path; capitals and accents make no
            difference.
        folder : Path, optional
            Only what lies below it.
        offset, limit : int

        Returns
        -------
        int
            How many there are in all.
        list of Found
        """
        conditions, values = ["missing_since IS NULL"], list[Any]()
        if folder is not None:
            ranges = name_ranges([str(folder)])
            conditions.append(f"({' OR '.join('(path >= ? AND path < ?)' for _ in ranges)})")
            values += [end for pair in ranges for end in pair]
        where = " AND ".join(conditions)
        if wanted := _folded(words).split():
            # ASCII, which most names are, needs no help from Python.
            self._connection.create_function("folded", 1, _folded_bytes, deterministic=True)
            found = self._rows(
                f"""SELECT track_id, min(path) FROM (SELECT track_id, path, artist
                        || char(10) || title || char(10) || album || char(10) || name AS name
                    FROM (SELECT track_id, path, ifnull(artist, '') AS artist,
                        ifnull(title, '') AS title, ifnull(album, '') AS album,
                        CAST(path AS TEXT) AS name FROM files WHERE {where}))
                WHERE {" AND ".join([_NAMED] * len(wanted))}
                GROUP BY track_id ORDER BY min(path), track_id""",
                [*values, *wanted],
            )
            ids = [track_id for track_id, _ in found[offset : offset + limit]]
            files = self.first_files(ids)
            return len(found), [files[track_id] for track_id in ids]
        ((total,),) = self._rows(
            f"SELECT count(DISTINCT track_id) FROM files WHERE {where}", values
        )
        rows = self._rows(
            f"""SELECT {_COLUMNS.format(path="min(files.path)")}
            FROM files JOIN tracks ON tracks.id = files.track_id
            WHERE {where} GROUP BY tracks.id ORDER BY files.path, number LIMIT ? OFFSET ?""",
            [*values, limit, offset],
        )
        return total, list(map(Found._make, rows))

    def files(self, track_id: int) -> list[Found]:
        """List a recording once for each file that holds it, those that are there first."""
        rows = self._rows(
            f"""SELECT {_COLUMNS.format(path="files.path")}
            FROM files JOIN tracks ON tracks.id = files.track_id
            WHERE tracks.id = ? ORDER BY missing_since NOT NULL, files.path, number""",
            (track_id,),
        )
        return list(map(Found._make, rows))

    def content_hash(self, track_id: int) -> str:
        """Return the hash of a recording that there is."""
        ((found,),) = self._rows("SELECT content_hash FROM tracks WHERE id = ?", (track_id,))
        return bytes(found).hex()

    def made(self, track_id: int) -> list[Made]:
        """List the features that a recording has, the first that were made first."""
        rows = self._rows(
            """SELECT fingerprint, fast, n_fragments FROM features
            JOIN fingerprints ON fingerprints.id = fingerprint_id
            WHERE track_id = ? ORDER BY features.id""",
            (track_id,),
        )
        return list(map(Made._make, rows))

    def first_files(self, track_ids: Collection[int]) -> dict[int, Found]:
        """Return the first file of each recording."""
        marks = ", ".join(map(str, track_ids))
        rows = self._rows(
            f"""SELECT {_COLUMNS.format(path="min(files.path)")}
            FROM files JOIN tracks ON tracks.id = files.track_id
            WHERE tracks.id IN ({marks}) GROUP BY tracks.id"""
        )
        return {row[0]: Found._make(row) for row in rows}

    def tags(self, fingerprint: str) -> dict[int, tuple[str | None, str | None, str | None]]:
        """Return artist, title and genre of all recordings that are there, by their ids."""
        rows = self._rows(
            """SELECT track_id, artist, title, genre, min(path) FROM files
            WHERE missing_since IS NULL AND track_id IN
                (SELECT track_id FROM features INDEXED BY features_by_fingerprint
                WHERE fingerprint_id = (SELECT id FROM fingerprints WHERE fingerprint = ?))
            GROUP BY track_id""",
            (fingerprint,),
        )
        return {track_id: (artist, title, genre) for track_id, artist, title, genre, _ in rows}

    def folders(self, under: Path) -> tuple[int, dict[Path, int]]:
        """Count the tracks below a folder, and below each of the folders in it."""
        names = self._names(name_ranges([str(under)]))
        depth = len(under.parts)
        children = Counter[str]()
        for name in names:
            parts = Path(name).parts
            if len(parts) > depth + 1:
                children[parts[depth]] += 1
        return len(names), {under / child: n for child, n in sorted(children.items())}

    def named_folders(self, word: str) -> dict[Path, int]:
        """Count the tracks below each folder whose own name holds a word, whatever the case."""
        holding = Counter(os.path.dirname(name) for name in self._names([(b"", b"\xff")]))  # noqa: PTH120
        found = Counter[Path]()
        for name, n in holding.items():
            folder = Path(name)
            for each in (folder, *folder.parents):
                if _folded(word) in _folded(each.name):
                    found[each] += n
        return dict(sorted(found.items()))

    def holds_folders(self, folder: Path) -> bool:
        """Tell whether tracks lie below a folder that do not lie in it."""
        prefix = os.fsencode(folder).rstrip(b"/") + b"/"
        return bool(
            self._rows(
                """SELECT 1 FROM files WHERE path >= ? AND path < ? AND missing_since IS NULL
                AND instr(substr(path, ?), x'2f') LIMIT 1""",
                (prefix, prefix[:-1] + b"0", len(prefix) + 1),
            )
        )

    def tops(self) -> dict[Path, int]:
        """Count the tracks below each folder that is scanned, and below what holds the others."""
        roots = [root.path for root in self.roots()]
        names = self._names([(b"", b"\xff")])
        found = Counter[Path](dict.fromkeys(roots, 0))
        prefixes = [(root, str(root).rstrip(os.sep) + os.sep) for root in roots]
        others: list[str] = []
        for name in names:
            root = next((root for root, prefix in prefixes if name.startswith(prefix)), None)
            if root is None:
                others.append(os.path.dirname(name))  # noqa: PTH120 (names, not paths)
            else:
                found[root] += 1
        if others:
            found[Path(os.path.commonpath(set(others)))] += len(others)
        return dict(sorted(found.items()))

    def n_analysed(self, fingerprint: str) -> int:
        """Count the recordings with features of a fingerprint."""
        ((n,),) = self._rows(
            """SELECT count(*) FROM features INDEXED BY features_by_fingerprint
            WHERE fingerprint_id = (SELECT id FROM fingerprints WHERE fingerprint = ?)""",
            (fingerprint,),
        )
        return int(n)

    def state(self) -> tuple[Any, ...]:
        """Return what changes whenever rankings may: numbers of what there is."""
        return self._rows(
            """SELECT (SELECT max(id) FROM features), (SELECT count(*) FROM features
                INDEXED BY features_by_fingerprint), count(*), count(missing_since) FROM files"""
        )[0]

    def _names(self, ranges: Sequence[tuple[bytes, bytes]]) -> list[str]:
        """Paths of tracks, as often as a file holds one."""
        return [
            os.fsdecode(path)
            for low, high in ranges
            for (path,) in self._rows(
                """SELECT path FROM files
                WHERE path >= ? AND path < ? AND missing_since IS NULL ORDER BY path""",
                (low, high),
            )
        ]


def _folded(text: str) -> str:
    """Text without capitals and accents."""
    return "".join(
        c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c)
    )


def _folded_bytes(text: bytes) -> str:
    return _folded(text.decode("utf-8", "replace"))
