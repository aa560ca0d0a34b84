"""FMA, the dataset of the Free Music Archive.

M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson, "FMA: A dataset for music analysis", ISMIR
2017: a table of all tracks (`fma_metadata/tracks.csv`), and audio in folders by number.
"""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from recommender.errors import DatasetError
from recommender.genres.sources.collection import (
    PART_NAMES,
    Collection,
    LabelledTrack,
    Skipped,
    absent,
    music,
)

Subset = Literal["small", "medium", "large", "full"]
SUBSETS: tuple[Subset, ...] = get_args(Subset)

LAYOUT = (
    "FMA is expected there: fma_metadata.zip and fma_small.zip (or another subset), unpacked, with"
    " fma_metadata/tracks.csv and fma_small/000/000002.mp3"
)
"""What to put where, to end a message."""

# Excerpts of 0 to 1.6 s, from the dataset's own list of known issues.
_DAMAGED = frozenset({98565, 98567, 98569, 99134, 108925, 133297})
_METADATA = "fma_metadata"
# What is read of the table: its first two rows name its columns.
_COLUMNS = {
    "subset": ("set", "subset"),
    "split": ("set", "split"),
    "genre": ("track", "genre_top"),
    "artist": ("artist", "id"),
    "name": ("artist", "name"),
}
_LONGEST_CELL = 2**24  # biographies may exceed the 128 KiB that the csv module allows at first


@dataclass(frozen=True, kw_only=True)
class _Row:
    number: int
    genre: str
    artist: str | None
    split: str


def read_fma(path: Path, subset: Subset) -> Collection:
    """Read FMA: its table says genres, artists and the set's own split.

    Raises
    ------
    DatasetError
        If there is no table, or it is damaged.
    """
    table = find_table(path)
    if table is None:
        raise DatasetError(f"{path}: there is no tracks.csv of FMA; {LAYOUT}")
    rows, problems = _read_table(table, subset)
    skipped: list[Skipped] = [(table, f"{problem}: {n:,}") for problem, n in problems.items()]
    clips: dict[int, Path] = {}
    for folder in _clip_folders(path, table):
        files, unreadable = music(folder)
        skipped += unreadable
        clips = _by_number(files)
        if any(row.number in clips for row in rows):
            break
    missing = [f"{row.number:06d}.mp3" for row in rows if row.number not in clips]
    if missing:
        skipped.append((table, absent(missing)))
    tracks = tuple(
        LabelledTrack(
            path=clips[row.number],
            genre=row.genre,
            group=f"artist {row.artist}" if row.artist else str(clips[row.number]),
            artist_known=row.artist is not None,
            part=PART_NAMES.get(row.split),
        )
        for row in rows
        if row.number in clips
    )
    return Collection(name=f"FMA {subset}", tracks=tracks, skipped=tuple(skipped))


def find_table(path: Path) -> Path | None:
    """Find FMA's table in, below or, if this is a folder of clips, beside a folder.

    A folder's table of another kind with the same name is none.
    """
    if path.is_file():
        return path if _has_header(path) else None
    folders = [path]
    if path.name.lower().startswith("fma_"):
        folders += [path.parent, path.parent.parent]  # archives may unpack to a folder in a folder
    for folder in folders:
        for below in (folder, folder / _METADATA, folder / _METADATA / _METADATA):
            table = below / "tracks.csv"
            if table.is_file() and _has_header(table):
                return table
    return None


def _read_table(table: Path, subset: Subset) -> tuple[list[_Row], Counter[str]]:
    """Read the tracks of a subset, and count by reason the rows that cannot be used."""
    wanted = SUBSETS[: SUBSETS.index(subset) + 1]
    tracks: dict[int, _Row] = {}
    problems: Counter[str] = Counter()
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        # What is not UTF-8 can only be in names.
        with open(table, newline="", encoding="utf-8", errors="replace") as file:
            rows = csv.reader(file)
            columns = _columns(next(rows, []), next(rows, []))
            if columns is None:
                raise DatasetError(f"{table}: not FMA's table of tracks")
            for row in rows:
                if row[:1] == ["track_id"]:  # the third row of the header
                    continue
                if len(row) <= max(columns.values()) or not row[0].isdecimal():
                    problems["damaged rows"] += 1
                    continue
                cell = {name: row[column].strip() for name, column in columns.items()}
                number = int(row[0])
                if cell["subset"] not in wanted and subset != "full":
                    continue
                if number in _DAMAGED and subset != "full":
                    problems["clips known to be damaged"] += 1
                elif number in tracks:
                    problems["repeated rows"] += 1
                elif not cell["genre"]:
                    problems["tracks without a single top genre"] += 1
                else:
                    artist = cell["artist"] or cell["name"] or None
                    tracks[number] = _Row(
                        number=number, genre=cell["genre"], artist=artist, split=cell["split"]
                    )
    except csv.Error as error:
        raise DatasetError(f"{table}: damaged ({error}); unpack {_METADATA}.zip again") from None
    finally:
        csv.field_size_limit(limit)
    return list(tracks.values()), problems


def _clip_folders(path: Path, table: Path) -> list[Path]:
    """List folders that may hold the clips, best first.

    A folder of clips that was named itself is meant alone. Otherwise the clips are below the folder
    that holds the table or `fma_metadata`, or beside it.
    """
    if path.is_dir() and not table.is_relative_to(path):
        return [path]
    folder = table.parent
    while folder.name == _METADATA:
        folder = folder.parent
    return [folder, *sorted(folder.parent.glob("fma_*"))]


def _by_number(files: Iterable[Path]) -> dict[int, Path]:
    """Find tracks by their files' names (000002.mp3, any suffix).

    Of several files of a track that of the smallest subset counts: the full set has whole tracks.
    """

    def rank(file: Path) -> int:
        places = [SUBSETS.index(s) for s in SUBSETS if f"fma_{s}" in file.parts]
        return min(places, default=-1)

    named = [file for file in files if len(file.stem) == 6 and file.stem.isdecimal()]
    return {int(file.stem): file for file in sorted(named, key=rank, reverse=True)}


def _has_header(table: Path) -> bool:
    try:
        with open(table, newline="", encoding="utf-8", errors="replace") as file:
            rows = csv.reader(file)
            return _columns(next(rows, []), next(rows, [])) is not None
    except csv.Error:
        return False


def _columns(tops: list[str], names: list[str]) -> dict[str, int] | None:
    """Positions of the columns that are read, ``None`` if one is missing."""
    pairs = list(zip(tops, names, strict=False))
    if not all(pair in pairs for pair in _COLUMNS.values()):
        return None
    return {name: pairs.index(pair) for name, pair in _COLUMNS.items()}
