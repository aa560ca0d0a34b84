"""Any audio file to mono 16-bit samples, streamed; windows of it; identity by content.

What decodes runs in a process of its own: libav in a worker that lives on from file to file, or,
for the few files and machines where that does not do, the program ffmpeg. The samples are the same.
Down-mixing is ffmpeg's for 16-bit output: (L+R)/2 for stereo. Plain WAV is read here.
"""

import stat
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender import _native
from recommender.audio import libav, program
from recommender.audio.supervision import DecoderError
from recommender.errors import AudioDecodeError

Decoder = Literal["libav", "ffmpeg"]

_BLOCK_SAMPLES = 352_800
_WAV_SUFFIXES = frozenset({".wav", ".wave"})


def blocks(
    path: Path, *, sr: int = 44_100, decoder: Decoder | None = None
) -> Generator[NDArray[np.int16], None, None]:
    """Stream the first audio stream of a file as mono samples.

    Parameters
    ----------
    path : Path
        Any file that ffmpeg reads.
    sr : int
        Sampling rate of the result in Hz.
    decoder : {"libav", "ffmpeg"}, optional
        By default WAV files that are at `sr` already are read natively, and others by the fastest
        way there is. The samples are the same to one 16-bit step; to the bit where ffmpeg mixes
        whole numbers (8 and 16 bits). Exceptions are WAV files that ffmpeg misreads (16 or 24 bits
        in 32) or refuses (unknown speakers), top speakers in ffmpeg 5, AC-3 of more than two
        channels (ffmpeg mixes by what the file says of that, libav does not), floating-point
        samples that are not finite, and the last 23 ms of AAC, which not every version of ffmpeg
        cuts off.

    Yields
    ------
    ndarray of int16, shape (n,)
        Blocks of at most 352,800 samples: eight seconds at 44.1 kHz.

    Raises
    ------
    AudioDecodeError
        If the file is missing, unreadable, empty, or holds no sound, or if its decoder crashes or
        hangs; the message names the file and says which.
    """
    check_readable(path)
    if decoder is None and path.suffix.lower() in _WAV_SUFFIXES and (wav := _open_wav(path, sr)):
        yield from _wav_blocks(wav)
        return
    n_samples = 0
    try:
        if _way(path, decoder) == "libav":
            try:
                for block in libav.blocks(path, sr):
                    n_samples += len(block)
                    yield block
            except libav.GaveUpError:
                yield from program.blocks(path, sr, start=n_samples)
                return
        else:
            yield from program.blocks(path, sr)
            return
    except DecoderError as error:
        raise AudioDecodeError(_explain(path, str(error))) from None
    if n_samples == 0:
        raise AudioDecodeError(_explain(path, "no samples"))


def windows(
    path: Path,
    starts: Sequence[int],
    length: int,
    *,
    sr: int = 44_100,
    decoder: Decoder | None = None,
) -> Generator[tuple[int, NDArray[np.int16]], None, None]:
    """Stream windows of the first audio stream, each reached by seeking (but not by ffmpeg).

    Parameters
    ----------
    path : Path
    starts : sequence of int
        First samples of the windows at `sr`, ascending.
    length : int
        Samples in a window.
    sr : int
        Sampling rate of the result in Hz.
    decoder : {"libav", "ffmpeg"}, optional
        By default the fastest way there is.

    Yields
    ------
    int, ndarray of int16, shape (length,)
        Start and samples of a window. Windows that reach beyond the end, or that cannot be sought,
        are left out. The samples are those of `blocks` where a file is at `sr` already and tells
        time by samples; where it is resampled, they lie up to half a sample beside. Coarser clocks
        put them farther off: Matroska by 0.5 ms, AC-3 by 0.01 s a minute, WMA by 0.1 s, FLAC in Ogg
        by 0.5 s. What decoders fill in by chance (noise in AAC) differs.

    Raises
    ------
    AudioDecodeError
        As `blocks`.
    """
    check_readable(path)
    try:
        if _way(path, decoder) == "libav":
            yield from libav.windows(path, starts, length, sr)
        else:
            yield from _cut(program.blocks(path, sr), starts, length)
    except DecoderError as error:
        raise AudioDecodeError(_explain(path, str(error))) from None


def content_hash(path: Path, *, decoder: Decoder | None = None) -> str:
    """SHA-256 of the file's encoded audio packets: the same after moving or retagging it.

    Nothing is decoded, so this costs little more than reading the file.

    Raises
    ------
    AudioDecodeError
        As `blocks`.
    """
    check_readable(path)
    n_bytes = path.stat().st_size
    try:
        if _way(path, decoder) == "libav":
            found = libav.content_hash(path, n_bytes)
        else:
            found = program.content_hash(path, n_bytes)
    except DecoderError as error:
        raise AudioDecodeError(_explain(path, str(error))) from None
    if found is None:
        raise AudioDecodeError(_explain(path, "no packets"))
    return found


def check_decoder() -> None:
    """Make sure that there is something to decode with.

    Raises
    ------
    RecommenderError
        If there is neither libav nor ffmpeg: no file could be decoded, which is about none of them.
    """
    if not libav.is_available():
        program.ffmpeg_exe()


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


def _way(path: Path, decoder: Decoder | None) -> Decoder:
    if decoder is not None:
        return decoder
    try:
        str(path).encode()
    except UnicodeEncodeError:  # PyAV takes no other names
        return "ffmpeg"
    return "libav" if libav.is_available() else "ffmpeg"


def _cut(
    blocks: Iterable[NDArray[np.int16]], starts: Sequence[int], length: int
) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """Cut windows out of a signal that is decoded as a whole."""
    recent, first = np.empty(0, np.int16), 0
    waiting = deque(starts)
    for block in blocks:
        recent = np.concatenate([recent, block])
        while waiting and waiting[0] + length <= first + len(recent):
            start = waiting.popleft()
            yield start, recent[start - first : start - first + length]
        if not waiting:
            return
        passed = min(len(recent), max(0, waiting[0] - first))
        recent, first = recent[passed:], first + passed


def _explain(path: Path, complaint: str) -> str:
    if "matches no streams" in complaint:
        return f"{path}: holds no sound"
    # Which of these ffmpeg says of text and noise depends on its version and on the file's suffix.
    if any(said in complaint for said in ("Invalid data found", "Invalid argument", "End of file")):
        return f"{path}: not an audio file that ffmpeg can read; is it damaged, or misnamed?"
    if complaint.startswith(("the decoder", "there is no ffmpeg")):
        return f"{path}: {complaint}; if the file is sound, `library scan --retry` tries it again"
    return f"{path}: ffmpeg could not decode it ({complaint.splitlines()[-1]})"


def _open_wav(path: Path, sr: int) -> _native.WavReader | None:
    try:
        wav = _native.WavReader(path)
    except _native.WavError:
        return None  # ffmpeg may still read it, or will say what is wrong
    return wav if wav.sr == sr and wav.n_frames > 0 else None


def _wav_blocks(wav: _native.WavReader) -> Iterator[NDArray[np.int16]]:
    while (y := wav.read_mono(_BLOCK_SAMPLES)).size:
        np.nan_to_num(y, copy=False)
        y *= 32768.0
        np.rint(y, out=y)
        np.clip(y, -32768, 32767, out=y)
        yield y.astype(np.int16)
