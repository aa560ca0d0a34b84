"""What the library gives and takes; ``None`` where nothing is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from recommender.audio import Tags


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a file that is a recording of its own, or the whole file.

    Attributes
    ----------
    number : int
        0 is the whole file; parts count from 1.
    start_s, end_s : float or None
        In seconds; of the whole file both are ``None``, of its last part the end is.
    """

    number: int = 0
    start_s: float | None = None
    end_s: float | None = None


WHOLE: Final = Section()


@dataclass(frozen=True, kw_only=True)
class Track:
    """A recording and one of the files that hold it; ``None`` where the tags say nothing.

    Attributes
    ----------
    start_s, end_s : float or None
        Where it lies in its file, see `Section`.
    fast : bool
        Whether it was analysed from a few windows only.
    bytes_per_s : float
        Of its file, all that is in it: of two files with the same sound, the one with more is the
        better one.
    """

    id: int
    content_hash: str
    path: Path
    artist: str | None
    title: str | None
    album: str | None
    duration_s: float
    n_fragments: int
    start_s: float | None = None
    end_s: float | None = None
    fast: bool = False
    bytes_per_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class File:
    """A file, or a section of one, whose recording could be identified.

    Attributes
    ----------
    path : Path
        Absolute.
    section : Section
    size, mtime_ns : int
        In bytes, and in nanoseconds since 1970: a file in which both are as before is unchanged.
    content_hash : str
        Of the section: 64 hexadecimal digits.
    duration_s : float
        Of the section's decoded sound, in seconds.
    tags : Tags
    file_s : float or None
        Length of the whole file, in seconds, by which it was decided how to divide it; ``None``:
        `duration_s`.
    sheet : str or None
        Hash of the CUE sheet that speaks of the file: 64 hexadecimal digits.
    warning : str or None
        What is wrong with the file although it could be used.
    """

    path: Path
    size: int
    mtime_ns: int
    content_hash: str
    duration_s: float
    tags: Tags
    section: Section = WHOLE
    file_s: float | None = None
    sheet: str | None = None
    warning: str | None = None


@dataclass(frozen=True, kw_only=True)
class FileState:
    """What the library knows of a path.

    Attributes
    ----------
    size, mtime_ns : int or None
        When it was last analysed or failed; ``None`` if the failure need not last.
    sections : dict of Section to bool
        Whether there are features of the fingerprint in question, made as is asked for.
    file_s, sheet
        As in `File`.
    warning, failure : str or None
    """

    size: int | None
    mtime_ns: int | None
    sections: Mapping[Section, bool] = field(default_factory=dict)
    file_s: float | None = None
    sheet: str | None = None
    warning: str | None = None
    failure: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file or folder that could not be used, and why."""

    path: Path
    reason: str
    failed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The library in figures.

    Attributes
    ----------
    n_tracks, n_files, n_failures, n_warnings : int
    n_analysed, n_fast : dict
        Number of recordings with features, for each fingerprint, and of those among them that were
        analysed from a few windows only.
    n_bytes : int
        Size of the database.
    """

    n_tracks: int
    n_files: int
    n_failures: int
    n_warnings: int
    n_analysed: dict[str, int]
    n_fast: dict[str, int]
    n_bytes: int


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was forgotten, or would be.

    Attributes
    ----------
    files : tuple of Path
        Files and failures, sorted.
    n_tracks : int
        Recordings that no file holds any more, whose features are lost.
    kept_folders : tuple of Path
        Folders that are missing themselves, whose files were kept for that; sorted.
    """

    files: tuple[Path, ...]
    n_tracks: int
    kept_folders: tuple[Path, ...]
