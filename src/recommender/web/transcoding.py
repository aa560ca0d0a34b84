"""MP3 for what browsers cannot play, and for parts of files; any byte of it can be asked for.

At 48 kHz and a constant 192 kbit/s each frame is 24 ms and 576 bytes, and none borrows bits from
another. So the length is known beforehand, and a place in the bytes is a place in time: encoding
begins there. Nothing is kept on disk.
"""

import contextlib
import math
import threading
from collections.abc import Generator
from typing import IO, Final

from recommender import audio
from recommender.audio.supervision import Child, DecoderError
from recommender.web.problems import Problem

MEDIA_TYPE: Final = "audio/mpeg"
MOST_AT_ONCE: Final = 24
"""Encoders that may run; each waits while its listener has enough."""

_SR = 48_000
_FRAME_SAMPLES = 1152
_FRAME_BYTES = 576
_FRAME_S = _FRAME_SAMPLES / _SR
_N_LEAD = 4  # frames that are encoded and left out, so that the first one has its forerunners
_N_LAST = 1  # the encoder is late by about a frame
_CHUNK_BYTES = 64 * _FRAME_BYTES
# MPEG-1 layer III without a checksum, 192 kbit/s, 48 kHz, stereo; all else 0 is silence.
_SILENT_FRAME = bytes.fromhex("fffbb400").ljust(_FRAME_BYTES, b"\0")

_slots = threading.BoundedSemaphore(MOST_AT_ONCE)


def n_bytes(duration_s: float) -> int:
    """Length of sound that lasts so long."""
    return (math.ceil(duration_s / _FRAME_S) + _N_LAST) * _FRAME_BYTES


def encoded(
    file: IO[bytes], start: int, length: int, *, begin_s: float = 0.0
) -> Generator[bytes, None, None]:
    """Encode sound while it is being read.

    What the file lacks is silent; what it has more is left out.

    Parameters
    ----------
    file : file
        Any that ffmpeg reads; closed at the end.
    start, length : int
        Which bytes of the whole are wanted.
    begin_s : float
        Where the whole begins in the file, in seconds.

    Raises
    ------
    Problem
        Before anything is yielded: 422 if it cannot be decoded, 429 if very many are listening.
    DecoderError
        If there is no ffmpeg.
    """
    first = start // _FRAME_BYTES
    n_lead = min(first, _N_LEAD)
    n_skipped = n_lead * _FRAME_BYTES + start % _FRAME_BYTES
    n_left = length
    last_s = (math.ceil((start + length) / _FRAME_BYTES) - first + n_lead) * _FRAME_S
    command = _command(begin_s + (first - n_lead) * _FRAME_S, last_s)
    with contextlib.closing(file), _slot(), Child(command, stdin=file.fileno()) as child:
        buffer = bytearray(_CHUNK_BYTES)
        while n_left:
            n = _read(child, buffer, must_come=start == 0 and n_left == length)
            if n == 0:
                break
            chunk = bytes(buffer[n_skipped : min(n, n_skipped + n_left)])
            n_skipped = max(0, n_skipped - n)
            n_left -= len(chunk)
            if chunk:
                yield chunk
    offset = (start + length - n_left) % _FRAME_BYTES
    while n_left:
        chunk = (_SILENT_FRAME * 64)[offset : offset + n_left]
        n_left -= len(chunk)
        offset = 0
        yield chunk


def _command(begin_s: float, duration_s: float) -> list[str]:
    # The file is the standard input, opened anew: what was judged is what is decoded.
    source = ["-ss", f"{begin_s:.6f}"] if begin_s > 0 else []
    source += ["-protocol_whitelist", "file", "-format_whitelist", audio.CONTAINERS]
    sound = ["-map", "0:a:0", "-map_metadata", "-1", "-ar", f"{_SR}", "-ac", "2"]
    mp3 = ["-c:a", "libmp3lame", "-b:a", "192k", "-reservoir", "0"]
    plain = ["-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "pipe:1"]
    return [
        audio.ffmpeg_exe(),
        *("-nostdin", "-hide_banner", "-v", "error", "-threads", "1"),
        *source,
        *("-i", "file:/dev/stdin"),
        *sound,
        *("-t", f"{duration_s:.6f}"),
        *mp3,
        *plain,
    ]


def _read(child: Child, buffer: bytearray, *, must_come: bool) -> int:
    """Read a part of the output; 0 at its end, and if the decoder fails after a good start."""
    try:
        n = child.read_into(memoryview(buffer))
        complaint = child.wait() if n == 0 and must_come else ""
    except DecoderError as error:
        n, complaint = 0, str(error)
    if n == 0 and must_come:
        reason = complaint.splitlines()[-1] if complaint else "no samples"
        raise Problem(422, f"this file cannot be decoded ({reason})")
    return n


@contextlib.contextmanager
def _slot() -> Generator[None, None, None]:
    if not _slots.acquire(blocking=False):
        raise Problem(
            429,
            f"{MOST_AT_ONCE} tracks are being transcoded already; try again in a moment",
            headers={"Retry-After": "5"},
        )
    try:
        yield
    finally:
        _slots.release()
