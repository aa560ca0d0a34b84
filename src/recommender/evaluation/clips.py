"""Labelled clips in folds, and how these take turns.

Folds share no artist. In each rotation one has the liked tracks and the candidates, the next one
gives negatives, and only the others were trained on.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.errors import DatasetError

Indices = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What is known of a piece of music; "": unknown.

    Attributes
    ----------
    path : Path
    genre, artist, album, mood, source : str
        Albums are those of their artist, moods those of their source.
    fold : int
    """

    path: Path
    genre: str
    artist: str = ""
    album: str = ""
    mood: str = ""
    source: str = ""
    fold: int


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """Indices of clips: trained on; given as not liked; liked, hidden and candidates."""

    training: Indices
    negatives: Indices
    test: Indices


def read_clips(path: Path) -> list[Clip]:
    """Read clips from a CSV file.

    Parameters
    ----------
    path : Path
        Has the columns clip, genre, artist and fold, and may have album, mood and source. Clips are
        relative to its folder.

    Raises
    ------
    DatasetError
        If it cannot be read, lacks a column, or has a fold that is none.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as a CSV file ({error})") from None
    needed = ("clip", "genre", "artist", "fold")
    if missing := [name for name in needed if not lines or lines[0].get(name) is None]:
        raise DatasetError(f"{path}: lacks clips with the columns {', '.join(missing)}")
    clips = []
    for number, line in enumerate(lines, 2):
        if not (line["fold"] or "").isdecimal():
            raise DatasetError(f"{path}, line {number}: the fold must be 0, 1, 2, ...")
        optional = {name: line.get(name) or "" for name in ("album", "mood", "source")}
        clips.append(
            Clip(
                path=path.parent / line["clip"],
                genre=line["genre"] or "",
                artist=line["artist"] or "",
                fold=int(line["fold"]),
                **optional,
            )
        )
    return clips


def rotation(clips: Sequence[Clip], fold: int) -> Rotation:
    """Part clips for the rotation that is tested on a fold; the fold after it gives negatives."""
    folds = np.array([clip.fold for clip in clips])
    after = (fold + 1) % (folds.max() + 1)
    return Rotation(
        training=np.flatnonzero((folds != fold) & (folds != after)),
        negatives=np.flatnonzero(folds == after),
        test=np.flatnonzero(folds == fold),
    )
