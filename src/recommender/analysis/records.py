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
class Changes:
    """What became of files since the library last heard of them; each counts once.

    Attributes
    ----------
    n_new : int
        Under a new path, with a sound that no other file has.
    n_moved : int
        Under a new path, with the sound of a file that is not where it was: moved or renamed.
    n_copied : int
        Under a new path, with the sound of another file that is there, too.
    n_retagged : int
        Changed, but not in sound.
    n_replaced : int
        With another sound than before.
    n_gone : int
        No more there, and not moved.
    n_away : int
        The same, but their folders are missing or empty too: perhaps a drive is away.
    """

    n_new: int
    n_moved: int
    n_copied: int
    n_retagged: int
    n_replaced: int
    n_gone: int
    n_away: int


@dataclass(frozen=True, kw_only=True)
class ScanReport(Changes):
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
    n_returned : int
        There again and unchanged, after they were gone.
    n_outdated : int
        Failures of another version of this program, which were not tried again.
    failures, warnings : tuple of (Path, str)
        Path and reason, of earlier scans too. Among the warnings are CUE sheets of no use.
    skipped : tuple of (Path, str)
        Path and reason of what is too long: whole files, and tracks of CUE sheets.
    left_out : tuple of Path
        Folders that are marked as holding no music.
    """

    n_seen: int
    n_unchanged: int
    n_known: int
    n_analysed: int
    n_skipped: int
    n_returned: int
    n_outdated: int
    failures: tuple[tuple[Path, str], ...]
    warnings: tuple[tuple[Path, str], ...]
    skipped: tuple[tuple[Path, str], ...]
    left_out: tuple[Path, ...]


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
