"""Playlists in: what they name, found again on this system."""

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

from recommender.errors import PlaylistError
from recommender.playlist.parsing import (
    Item,
    decode,
    legacy,
    parse_m3u,
    parse_pls,
    parse_xspf,
)

Format = Literal["m3u", "m3u8", "xspf", "pls"]

FORMATS: dict[str, Format] = {".m3u": "m3u", ".m3u8": "m3u8", ".xspf": "xspf", ".pls": "pls"}
"""Suffix of a playlist's name, in lower case, to its format."""

MAX_BYTES = 16 * 2**20
"""A longer file is no playlist."""

_STREAM = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # one letter is a drive
_FILE_URL = re.compile(
    r"file:(?://(?:localhost|(?P<drive>[a-z]:))?)?(?P<path>[/\\].*)", re.I | re.S
)
_DRIVE = re.compile(r"[a-zA-Z]:/")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of a playlist, and what the playlist says of it; ``None`` where it says nothing.

    In M3U and PLS, artist and title share one line and are parted at the first " - ". A start and
    an end within the file, in seconds, are what M3U and XSPF tell VLC in its options; ``None`` is
    the file's own.
    """

    path: Path
    artist: str | None = None
    title: str | None = None
    duration_s: float | None = None
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Playlist:
    """A playlist as it was read, in its order.

    Parameters
    ----------
    title : str or None
    entries : tuple of Entry
        Files that exist, with resolved absolute paths; repetitions are kept.
    missing : tuple of Entry
        Files that do not exist, under the name that is most likely meant.
    skipped : tuple of str
        Addresses of streams, and names of other playlists: neither is a file of music.
    """

    title: str | None
    entries: tuple[Entry, ...]
    missing: tuple[Entry, ...]
    skipped: tuple[str, ...]


def read(path: Path) -> Playlist:
    """Read a playlist; its suffix tells the format.

    Relative names are looked up beside the playlist. Names from other systems are tried in their
    likely spellings: backslashes, percent escapes, cp1252 or Latin-1, composed and decomposed
    accents, and, last of all, below the playlist's folder where a drive letter was.

    Raises
    ------
    PlaylistError
        If the file cannot be read, is no playlist, or names no file that exists.
    """
    format = format_of(path)
    title, items = parse(path, _content(path))
    folder = str(Path(os.path.realpath(path)).parent)
    entries: list[Entry] = []
    missing: list[Entry] = []
    skipped: list[str] = []
    for item in items:
        files = [location for location in item.locations if not is_stream(location)]
        if not files:
            skipped.extend(item.locations[:1])
            continue
        names = [n for f in files for n in _names(folder, f, escaped=format == "xspf")]
        # Path.is_file would raise where a folder on the way may not be searched.
        found = next((name for name in names if os.path.isfile(name)), None)  # noqa: PTH113
        entry = Entry(
            path=Path(os.path.realpath(found) if found else os.path.normpath(names[0])),
            artist=item.artist,
            title=item.title,
            duration_s=item.duration_s,
            start_s=item.start_s,
            end_s=item.end_s,
        )
        if entry.path.suffix.lower() in FORMATS:
            skipped.append(str(entry.path))
        else:
            (entries if found else missing).append(entry)
    if not entries:
        raise PlaylistError(_nothing_found(path, missing, skipped))
    return Playlist(
        title=title, entries=tuple(entries), missing=tuple(missing), skipped=tuple(skipped)
    )


def format_of(path: Path) -> Format:
    """Return the format that a name's suffix tells; `PlaylistError` if it is none."""
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        raise PlaylistError(f"{path}: not a playlist; known are {', '.join(FORMATS)}")
    return format


def parse(path: Path, content: bytes) -> tuple[str | None, list[Item]]:
    """Return a playlist's title, and what it names, as written.

    Raises
    ------
    PlaylistError
        If it is no playlist.
    """
    format = format_of(path)
    if format == "xspf":
        return parse_xspf(path, content)
    return (parse_pls if format == "pls" else parse_m3u)(decode(content))


def is_stream(location: str) -> bool:
    """Tell whether a location is an address, and no file."""
    return _STREAM.match(location) is not None


def spellings(location: str, *, escaped: bool) -> Iterator[str]:
    """Names, absolute or not, that a location may mean, the likeliest first.

    Parameters
    ----------
    location : str
    escaped : bool
        Whether percent escapes are more likely than names that look like them.
    """
    if match := _FILE_URL.match(location.strip()):
        # file:///C:/a and file://C:/a name a drive; the slash before it is no part of the name.
        location = (match["drive"] or "") + match["path"]
        location = re.sub(r"^/(?=[a-zA-Z]:)", "", location)
        escaped = True
    forms = [location] if location == location.strip() else [location, location.strip()]
    for form in forms:
        plain = os.fsdecode(unquote_to_bytes(os.fsencode(form))).replace("\0", "\ufffd")
        for name in (plain, form) if escaped else (form, plain):
            yield name
            yield legacy(name)
            yield unicodedata.normalize("NFC", legacy(name))
            yield unicodedata.normalize("NFD", legacy(name))
            yield legacy(name).replace("\\", "/")


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PlaylistError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > MAX_BYTES:
        raise PlaylistError(f"{path}: longer than {MAX_BYTES >> 20} MiB; is this a playlist?")
    return content


def _names(folder: str, location: str, *, escaped: bool) -> Iterator[str]:
    """Absolute names that a location may mean, the likeliest first."""
    for name in spellings(location, escaped=escaped):
        yield os.path.join(folder, name)
        if _DRIVE.match(name):
            parts = name.split("/")[1:]
            yield from (os.path.join(folder, *parts[i:]) for i in range(len(parts)))


def _nothing_found(path: Path, missing: list[Entry], skipped: list[str]) -> str:
    if missing:
        return (
            f"{path}: none of its {len(missing)} files exists, for example {missing[0].path};"
            " put the playlist back where it belongs, or save it with absolute names"
        )
    if skipped:
        return (
            f"{path}: names only streams or playlists, such as {skipped[0]}; add music files to it"
        )
    return f"{path}: the playlist is empty; add music files to it"
