"""Any audio file to mono 16-bit samples, streamed from a child process; identity by content.

The child is ffmpeg: the system's where there is one, else the binary of the package
imageio-ffmpeg. Down-mixing is ffmpeg's for 16-bit output: (L+R)/2 for stereo.
"""

import contextlib
import functools
import re
import shutil
import stat
import subprocess
import threading
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from recommender import _native
from recommender.errors import AudioDecodeError, RecommenderError

_BLOCK_SAMPLES = 1 << 17  # 256 KiB of 16-bit samples: large reads, small memory
_STAND_IN = "\0"  # no file is called so
_WAV_SUFFIXES = frozenset({".wav", ".wave"})


@functools.cache
def ffmpeg_exe() -> str:
    """Path of the ffmpeg that decodes: the system's, else that of imageio-ffmpeg.

    Raises
    ------
    RecommenderError
        If there is neither: no file could be decoded, so this is about none in particular.
    """
    found = shutil.which("ffmpeg")
    if found is None:
        with contextlib.suppress(RuntimeError):  # it says so if it has none
            # Where IMAGEIO_FFMPEG_EXE is set, that is answered unchecked.
            found = shutil.which(imageio_ffmpeg.get_ffmpeg_exe())
    if found is None:
        raise RecommenderError("there is no ffmpeg; install it, or the package imageio-ffmpeg")
    return found


def blocks(
    path: Path, *, sr: int = 44_100, native_wav: bool = True
) -> Generator[NDArray[np.int16], None, None]:
    """Stream the first audio stream of a file as mono samples.

    Parameters
    ----------
    path : Path
        Any file that ffmpeg reads.
    sr : int
        Sampling rate of the result in Hz.
    native_wav : bool
        Read WAV files that are at `sr` already without a child process; the samples are ffmpeg's,
        to the bit where it mixes whole numbers (8 and 16 bits), else to within one 16-bit step.
        Exceptions are files that ffmpeg misreads (16 or 24 bits in 32) or refuses (unknown
        speakers), top speakers in ffmpeg 5, and floating-point samples that are not finite.

    Yields
    ------
    ndarray of int16, shape (n,)
        Blocks of at most 131,072 samples.

    Raises
    ------
    AudioDecodeError
        If the file is missing, unreadable, empty, or holds no sound; the message names the file
        and says which.
    """
    check_readable(path)
    if native_wav and path.suffix.lower() in _WAV_SUFFIXES and (wav := _open_wav(path, sr)):
        yield from _wav_blocks(wav)
        return
    n_samples = 0
    output = {"format": "s16le", "acodec": "pcm_s16le", "ac": 1, "ar": sr}
    # By itself ffmpeg's pipe writes one small packet at a time.
    with _Child(path, **output, af="asetnsamples=n=65536:p=0") as child:
        while chunk := child.read(2 * _BLOCK_SAMPLES):
            block = np.frombuffer(chunk[: len(chunk) // 2 * 2], dtype="<i2")
            n_samples += block.size
            yield block
        complaint = child.wait()
    if n_samples == 0:
        raise AudioDecodeError(_explain(path, complaint or "no samples"))


def content_hash(path: Path) -> str:
    """SHA-256 of the file's encoded audio packets: the same after moving or retagging it.

    Nothing is decoded, so this costs little more than reading the file.

    Raises
    ------
    AudioDecodeError
        As `blocks`.
    """
    check_readable(path)
    with _Child(path, format="hash", hash="sha256", acodec="copy") as child:
        answer = child.read(4096)
        complaint = child.wait()
    match = re.fullmatch(rb"SHA256=([0-9a-f]{64})\s*", answer)
    if match is None:
        raise AudioDecodeError(_explain(path, complaint or "no packets"))
    return match[1].decode()


class _Child:
    """An ffmpeg process that writes the first audio stream of a file to a pipe.

    It gets its own process group, so that Ctrl-C in a terminal reaches this program alone, which
    then ends the child; a child that is interrupted by itself would look like a short file.
    """

    def __init__(self, path: Path, **output: object) -> None:
        # "file:" keeps names such as "-i" or "http:x" from meaning anything; the whitelist keeps
        # a playlist that is called .mp3 from reaching the network.
        # A name that is not UTF-8 would break ffmpeg-python, so a stand-in goes through it.
        source = ffmpeg.input(_STAND_IN, protocol_whitelist="file,pipe")
        stream = source.output("pipe:1", map="0:a:0", **output)
        stream = stream.global_args("-nostdin", "-hide_banner", "-v", "error")
        command = ffmpeg.compile(stream, cmd=ffmpeg_exe())
        self._process = subprocess.Popen(
            [f"file:{path}" if word == _STAND_IN else word for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self._complaints: deque[bytes] = deque(maxlen=10)
        # A badly damaged file fills the pipe of complaints; unread, that would stop the child.
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def read(self, n_bytes: int) -> bytes:
        """Read `n_bytes`, or fewer at the end."""
        assert self._process.stdout is not None
        return self._process.stdout.read(n_bytes)

    def wait(self) -> str:
        """Wait for the end; return the complaints, empty if the child ended well without any."""
        code = self._process.wait()
        self._listener.join()
        text = b"\n".join(self._complaints).decode(errors="replace").strip()
        return text or (f"ffmpeg ended with code {code}" if code else "")

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self._complaints.extend(line[:500].rstrip() for line in self._process.stderr)


def check_readable(path: Path) -> None:
    """Refuse what is missing, unreadable or empty; raises as `blocks`."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise AudioDecodeError(f"{path}: this is a folder, not a file")
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            raise AudioDecodeError(f"{path}: not a regular file")
        with open(path, "rb") as file:
            if not file.read(1):
                raise AudioDecodeError(f"{path}: the file is empty; delete it or copy it anew")
    except FileNotFoundError:
        what = "the link points to nothing" if path.is_symlink() else "there is no such file"
        raise AudioDecodeError(f"{path}: {what}") from None
    except OSError as error:
        raise AudioDecodeError(f"{path}: cannot be read ({error.strerror})") from None


def _explain(path: Path, complaint: str) -> str:
    if "matches no streams" in complaint:
        return f"{path}: holds no sound"
    # Of a text called .mp3, ffmpeg 9 says the first and ffmpeg 5 the second.
    if "Invalid data found" in complaint or f"file:{path}: Invalid argument" in complaint:
        return f"{path}: not an audio file that ffmpeg can read; is it damaged, or misnamed?"
    return f"{path}: ffmpeg could not decode it ({complaint.splitlines()[-1]})"


def _open_wav(path: Path, sr: int) -> _native.WavReader | None:
    try:
        wav = _native.WavReader(path)
    except _native.WavError:
        return None  # ffmpeg may still read it, or will say what is wrong
    return wav if wav.sr == sr and wav.n_frames > 0 else None


def _wav_blocks(wav: _native.WavReader) -> Iterator[NDArray[np.int16]]:
    while (y := wav.read_mono(_BLOCK_SAMPLES)).size:
        steps = np.rint(np.nan_to_num(y, copy=False) * 32768.0)
        yield np.clip(steps, -32768, 32767).astype(np.int16)
