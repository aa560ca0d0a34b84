"""Which files browsers play as they are, told by what is in them and not by their names.

"Are" means Chromium, Firefox and Safari alike, but for Ogg, which older Safaris do not know: pages
ask for MP3 where a browser says so.
"""

import struct
from typing import IO, Any

import mutagen
from mutagen.mp4 import MP4

_RIFF = struct.Struct("<4sI")
_MOST_CHUNKS = 32  # that may come before a WAV file's format
_LAYER_3 = 0b01
_PCM = 1


def media_type(file: IO[bytes]) -> str | None:
    """Return the media type of a file that browsers play; ``None`` if it has to be transcoded.

    Parameters
    ----------
    file : file
        Of any content; where it stands afterwards means nothing.
    """
    head = _read(file, 0, 64)
    if head.startswith(b"fLaC"):
        return "audio/flac"
    if head.startswith(b"OggS"):
        # The first page holds the first packet alone, after 27 bytes and one for its length.
        is_known = head[28:].startswith((b"OpusHead", b"\x01vorbis"))
        return "audio/ogg" if is_known else None
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "audio/wav" if _is_plain_wav(file) else None
    if head[4:8] == b"ftyp":
        return "audio/mp4" if _is_aac(file) else None
    if head.startswith(b"ID3"):
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        has_footer = bool(head[5] & 0x10)
        head = _read(file, 10 + size + 10 * has_footer, 2)
    return "audio/mpeg" if _is_mp3(head) else None


def _is_mp3(head: bytes) -> bool:
    return len(head) >= 2 and head[0] == 0xFF and head[1] >= 0xE0 and head[1] >> 1 & 3 == _LAYER_3


def _is_plain_wav(file: IO[bytes]) -> bool:
    """Tell whether a WAV file holds one or two channels of whole numbers."""
    position = 12
    for _ in range(_MOST_CHUNKS):
        head = _read(file, position, _RIFF.size)
        if len(head) < _RIFF.size:
            return False
        name, size = _RIFF.unpack(head)
        position += _RIFF.size
        if name == b"fmt ":
            described = _read(file, position, 16)
            if len(described) < 16:
                return False
            kind, n_channels, *_, bits = struct.unpack("<HHIIHH", described)
            return kind == _PCM and n_channels in (1, 2) and bits in (8, 16, 24)
        position += size + size % 2
    return False


def _is_aac(file: IO[bytes]) -> bool:
    """Tell whether an MP4 file holds AAC, which browsers play, and not ALAC, which few do."""
    file.seek(0)
    make: Any = MP4
    try:
        codec = make(fileobj=file).info.codec
    except (mutagen.MutagenError, struct.error, ValueError, LookupError, EOFError):
        return False
    return str(codec).startswith("mp4a.40")


def _read(file: IO[bytes], position: int, n: int) -> bytes:
    file.seek(position)
    return file.read(n)
