"""What playlists say, as text: M3U, PLS and XSPF parsed into items."""

import os
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from recommender.errors import PlaylistError

_LINE_BREAK = re.compile(r"\r\n|\n|\r")  # not str.splitlines: names may hold U+2028 and the like
_EXTINF = re.compile(r"#EXTINF:\s*(-?\d+(?:\.\d+)?)?[^,]*,(.*)", re.IGNORECASE | re.DOTALL)
_VLC_OPTION = "#EXTVLCOPT:"


@dataclass(frozen=True, kw_only=True)
class Item:
    """An entry as written, streams too; the first location that exists counts.

    A start and an end are what options for VLC say, see `playlist.Entry`.
    """

    locations: tuple[str, ...]
    artist: str | None
    title: str | None
    duration_s: float | None
    start_s: float | None = None
    end_s: float | None = None


def decode(content: bytes) -> str:
    """Read a playlist of lines; bytes that are not UTF-8 stay as surrogate escapes."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        # What is not UTF-8 may be cp1252, or file names that are just bytes: decided one by one.
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    return text.replace("\0", "\ufffd")


def legacy(text: str) -> str:
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


def parse_m3u(text: str) -> tuple[str | None, list[Item]]:
    """Return the playlist's title, and what it names."""
    playlist_title: str | None = None
    artist: str | None = None
    title: str | None = None
    duration_s: float | None = None
    options: list[str] = []
    items: list[Item] = []
    for line in _LINE_BREAK.split(text):
        if match := _EXTINF.match(line):
            duration_s = _seconds(match[1])
            artist, title = _artist_and_title(match[2])
        elif line.upper().startswith(_VLC_OPTION):
            options.append(line[len(_VLC_OPTION) :])
        elif line.upper().startswith("#PLAYLIST:"):
            playlist_title = legacy(line[10:]).strip() or None
        elif line.strip() and not line.startswith("#"):
            start_s, end_s = _times(options)
            items.append(
                Item(
                    locations=(line,),
                    artist=artist,
                    title=title,
                    duration_s=duration_s,
                    start_s=start_s,
                    end_s=end_s,
                )
            )
            artist = title = duration_s = None
            options.clear()
    return playlist_title, items


def parse_pls(text: str) -> tuple[str | None, list[Item]]:
    """Return the playlist's title, and what it names in the order of its numbers."""
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
        items.append(Item(locations=(location,), artist=artist, title=title, duration_s=duration_s))
    return legacy(values.get("x-gnome-title", "")).strip() or None, items


class _XspfTarget:
    """Collects the tracks while XML is parsed; no tree is built, no entity is ever defined."""

    def __init__(self, path: Path) -> None:
        self.title: str | None = None
        self.items: list[Item] = []
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
            case ["playlist", "trackList", "track", "extension", "option"]:
                self._track.setdefault("option", []).append(text)
            case ["playlist", "trackList", "track"]:
                self._finish_track()
        self._open.pop()
        self._text.clear()

    def _finish_track(self) -> None:
        values, self._track = self._track, {}
        if "location" in values:
            duration_ms = _seconds(values.get("duration", [None])[0])
            start_s, end_s = _times(values.get("option", []))
            self.items.append(
                Item(
                    locations=tuple(values["location"]),
                    artist=values.get("creator", [None])[0],
                    title=values.get("title", [None])[0],
                    duration_s=None if duration_ms is None else duration_ms / 1000,
                    start_s=start_s,
                    end_s=end_s,
                )
            )


def parse_xspf(path: Path, content: bytes) -> tuple[str | None, list[Item]]:
    """Return the playlist's title, and what it names.

    Raises
    ------
    PlaylistError
        If the file at this path is no XML, or has a document type.
    """
    target = _XspfTarget(path)
    parser = ET.XMLParser(target=target)
    try:
        parser.feed(content)
        parser.close()
    except (ET.ParseError, ValueError, LookupError) as error:  # the last two: odd encodings
        raise PlaylistError(f"{path}: not valid XML ({error}); save the playlist again") from error
    return target.title, target.items


def _artist_and_title(text: str) -> tuple[str | None, str | None]:
    artist, dash, title = legacy(text).strip().partition(" - ")
    if not dash:
        return None, artist or None
    return artist.strip() or None, title.strip() or None


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text) if text else -1.0
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None  # -1 and 0 stand for "unknown"


def _times(options: list[str]) -> tuple[float | None, float | None]:
    """Where VLC is told to begin and to end, in seconds; ``None`` where it is not."""
    values = dict(option.strip().lstrip(":").split("=", 1) for option in options if "=" in option)
    return _seconds(values.get("start-time")), _seconds(values.get("stop-time"))
