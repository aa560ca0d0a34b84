"""What the library gives and takes; ``None`` where nothing is known."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.audio import Tags
from recommender.library.coding import Coded


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
    features_id : int
        Stands for its features for ever; see `Library.blocks`.
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
    features_id: int = 0


class Brief(NamedTuple):
    """The little of a `Row` that rankings of very many need, a third quicker to read."""

    path: bytes
    id: int
    features_id: int
    content_hash: bytes
    duration_s: float
    bytes_per_s: float


class Row(NamedTuple):
    """A recording with features in one of its files, as the database has it; see `Track`.

    Attributes
    ----------
    path : bytes
    content_hash : bytes
        32 of them.
    features_id : int
        Stands for these features for ever.
    """

    path: bytes
    number: int
    id: int
    features_id: int
    content_hash: bytes
    artist: str | None
    title: str | None
    album: str | None
    duration_s: float
    n_fragments: int
    start_s: float | None
    end_s: float | None
    fast: int
    bytes_per_s: float


@dataclass(frozen=True, kw_only=True)
class Block:
    """Features of recordings, one recording after the other.

    Attributes
    ----------
    features_ids : ndarray of int64, shape (n_tracks,)
        In rising order.
    lengths : ndarray of int64, shape (n_tracks,)
        How many fragments each has.
    coded : Coded
        Of all fragments.
    """

    features_ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    coded: Coded


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


class FileState(NamedTuple):
    """What the library knows of a path; a tuple, since there may be very many.

    Attributes
    ----------
    size, mtime_ns : int or None
        When it was last analysed or failed; ``None`` if the failure need not last.
    sections : dict of Section to bool
        Whether there are features of the fingerprint in question, made as is asked for.
    file_s, sheet
        As in `File`.
    warning, failure : str or None
    is_missing : bool
        Whether it was not there when it was last looked for.
    is_outdated : bool
        Whether it failed under another version of this program.
    """

    size: int | None
    mtime_ns: int | None
    sections: Mapping[Section, bool] = MappingProxyType({})
    file_s: float | None = None
    sheet: str | None = None
    warning: str | None = None
    failure: str | None = None
    is_missing: bool = False
    is_outdated: bool = False


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file or folder that could not be used, and why.

    Attributes
    ----------
    version : str or None
        Of the program that failed; ``None`` if it was one of the first.
    """

    path: Path
    reason: str
    failed_at: datetime
    version: str | None


@dataclass(frozen=True, kw_only=True)
class Root:
    """A folder that was scanned as such, and is scanned again by a scan that names none."""

    path: Path
    scanned_at: datetime


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The library in figures.

    Attributes
    ----------
    n_tracks, n_files, n_failures, n_warnings : int
    n_missing : int
        Files that were not there when they were last looked for; not in `n_files`.
    n_analysed, n_fast : dict
        Number of recordings with features, for each fingerprint, and of those among them that were
        analysed from a few windows only.
    duration_s : float
        Length of all recordings in files that are there.
    n_file_bytes : int
        Size of these files.
    n_bytes : int
        Size of the database.
    """

    n_tracks: int
    n_files: int
    n_missing: int
    n_failures: int
    n_warnings: int
    n_analysed: dict[str, int]
    n_fast: dict[str, int]
    duration_s: float
    n_file_bytes: int
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
        Folders that are missing or empty, whose files were kept for that; sorted.
    """

    files: tuple[Path, ...]
    n_tracks: int
    kept_folders: tuple[Path, ...]


@functools.cache
def program_version() -> str:
    """Return the version of this program, which failures are recorded with."""
    return metadata.version("recommender")
