"""Decoding with the program ffmpeg: the system's, else the one of the package imageio-ffmpeg."""

import contextlib
import functools
import re
import shutil
from collections.abc import Generator
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from recommender.audio.containers import CONTAINERS
from recommender.audio.supervision import Child, DecoderError, check_pace, hashing_limit_s

_BLOCK_SAMPLES = 352_800
_STAND_IN = "\0"  # no file is called so
_HASH_LENGTH = 4096  # more than there will be


@functools.cache
def ffmpeg_exe() -> str:
    """Path of the program ffmpeg: the system's, else that of imageio-ffmpeg.

    Raises
    ------
    DecoderError
        If there is neither.
    """
    found = shutil.which("ffmpeg")
    if found is None:
        with contextlib.suppress(RuntimeError):  # it says so if it has none
            # Where IMAGEIO_FFMPEG_EXE is set, that is answered unchecked.
            found = shutil.which(imageio_ffmpeg.get_ffmpeg_exe())
    if found is None:
        raise DecoderError("there is no ffmpeg; install it, or the package imageio-ffmpeg")
    return found


def blocks(path: Path, sr: int, *, start: int = 0) -> Generator[NDArray[np.int16], None, None]:
    """Stream the first audio stream from a sample on; see `recommender.audio.blocks`.

    Raises
    ------
    DecoderError
        Once the output has ended, if there was none.
    """
    n_samples, skipped = 0, start
    output = {"format": "s16le", "acodec": "pcm_s16le", "ac": 1, "ar": sr}
    # Larger packets would be cheaper by a tenth, but get lost where a stream changes its format.
    with _child(path, **output) as child:
        while len(block := _read(child)):
            n_samples += len(block)
            check_pace(child.waited_s, n_samples / sr)
            if len(block) > skipped:
                yield block[skipped:]
            skipped = max(0, skipped - len(block))
        complaint = child.wait()
    if n_samples == 0:
        raise DecoderError(complaint or "no samples")


def content_hash(path: Path, n_bytes: int) -> str | None:
    """Hash the packets of the first audio stream of a file of this size; ``None``: there are none.

    Raises
    ------
    DecoderError
    """
    answer = bytearray(_HASH_LENGTH)
    with _child(path, format="hash", hash="sha256", acodec="copy") as child:
        n_read = child.read_into(memoryview(answer), within_s=hashing_limit_s(n_bytes))
        complaint = child.wait()
    match = re.fullmatch(rb"SHA256=([0-9a-f]{64})\s*", answer[:n_read])
    if match is None and complaint:
        raise DecoderError(complaint)
    return match[1].decode() if match else None


def _child(path: Path, **output: object) -> Child:
    # "file:" keeps names such as "-i" or "http:x" from meaning anything; the whitelists
    # keep a playlist that is called .mp3 from reaching the network, and other files.
    # A name that is not UTF-8 would break ffmpeg-python, so a stand-in goes through it.
    stream = ffmpeg.input(_STAND_IN, protocol_whitelist="file,pipe", format_whitelist=CONTAINERS)
    stream = stream.output("pipe:1", map="0:a:0", **output)
    stream = stream.global_args("-nostdin", "-hide_banner", "-v", "error")
    command = ffmpeg.compile(stream, cmd=ffmpeg_exe())
    return Child([f"file:{path}" if word == _STAND_IN else word for word in command])


def _read(child: Child) -> NDArray[np.int16]:
    block = np.empty(_BLOCK_SAMPLES, "<i2")
    n_bytes = child.read_into(block.data.cast("B"))
    return block[: n_bytes // block.itemsize]
