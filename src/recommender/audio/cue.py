"""CUE sheets: which tracks one big file holds, and where each begins.

The format is that of the CDRWIN guide, as rippers write it today. Text is UTF-8, UTF-16 if it says
so by its first bytes, and else cp1252, or Latin-1 where that has holes. A track reaches from its
INDEX 01 to that of the next, so that a gap belongs to the track before it.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from recommender.errors import CueError

MAX_BYTES = 2**20
"""A longer file is no CUE sheet."""

FRAMES_PER_S = 75
"""Times are counted in sectors of a CD: 588 samples at 44.1 kHz."""

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_TIME = re.compile(r"([0-9]{1,2})\s+([0-9]{1,4}):([0-9]{1,2}):([0-9]{1,2})")
_TRACK = re.compile(r"([0-9]{1,3})\s+(\S+)")


@dataclass(frozen=True, kw_only=True)
class CueTrack:
    """A track of sound within a file; ``None`` where the sheet says nothing.

    Attributes
    ----------
    number : int
        As the sheet counts.
    start_s : float
        In seconds from the file's start: a whole number of 1/75 s.
    end_s : float or None
        ``None``: the file's end.
    title, performer : str or None
    """

    number: int
    start_s: float
    end_s: float | None
    title: str | None
    performer: str | None


@dataclass(frozen=True, kw_only=True)
class CueFile:
    """A file that a sheet names, as it is written there, and its tracks of sound in their order."""

    name: str
    tracks: tuple[CueTrack, ...]


@dataclass(frozen=True, kw_only=True)
class CueSheet:
    """A sheet; title and performer are those of the album, ``None`` where it says nothing."""

    title: str | None
    performer: str | None
    files: tuple[CueFile, ...]


@dataclass
class _Track:
    """A track while it is being read; `start` is in 1/75 s."""

    number: int
    is_sound: bool
    start: int = -1
    titles: dict[str, str | None] = field(default_factory=dict)


def read_cue(path: Path) -> tuple[CueSheet, bytes]:
    """Read a sheet; also return its content.

    Raises
    ------
    CueError
        If it cannot be read or is damaged.
    """
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise CueError(f"{path}: not a regular file")
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CueError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return parse_cue(content), content
    except CueError as error:
        raise CueError(f"{path}: {error}") from None


def parse_cue(content: bytes) -> CueSheet:
    """Parse a sheet.

    What is not FILE, TRACK, INDEX, TITLE or PERFORMER is passed over, and so are tracks of data.

    Raises
    ------
    CueError
        If it names no track, or its tracks are not in order; the message does not name the file.
    """
    if len(content) > MAX_BYTES:
        raise CueError(f"longer than {MAX_BYTES >> 20} MiB; is this a CUE sheet?")
    files: list[tuple[str, list[_Track]]] = []
    album: dict[str, str | None] = {}
    track: _Track | None = None
    for n, line in enumerate(_LINE_BREAK.split(_decode(content)), start=1):
        command, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        match command.upper():
            case "FILE":
                files.append((_file_name(rest), []))
            case "TRACK":
                if (found := _TRACK.match(rest)) is None:
                    raise CueError(f"line {n}: a track without a number and a kind")
                _check_begun(track)
                track = _Track(int(found[1]), found[2].upper() == "AUDIO")
            case "INDEX":
                frames = _frames(rest, n)
                if track is None or not files:
                    raise CueError(f"line {n}: an index without a file and a track")
                if int(rest.split()[0]) == 1:
                    _begin(track, frames, files[-1][1])
            case ("TITLE" | "PERFORMER") as name:
                (album if track is None else track.titles)[name] = _text(rest)
    _check_begun(track)
    if track is None:
        raise CueError("names no track; is this a CUE sheet?")
    return CueSheet(
        title=album.get("TITLE"),
        performer=album.get("PERFORMER"),
        files=tuple(CueFile(name=name, tracks=_with_ends(tracks)) for name, tracks in files),
    )


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        content = content.removeprefix(b"\xef\xbb\xbf")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            try:
                text = content.decode("cp1252")
            except UnicodeDecodeError:
                text = content.decode("latin-1")
    return text.replace("\0", "\ufffd").replace("\t", " ")


def _text(rest: str) -> str | None:
    """Text with or without quotes; quotes within it are part of it."""
    if rest.startswith('"'):
        rest = rest[1:].removesuffix('"')
    return rest.strip() or None


def _file_name(rest: str) -> str:
    """Name without the kind after it, which is WAVE, MP3, BINARY and the like."""
    if rest.startswith('"') and '"' in rest[1:]:
        return rest[1 : rest.rindex('"')]
    return rest.rpartition(" ")[0].strip() or rest


def _frames(rest: str, n_line: int) -> int:
    found = _TIME.match(rest)
    if found is None or int(found[3]) >= 60 or int(found[4]) >= FRAMES_PER_S:
        raise CueError(f"line {n_line}: {rest[:40]!r} is no index with minutes:seconds:frames")
    return (60 * int(found[2]) + int(found[3])) * FRAMES_PER_S + int(found[4])


def _begin(track: _Track, start: int, tracks: list[_Track]) -> None:
    # The file of a track is that of its INDEX 01; a gap before it may lie in the file before.
    if track.start >= 0 or (tracks and tracks[-1].start >= start):
        raise CueError(f"track {track.number} does not begin after the one before it")
    track.start = start
    tracks.append(track)


def _check_begun(track: _Track | None) -> None:
    if track is not None and track.start < 0:
        raise CueError(f"track {track.number} has no INDEX 01")


def _with_ends(tracks: list[_Track]) -> tuple[CueTrack, ...]:
    ends = [*(track.start / FRAMES_PER_S for track in tracks[1:]), None]
    return tuple(
        CueTrack(
            number=track.number,
            start_s=track.start / FRAMES_PER_S,
            end_s=end_s,
            title=track.titles.get("TITLE"),
            performer=track.titles.get("PERFORMER"),
        )
        for track, end_s in zip(tracks, ends, strict=False)
        if track.is_sound
    )
