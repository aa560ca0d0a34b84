"""A table of labelled files (CSV)."""

import csv
import os
import re
from collections import Counter
from pathlib import Path

from recommender.errors import DatasetError
from recommender.genres.sources.collection import (
    PART_NAMES,
    Collection,
    LabelledTrack,
    absent,
    artist,
)


def read_csv(path: Path) -> Collection:
    """Read a table with the columns clip or path, genre, and where known artist, fold, split.

    Cells are separated as spreadsheets do it: by comma, semicolon or tab. Files are named from the
    table's own folder.

    Raises
    ------
    DatasetError
        If it cannot be read, lacks a column, or has a cell that makes no sense.
    OSError
        If the file cannot be opened.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count), restval="")
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            column = next((name for name in ("clip", "path") if name in names), None)
            if column is None or "genre" not in names:
                raise DatasetError(
                    f"{path}: lacks a column; a table of labelled tracks has clip (or path) and"
                    " genre, and may have artist, fold and split"
                )
            return _from_rows(path, column, reader)
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: is not UTF-8 text; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise DatasetError(f"{path}: not a table of labelled tracks ({error})") from None


def _from_rows(path: Path, column: str, reader: "csv.DictReader[str]") -> Collection:
    tracks: dict[Path, LabelledTrack] = {}
    missing: list[str] = []
    problems: Counter[str] = Counter()
    for row in reader:
        cell = {key: (row.get(key) or "").strip() for key in (column, "genre", "artist")}
        if not cell[column] or not cell["genre"]:
            problems["rows without a file or its genre"] += 1
            continue
        file = Path(os.path.normpath(path.parent / cell[column]))
        if file in tracks:
            problems["rows that name a file again"] += 1
        elif not file.is_file():
            missing.append(cell[column])
        else:
            name = artist(cell["artist"])
            fold, split = ((row.get(key) or "").strip().lower() for key in ("fold", "split"))
            where = f"{path}, line {reader.line_num}"
            if not re.fullmatch(r"[0-9]{0,9}", fold):
                raise DatasetError(f"{where}: fold is {fold!r}; make it a whole number")
            if split not in PART_NAMES:
                raise DatasetError(
                    f"{where}: split is {split!r}; make it training, validation or test"
                )
            tracks[file] = LabelledTrack(
                path=file,
                genre=cell["genre"],
                group=name or str(file),
                artist_known=name is not None,
                fold=int(fold) if fold else None,
                part=PART_NAMES[split],
            )
    skipped = [(path, f"{problem}: {n:,}") for problem, n in problems.items()]
    if missing:
        skipped.append((path, absent(missing)))
    return Collection(name=path.name, tracks=tuple(tracks.values()), skipped=tuple(skipped))
