"""What files say of themselves, read by mutagen."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutagen

_LONGEST_S = 30 * 24 * 3600.0  # durations in damaged headers may be anything
# All of these come from damaged tags: zero channels, lengths beyond the end, unknown kinds.
_TAG_ERRORS = (
    mutagen.MutagenError,
    struct.error,
    ValueError,
    LookupError,
    ArithmeticError,
    EOFError,
)


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What a file says of itself; ``None`` where it says nothing."""

    artist: str | None = None
    title: str | None = None
    album: str | None = None
    genre: str | None = None
    duration_s: float | None = None


def read_tags(path: Path) -> Tags:
    """Read artist, title, album, genre and duration; what cannot be read is ``None``."""
    try:
        file = mutagen.File(path, easy=True)
    except _TAG_ERRORS:
        return Tags()
    if file is None:
        return Tags()
    # WAV, AIFF and WMA have no "easy" names; their own are tried after those.
    names = {
        "artist": ("artist", "TPE1", "Author"),
        "title": ("title", "TIT2", "Title"),
        "album": ("album", "TALB", "WM/AlbumTitle"),
        "genre": ("genre", "TCON", "WM/Genre"),
    }
    found = {field: _first_text(file.tags, keys) for field, keys in names.items()}
    length = float(getattr(file.info, "length", None) or 0.0)
    return Tags(**found, duration_s=length if 0 < length < _LONGEST_S else None)


def _first_text(tags: Any, keys: tuple[str, ...]) -> str | None:
    for key in keys:
        try:
            value = tags[key] if tags is not None else None
        except _TAG_ERRORS:  # also: a key that this kind of tag cannot have
            continue
        values = getattr(value, "text", value)
        if values and (text := str(values[0]).strip()):
            return text
    return None
