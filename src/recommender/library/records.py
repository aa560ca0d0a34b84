"""What the library gives and takes; ``None`` where nothing is known."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from recommender.audio import Tags


@dataclass(frozen=True, kw_only=True)
class Track:
    """A recording and one of its files; ``None`` where the tags say nothing."""

    id: int
    content_hash: str
    path: Path
    artist: str | None
    title: str | None
    album: str | None
    duration_s: float
    n_fragments: int


@dataclass(frozen=True, kw_only=True)
class File:
    """A file whose recording could be identified.

    Attributes
    ----------
    path : Path
        Absolute.
    size, mtime_ns : int
        In bytes, and in nanoseconds since 1970: a file in which both are as before is unchanged.
    content_hash : str
        64 hexadecimal digits.
    duration_s : float
        Of the decoded sound, in seconds.
    tags : Tags
    warning : str or None
        What is wrong with the file although it could be used.
    """

    path: Path
    size: int
    mtime_ns: int
    content_hash: str
    duration_s: float
    tags: Tags
    warning: str | None = None


@dataclass(frozen=True, kw_only=True)
class FileState:
    """What the library knows of a path.

    Attributes
    ----------
    size, mtime_ns : int or None
        When it was last analysed or failed; ``None`` if the failure need not last.
    analysed : bool
        Whether there are features of the fingerprint in question.
    warning, failure : str or None
    """

    size: int | None
    mtime_ns: int | None
    analysed: bool
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
    n_analysed : dict
        Number of recordings with features, for each fingerprint.
    n_bytes : int
        Size of the database.
    """

    n_tracks: int
    n_files: int
    n_failures: int
    n_warnings: int
    n_analysed: dict[str, int]
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
