"""Files that hold several tracks, as the CUE sheets beside them say."""

import hashlib
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from recommender.audio.cue import CueTrack, read_cue
from recommender.audio.finding import is_audio_name, names_in
from recommender.errors import CueError


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
        names = [name for name in names_in(path.parent) if is_audio_name(name)]
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
    names = [name for name in names_in(path.parent) if is_audio_name(name)]
    found = [_meant(file.name, names) for file in sheet.files]
    if not any(found):
        raise CueError(f"{path}: no file that it names lies beside it; put the music there")
    return [path.absolute().parent / name for name in dict.fromkeys(found) if name is not None]


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
