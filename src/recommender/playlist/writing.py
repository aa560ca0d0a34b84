"""Playlists out: written whole or not at all."""

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import quote

from recommender.errors import PlaylistError
from recommender.files import write_atomically
from recommender.playlist.reading import Format

_XSPF = "http://xspf.org/ns/0/"
_VLC = "http://www.videolan.org/vlc/playlist/"
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]+")


class Listed(Protocol):
    """What `write` asks of a track."""

    @property
    def path(self) -> Path:
        """Absolute."""

    @property
    def artist(self) -> str | None:
        """``None`` if unknown."""

    @property
    def title(self) -> str | None:
        """``None`` if unknown."""

    @property
    def duration_s(self) -> float | None:
        """Seconds; ``None`` if unknown."""

    @property
    def start_s(self) -> float | None:
        """Where it begins in its file, in seconds; ``None`` if it is the whole file."""

    @property
    def end_s(self) -> float | None:
        """Where it ends; ``None`` if it reaches to the file's end."""


def write(
    target: Path | BinaryIO,
    tracks: Iterable[Listed],
    *,
    format: Format,
    title: str | None = None,
    relative: bool = False,
) -> None:
    """Write a playlist; a file is replaced whole or not at all.

    Text is UTF-8; file names keep their bytes. A name with line breaks, or with white space at
    its ends, does not fit a line of M3U or PLS and is written there as an absolute file:// URL.
    Where a track is a part of its file, M3U and XSPF say so in options that VLC understands; other
    players, and PLS, play the whole file.

    Parameters
    ----------
    target : Path or binary stream
    tracks : iterable of Listed
        Entries, tracks of the library, or anything with the same six attributes; absolute paths.
    format : {"m3u", "m3u8", "xspf", "pls"}
    title : str, optional
        Title of the playlist.
    relative : bool
        Name files as seen from the playlist's folder; for a stream, from the current one.

    Raises
    ------
    PlaylistError
        If the file cannot be written.
    """
    folder = Path(os.path.realpath(target)).parent if isinstance(target, Path) else Path.cwd()
    start = folder if relative else None
    render = {"xspf": _render_xspf, "pls": _render_pls}.get(format, _render_m3u)
    content = render(tracks, None if title is None else _one_line(title), start)
    if not isinstance(target, Path):
        target.write(content)
        return
    try:
        write_atomically(target, content)
    except OSError as error:
        raise PlaylistError(
            f"{target}: cannot be written ({error.strerror}); name a file in another folder"
        ) from error


def _one_line(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text.encode("utf-8", "replace").decode()).strip()


def _label(track: Listed) -> str:
    title = _one_line(track.title or track.path.stem)
    return f"{_one_line(track.artist)} - {title}" if track.artist else title


def _vlc_options(track: Listed) -> list[str]:
    times = {"start-time": track.start_s, "stop-time": track.end_s}
    return [f"{name}={value:.3f}" for name, value in times.items() if value is not None]


def _url(path: Path) -> str:
    return f"file://{quote(os.fsencode(path.as_posix()))}"


def _line(path: Path, start: Path | None) -> str:
    name = str(path) if start is None else os.path.relpath(path, start)
    if re.search(r"[\r\n]", str(path)) or name != name.strip():
        return _url(path)
    # Seen from a folder, "#1.mp3" would be a comment and "file:/a" a URL.
    return f"./{name}" if start and (name[0] == "#" or ":" in name) else name


def _render_m3u(tracks: Iterable[Listed], title: str | None, start: Path | None) -> bytes:
    lines = ["#EXTM3U", *([f"#PLAYLIST:{title}"] if title else [])]
    for track in tracks:
        lines += [f"#EXTINF:{round(track.duration_s or -1)},{_label(track)}"]
        lines += [f"#EXTVLCOPT:{option}" for option in _vlc_options(track)]
        lines += [_line(track.path, start)]
    return os.fsencode("\n".join([*lines, ""]))


def _render_pls(tracks: Iterable[Listed], title: str | None, start: Path | None) -> bytes:
    lines = ["[playlist]", *([f"X-GNOME-Title={title}"] if title else [])]
    n = 0
    for n, track in enumerate(tracks, start=1):
        lines += [f"File{n}={_line(track.path, start)}", f"Title{n}={_label(track)}"]
        lines += [f"Length{n}={round(track.duration_s or -1)}"]
    return os.fsencode("\n".join([*lines, f"NumberOfEntries={n}", "Version=2", ""]))


def _render_xspf(tracks: Iterable[Listed], title: str | None, start: Path | None) -> bytes:
    playlist = ET.Element("playlist", version="1", xmlns=_XSPF)
    if title:
        ET.SubElement(playlist, "title").text = title
    track_list = ET.SubElement(playlist, "trackList")
    for track in tracks:
        element = ET.SubElement(track_list, "track")
        relative = start and quote(os.fsencode(os.path.relpath(track.path, start)))
        ET.SubElement(element, "location").text = relative or _url(track.path)
        ET.SubElement(element, "title").text = _one_line(track.title or track.path.stem)
        if track.artist:
            ET.SubElement(element, "creator").text = _one_line(track.artist)
        if track.duration_s is not None:
            ET.SubElement(element, "duration").text = str(round(1000 * track.duration_s))
        if options := _vlc_options(track):
            names = {"application": f"{_VLC}0", "xmlns:vlc": f"{_VLC}ns/0/"}
            extension = ET.SubElement(element, "extension", names)
            for option in options:
                ET.SubElement(extension, "vlc:option").text = option
    ET.indent(playlist)
    return bytes(ET.tostring(playlist, encoding="utf-8", xml_declaration=True)) + b"\n"
