"""Which files are music, and which of them hold several tracks."""

import contextlib
import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from recommender.audio.cue import CueTrack, read_cue
from recommender.errors import CueError, RecommenderError

SUFFIXES = frozenset(
    ".aac .ac3 .aif .aifc .aiff .alac .ape .au .caf .dsf .flac .m4a .m4b .mka .mp2 .mp3 .mp4 .mpc"
    " .oga .ogg .opus .spx .tta .wav .wave .webm .wma .wv".split()
)
"""What counts as audio when a folder is searched; a file that is named itself may be another."""

PLAYLIST_SUFFIXES = frozenset(".m3u .m3u8 .pls .xspf".split())
"""What names music but is none, and so is refused where a file is named itself."""

_SHEET_SUFFIX = ".cue"


@dataclass(frozen=True, kw_only=True)
class Image:
    """How a CUE sheet divides a file into tracks, at least two.

    Attributes
    ----------
    sheet : Path
    digest : str
        Of the sheet's content: 64 hexadecimal digits.
    album : str or None
    tracks : tuple of CueTrack
        With the album's performer where they name none.
    """

    sheet: Path
    digest: str
    album: str | None
    tracks: tuple[CueTrack, ...]


def find_audio(
    paths: Iterable[Path], *, on_error: Callable[[OSError], None] | None = None
) -> list[Path]:
    """List the audio files below folders, and the files named themselves, sorted, each once.

    Links to folders are followed, loops are not. Dangling links with an audio file's name are
    listed: opening them tells what is wrong.

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
    return find_audio_and_sheets(paths, on_error=on_error)[0]


def find_audio_and_sheets(
    paths: Iterable[Path], *, on_error: Callable[[OSError], None] | None = None
) -> tuple[list[Path], list[Path]]:
    """List audio files as `find_audio` does, and the CUE sheets that lie in their folders."""
    found: set[Path] = set()
    named: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.update(_walk(path.absolute(), on_error))
        elif path.suffix.lower() in {*PLAYLIST_SUFFIXES, _SHEET_SUFFIX}:
            kind = "CUE sheet" if _is_sheet(path.name) else "playlist"
            raise RecommenderError(
                f"{path}: is a {kind}, not music; name its folder, or build a profile from it"
            )
        else:
            named.add(path.absolute())
    sheets = {path for path in found if _is_sheet(path.name)}
    for folder in {path.parent for path in named}:
        sheets.update(folder / name for name in _names(folder) if _is_sheet(name))
    return sorted(found - sheets | named, key=os.fsencode), sorted(sheets, key=os.fsencode)


def find_images(sheets: Iterable[Path]) -> tuple[dict[Path, Image], list[tuple[Path, str]]]:
    """Read CUE sheets, and find the files in their own folders that they divide into tracks.

    Of a name in a sheet only the last part counts. Where no audio file has it, one that differs in
    case, or else the only one that differs in its suffix alone is meant: images are often
    compressed after the sheet was written. Of two sheets for one file the first counts.

    Parameters
    ----------
    sheets : iterable of Path

    Returns
    -------
    images : dict of Path to Image
    problems : list of (Path, str)
        Sheets that are not used, and why. A sheet with one track for each file, or for files that
        are not there, is none.
    """
    images: dict[Path, Image] = {}
    problems: list[tuple[Path, str]] = []
    for path in sheets:
        try:
            sheet, content = read_cue(path)
        except CueError as error:
            problems.append((path, f"{str(error).removeprefix(f'{path}: ')}; it is not used"))
            continue
        digest = hashlib.sha256(content).hexdigest()
        names = [name for name in _names(path.parent) if _suffix(name) in SUFFIXES]
        for file in sheet.files:
            name = _meant(file.name, names)
            if name is None or len(file.tracks) < 2:
                continue
            tracks = tuple(
                replace(track, performer=track.performer or sheet.performer)
                for track in file.tracks
            )
            image = Image(sheet=path, digest=digest, album=sheet.title, tracks=tracks)
            first = images.setdefault(path.parent / name, image)
            if first is not image:
                problems.append(
                    (path, f"{first.sheet.name} divides {name} already; it is not used")
                )
    return images, problems


def sheet_music(path: Path) -> list[Path]:
    """List the audio files that a CUE sheet names; its own folder alone is searched.

    Raises
    ------
    CueError
        If it cannot be read, is damaged, or names no file that is there.
    """
    sheet, _ = read_cue(path)
    names = [name for name in _names(path.parent) if _suffix(name) in SUFFIXES]
    found = [_meant(file.name, names) for file in sheet.files]
    if not any(found):
        raise CueError(f"{path}: no file that it names lies beside it; put the music there")
    return [path.absolute().parent / name for name in dict.fromkeys(found) if name is not None]


def _walk(folder: Path, on_error: Callable[[OSError], None] | None) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        if on_error is None:
            raise error
        on_error(error)

    visited: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, onerror=complain, followlinks=True):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        yield from (Path(root, f) for f in files if _suffix(f) in SUFFIXES or _is_sheet(f))


def _meant(name: str, names: list[str]) -> str | None:
    """Name of the audio file that a sheet means, if it is there."""
    name = name.replace("\\", "/").rpartition("/")[2]
    if name in names:
        return name
    for part in (str, lambda name: os.path.splitext(name)[0]):
        alike = [n for n in names if _folded(part(n)) == _folded(part(name))]
        if alike:
            return alike[0] if len(alike) == 1 else None
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _names(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(os.listdir(folder))  # noqa: PTH208 (names, not paths)
    return []


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _is_sheet(name: str) -> bool:
    return _suffix(name) == _SHEET_SUFFIX
