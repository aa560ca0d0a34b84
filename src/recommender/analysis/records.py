"""What a scan reports, and what is known of a file on its way through it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import audio
from recommender.analysis.sections import Division
from recommender.library import File, Section


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a scan is.

    Attributes
    ----------
    n_done, n_total : int
        Files; unchanged ones are done from the start.
    n_failed : int
    path : Path or None
        The file that was done last; ``None`` before the first.
    """

    n_done: int
    n_total: int
    n_failed: int
    path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ScanReport:
    """What a scan found; each file counts once, lists are sorted by path.

    Attributes
    ----------
    n_seen : int
        Audio files, whatever became of them.
    n_unchanged : int
        Only looked at.
    n_known : int
        Moved, retagged or copied: hashed, but not decoded.
    n_analysed : int
        Decoded.
    n_skipped : int
        Left out, since all of them is too long.
    n_gone : int
        Files known before that are there no more.
    failures, warnings : tuple of (Path, str)
        Path and reason, of earlier scans too. Among the warnings are CUE sheets of no use.
    skipped : tuple of (Path, str)
        Path and reason of what is too long: whole files, and tracks of CUE sheets.
    """

    n_seen: int
    n_unchanged: int
    n_known: int
    n_analysed: int
    n_skipped: int
    n_gone: int
    failures: tuple[tuple[Path, str], ...]
    warnings: tuple[tuple[Path, str], ...]
    skipped: tuple[tuple[Path, str], ...]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A file as `stat` shows it; without size and time it could not be looked at.

    The image is how a CUE sheet divides it, if one does.
    """

    path: Path
    size: int | None
    mtime_ns: int | None
    image: audio.Image | None = None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What can be known of a file without decoding it; a length of ``None`` is not told."""

    seen: Seen
    content_hash: str
    tags: audio.Tags
    file_s: float | None
    division: Division

    @property
    def key(self) -> tuple[str, str | None]:
        """Equal for files with the same sections of the same sound."""
        image = self.seen.image
        return self.content_hash, image.digest if image else None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A lasting failure needs another file before another attempt makes sense."""

    seen: Seen
    reason: str
    lasting: bool
    key: tuple[str, str | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A file of which nothing is left: all of it is too long."""

    seen: Seen
    division: Division
    key: tuple[str, str | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """A file's sections that are not left out; without features all of them were known."""

    seen: Seen
    files: tuple[File, ...]
    division: Division
    key: tuple[str, str | None]
    features: Mapping[Section, NDArray[np.float16]]
    fast: bool = False


def look(path: Path, image: audio.Image | None) -> Seen:
    """Ask the file system for a file's size and time of change."""
    try:
        status = path.stat()
    except OSError:
        return Seen(path=path, size=None, mtime_ns=None, image=image)
    return Seen(path=path, size=status.st_size, mtime_ns=status.st_mtime_ns, image=image)
