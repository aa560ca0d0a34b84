"""Playlists in: what they name, found again on this system."""

import os
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

from recommender.errors import PlaylistError

Format = Literal["m3u", "m3u8", "xspf", "pls"]

FORMATS: dict[str, Format] = {".m3u": "m3u", ".m3u8": "m3u8", ".xspf": "xspf", ".pls": "pls"}
"""Suffix of a playlist's name, in lower case, to its format."""

MAX_BYTES = 16 * 2**20
"""A longer file is no playlist."""

_LINE_BREAK = re.compile(r"\r\n|\n|\r")  # not str.splitlines: names may hold U+2028 and the like
_STREAM = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # one letter is a drive
_FILE_URL = re.compile(
    r"file:(?://(?:localhost|(?P<drive>[a-z]:))?)?(?P<path>[/\\].*)", re.I | re.S
)
_DRIVE = re.compile(r"[a-zA-Z]:/")
_EXTINF = re.compile(r"#EXTINF:\s*(-?\d+(?:\.\d+)?)?[^,]*,(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of a playlist, and what the playlist says of it; ``None`` where it says nothing.

    In M3U and PLS, artist and title share one line and are parted at the first " - ".
    """

    path: Path
    artist: str | None = None
    title: str | None = None
    duration_s: float | None = None


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


@dataclass(frozen=True, kw_only=True)
class _Item:
    """An entry as written; the first location that exists counts."""

    locations: tuple[str, ...]
    artist: str | None
    title: str | None
    duration_s: float | None


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
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        raise PlaylistError(f"{path}: not a playlist; known are {', '.join(FORMATS)}")
    content = _content(path)
    if format == "xspf":
        title, items = _parse_xspf(path, content)
    else:
        title, items = (_parse_pls if format == "pls" else _parse_m3u)(_decode(content))
    folder = str(Path(os.path.realpath(path)).parent)
    entries: list[Entry] = []
    missing: list[Entry] = []
    skipped: list[str] = []
    for item in items:
        files = [location for location in item.locations if not _STREAM.match(location)]
        if not files:
            skipped.extend(item.locations[:1])
            continue
        names = [n for f in files for n in _candidates(folder, f, escaped=format == "xspf")]
        # Path.is_file would raise where a folder on the way may not be searched.
        found = next((name for name in names if os.path.isfile(name)), None)  # noqa: PTH113
        entry = Entry(
            path=Path(os.path.realpath(found) if found else os.path.normpath(names[0])),
            artist=item.artist,
            title=item.title,
            duration_s=item.duration_s,
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


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PlaylistError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > MAX_BYTES:
        raise PlaylistError(f"{path}: longer than {MAX_BYTES >> 20} MiB; is this a playlist?")
    return content


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        # What is not UTF-8 may be cp1252, or file names that are just bytes: decided one by one.
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    return text.replace("\0", "\ufffd")


def _legacy(text: str) -> str:
    """Read bytes that are not UTF-8 as cp1252, or as Latin-1 where that has holes."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        raw = os.fsencode(text)
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _parse_m3u(text: str) -> tuple[str | None, list[_Item]]:
    playlist_title: str | None = None
    artist: str | None = None
    title: str | None = None
    duration_s: float | None = None
    items: list[_Item] = []
    for line in _LINE_BREAK.split(text):
        if match := _EXTINF.match(line):
            duration_s = _seconds(match[1])
            artist, title = _artist_and_title(match[2])
        elif line.upper().startswith("#PLAYLIST:"):
            playlist_title = _legacy(line[10:]).strip() or None
        elif line.strip() and not line.startswith("#"):
            items.append(
                _Item(locations=(line,), artist=artist, title=title, duration_s=duration_s)
            )
            artist = title = duration_s = None
    return playlist_title, items


def _parse_pls(text: str) -> tuple[str | None, list[_Item]]:
    values: dict[str, str] = {}
    numbers: dict[int, str] = {}
    for line in _LINE_BREAK.split(text):
        key, equals, value = line.partition("=")
        key = key.strip().lower()
        if equals and value.strip():
            values[key] = value
            if match := re.fullmatch("file([0-9]{1,9})", key):
                numbers[int(match[1])] = match[1]  # as written: File01 goes with Title01
    items = []
    for _, n in sorted(numbers.items()):
        artist, title = _artist_and_title(values.get(f"title{n}", ""))
        duration_s = _seconds(values.get(f"length{n}"))
        location = values[f"file{n}"]
        items.append(
            _Item(locations=(location,), artist=artist, title=title, duration_s=duration_s)
        )
    return _legacy(values.get("x-gnome-title", "")).strip() or None, items


class _XspfTarget:
    """Collects the tracks while XML is parsed; no tree is built, no entity is ever defined."""

    def __init__(self, path: Path) -> None:
        self.title: str | None = None
        self.items: list[_Item] = []
        self._path = path
        self._open: list[str] = []
        self._text: list[str] = []
        self._track: dict[str, list[str]] = {}

    def doctype(self, *_: object) -> None:
        raise PlaylistError(
            f"{self._path}: has a document type declaration, which could make the reader open"
            " other files; remove it"
        )

    def start(self, tag: str, _: dict[str, str]) -> None:
        self._open.append(tag.rpartition("}")[2])
        self._text.clear()

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, _: str) -> None:
        text = "".join(self._text).strip()
        match self._open:
            case ["playlist", "title"]:
                self.title = text or None
            case ["playlist", "trackList", "track", name] if text:
                self._track.setdefault(name, []).append(text.replace("\0", "\ufffd"))
            case ["playlist", "trackList", "track"]:
                self._finish_track()
        self._open.pop()
        self._text.clear()

    def _finish_track(self) -> None:
        values, self._track = self._track, {}
        if "location" in values:
            duration_ms = _seconds(values.get("duration", [None])[0])
            self.items.append(
                _Item(
                    locations=tuple(values["location"]),
                    artist=values.get("creator", [None])[0],
                    title=values.get("title", [None])[0],
                    duration_s=None if duration_ms is None else duration_ms / 1000,
                )
            )


