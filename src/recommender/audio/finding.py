"""Which files are music, as far as their names tell, and where they are."""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from recommender.errors import RecommenderError

SUFFIXES = frozenset(
    ".aac .ac3 .aif .aifc .aiff .alac .ape .au .caf .dsf .flac .m4a .m4b .mka .mp2 .mp3 .mp4 .mpc"
    " .oga .ogg .opus .spx .tta .wav .wave .webm .wma .wv".split()
)
"""What counts as audio when a folder is searched; a file that is named itself may be another."""

PLAYLIST_SUFFIXES = frozenset(".m3u .m3u8 .pls .xspf".split())
"""What names music but is none, and so is refused where a file is named itself."""

MARKERS = frozenset({".nomedia", ".notmusic"})
"""A file of such a name says that its folder holds no music, nor do those below it."""

_SHEET_SUFFIX = ".cue"

Stamp = tuple[int, int]
"""Size of a file in bytes, and when it was changed, in nanoseconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What lies below folders; names are strings, since there may be very many.

    Attributes
    ----------
    files : dict of str to Stamp or None
        Audio files, sorted by the bytes of their names; ``None`` where there was nothing to see.
    sheets : tuple of Path
        CUE sheets in the folders of these files.
    left_out : tuple of Path
        Folders that are marked as holding no music.
    """

    files: Mapping[str, Stamp | None]
    sheets: tuple[Path, ...]
    left_out: tuple[Path, ...]


def find_audio(
    paths: Iterable[Path], *, on_error: Callable[[OSError], None] | None = None
) -> list[Path]:
    """List the audio files below folders, and the files named themselves; see `list_audio`."""
    return [Path(name) for name in list_audio(paths, on_error=on_error).files]


def list_audio(
    paths: Iterable[Path], *, on_error: Callable[[OSError], None] | None = None
) -> Listing:
    """List the audio files below folders, and the files named themselves, sorted, each once.

    Links to folders are followed, loops are not: a folder counts once, under its own name where
    that lies below `paths`. Dangling links with an audio file's name are listed: opening them tells
    what is wrong. A folder in which there is one of `MARKERS` is left out with all that lies below
    it; a file that is named itself is not.

    Parameters
    ----------
    paths : iterable of Path
        Folders and files.
    on_error : callable, optional
        Called for each folder that cannot be read; without it such folders raise.

    Raises
    ------
    RecommenderError
        If a file that is named itself is a playlist or a CUE sheet.
    """
    found: dict[str, Stamp | None] = {}
    left_out: set[str] = set()
    named: dict[str, Stamp | None] = {}
    for path in paths:
        if path.is_dir():
            folder = path.absolute()
            if (marked := marked_above(folder)) is not None:
                left_out.add(str(marked))
            else:
                _walk(str(folder), found, left_out, on_error or _raise)
        elif path.suffix.lower() in {*PLAYLIST_SUFFIXES, _SHEET_SUFFIX}:
            kind = "CUE sheet" if is_sheet_name(path.name) else "playlist"
            raise RecommenderError(
                f"{path}: is a {kind}, not music; name its folder, or build a profile from it"
            )
        else:
            named[str(path.absolute())] = _stamp(path)
    sheets = {name for name in found if is_sheet_name(name)}
    for folder_name in {os.path.dirname(name) for name in named}:  # noqa: PTH120 (names, not paths)
        sheets.update(
            os.path.join(folder_name, name) for name in names_in(folder_name) if is_sheet_name(name)
        )
    files = {name: stamp for name, stamp in found.items() if name not in sheets} | named
    return Listing(
        files={name: files[name] for name in sorted(files, key=os.fsencode)},
        sheets=tuple(map(Path, sorted(sheets, key=os.fsencode))),
        left_out=tuple(map(Path, sorted(left_out, key=os.fsencode))),
    )


def is_audio_name(name: str) -> bool:
    """Tell whether a file of this name counts as audio when a folder is searched."""
    return _suffix(name) in SUFFIXES


def is_sheet_name(name: str) -> bool:
    """Tell whether a file of this name counts as a CUE sheet."""
    return _suffix(name) == _SHEET_SUFFIX


def marked_above(path: Path) -> Path | None:
    """Return the first of the folders above a path that is marked as no music, if there is one."""
    for parent in reversed(path.parents):
        if any(os.path.lexists(parent / marker) for marker in MARKERS):
            return parent
    return None


def _walk(
    top: str,
    found: dict[str, Stamp | None],
    left_out: set[str],
    on_error: Callable[[OSError], None],
) -> None:
    """Add the music and the sheets below a folder, and the folders that are marked."""
    visited: set[tuple[int, int]] = set()
    folders, links = [top], list[str]()
    while folders or links:
        folder = folders.pop() if folders else links.pop(links.index(min(links)))
        try:
            status = os.stat(folder)  # noqa: PTH116 (a string, as all names here)
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listed:
                entries = list(listed)
        except FileNotFoundError:  # it vanished meanwhile
            continue
        except OSError as error:
            on_error(error)
            continue
        if any(entry.name in MARKERS for entry in entries):
            left_out.add(folder)
            continue
        for entry in entries:
            if _is_folder(entry):
                (links if entry.is_symlink() else folders).append(entry.path)
            elif is_audio_name(entry.name) or is_sheet_name(entry.name):
                found[entry.path] = _stamp(entry)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):
        return entry.is_dir()
    return False


def _stamp(file: Path | os.DirEntry[str]) -> Stamp | None:
    with contextlib.suppress(OSError):
        status = file.stat()
        return status.st_size, status.st_mtime_ns
    return None


def _raise(error: OSError) -> None:
    raise error


def names_in(folder: Path | str) -> list[str]:
    """Return what lies in a folder, sorted; nothing if it cannot be read."""
    with contextlib.suppress(OSError):
        return sorted(os.listdir(folder))  # noqa: PTH208 (names, not paths)
    return []


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