def _parse_xspf(path: Path, content: bytes) -> tuple[str | None, list[_Item]]:
    target = _XspfTarget(path)
    parser = ET.XMLParser(target=target)
    try:
        parser.feed(content)
        parser.close()
    except (ET.ParseError, ValueError, LookupError) as error:  # the last two: odd encodings
        raise PlaylistError(f"{path}: not valid XML ({error}); save the playlist again") from error
    return target.title, target.items


def _artist_and_title(text: str) -> tuple[str | None, str | None]:
    artist, dash, title = _legacy(text).strip().partition(" - ")
    if not dash:
        return None, artist or None
    return artist.strip() or None, title.strip() or None


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text) if text else -1.0
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None  # -1 and 0 stand for "unknown"


def _candidates(folder: str, location: str, *, escaped: bool) -> Iterator[str]:
    """Absolute names that a location may mean, the likeliest first."""
    if match := _FILE_URL.match(location.strip()):
        # file:///C:/a and file://C:/a name a drive; the slash before it is no part of the name.
        location = (match["drive"] or "") + match["path"]
        location = re.sub(r"^/(?=[a-zA-Z]:)", "", location)
        escaped = True
    forms = [location] if location == location.strip() else [location, location.strip()]
    for form in forms:
        plain = os.fsdecode(unquote_to_bytes(os.fsencode(form))).replace("\0", "\ufffd")
        for name in (plain, form) if escaped else (form, plain):
            for spelling in (name, _legacy(name), unicodedata.normalize("NFC", _legacy(name))):
                yield os.path.join(folder, spelling)
            yield os.path.join(folder, unicodedata.normalize("NFD", _legacy(name)))
            slashed = _legacy(name).replace("\\", "/")
            yield os.path.join(folder, slashed)
            if _DRIVE.match(slashed):
                parts = slashed.split("/")[1:]
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
