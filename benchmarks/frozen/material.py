"""What candidates hear of each clip, as it is and degraded, computed once and kept on disk."""

import dataclasses
import io
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from recommender import audio, spectrogram, timbre
from recommender.files import write_atomically
from recommender.parameters import SHIPPED

N_FRAGMENTS = 3
RANGE_DB = 80.0
N_CEPSTRA = 20
CLIP_S = 30.0

_NAMES = ("mfcc", "statistics", "fragments", "linear", "levels")  # of degraded clips three
_DONE = "done"

_COARSE = SHIPPED["default"]
_FINE = timbre.fine_params(_COARSE)
_LEVELS = dataclasses.replace(
    _FINE, n_frames=int(CLIP_S * _FINE.sr) // _FINE.hop_length, reference="absolute", range_db=200.0
)
_QUIETER = 1 / 16  # bands of several bins have levels above that of a full-scale sine

Samples = NDArray[np.int16]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What was heard of clips; of short ones the fragments are repeated.

    Attributes
    ----------
    mfcc : ndarray of float32, shape (n, 40)
        Mean and deviation of 20 mel-frequency cepstra.
    statistics : ndarray of float32, shape (n, 3, 948)
        Of fragments of 8 s: of the fine spectrogram, then of the coarse one.
    fragments, linear : ndarray, shape (n, 3, 64, 128)
        In decibels, and linear as the thesis has them; of degraded clips no linear ones.
    levels : ndarray of float16, shape (n, 1291, 128)
        The fine spectrogram of the whole clip in decibels, none above 0.
    bliss : ndarray, shape (n, 23)
        Of bliss-audio, if it is installed.
    """

    mfcc: NDArray[np.float32]
    statistics: NDArray[np.float32]
    fragments: NDArray[np.float16]
    linear: NDArray[np.float32] | None = None
    levels: NDArray[np.float16] | None = None
    bliss: NDArray[np.float32] | None = None


def low_pass(y: Samples, hz: float) -> Samples:
    """Take away everything above a frequency."""
    n = scipy.fft.next_fast_len(len(y))
    spectrum = scipy.fft.rfft(y.astype(np.float64), n)
    spectrum[round(hz * n / _COARSE.sr) :] = 0
    return _whole(scipy.fft.irfft(spectrum, n)[: len(y)])


def quieter(y: Samples, db: float) -> Samples:
    """Lower the volume."""
    return _whole(y.astype(np.float64) * 10 ** (-db / 20))


def noisy(y: Samples, db: float) -> Samples:
    """Add white noise that is so far below the music; the same to every clip."""
    rms = np.sqrt(np.square(y, dtype=np.float64).mean())
    noise = np.random.default_rng(0).normal(size=len(y))
    return _whole(y + rms * 10 ** (-db / 20) * noise)


def mp3(y: Samples, kbps: int) -> Samples:
    """Encode and decode."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp3"
        words = ["-v", "error", "-f", "s16le", "-ar", str(_COARSE.sr), "-ac", "1", "-i", "-"]
        command = [audio.ffmpeg_exe(), *words, "-b:a", f"{kbps}k", str(path)]
        subprocess.run(command, input=y.astype("<i2").tobytes(), check=True)
        return np.concatenate(list(audio.blocks(path, sr=_COARSE.sr)))


DEGRADATIONS: dict[str, Callable[[Samples], Samples]] = {
    "nothing above 8 kHz": lambda y: low_pass(y, 8_000),
    "nothing above 4 kHz": lambda y: low_pass(y, 4_000),
    "20 dB quieter": lambda y: quieter(y, 20),
    "white noise 40 dB below": lambda y: noisy(y, 40),
    "MP3 of 64 kbit/s": lambda y: mp3(y, 64),
}


def hear(folder: Path, paths: Sequence[Path], degraded: str | None, pool: Executor) -> None:
    """Compute what is heard of clips, if a folder has not got it.

    Parameters
    ----------
    folder : Path
        Where arrays are kept, those of one list of clips.
    paths : sequence of Path
    degraded : str or None
        One of `DEGRADATIONS`.
    pool : Executor
    """
    if (folder / _DONE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    arrays: list[NDArray[np.generic]] = []
    found = pool.map(_hear, paths, [degraded] * len(paths), chunksize=8)
    for i, values in enumerate(found):
        if not arrays:
            arrays = [
                np.lib.format.open_memmap(
                    folder / f"{name}.npy", "w+", value.dtype, (len(paths), *value.shape)
                )
                for name, value in zip(_NAMES, values, strict=False)
            ]
        for array, value in zip(arrays, values, strict=True):
            array[i] = value
    del arrays
    (folder / _DONE).touch()


def read(folder: Path) -> Heard:
    """Read what `hear` kept."""
    files = [folder / f"{name}.npy" for name in _NAMES]
    return Heard(**{file.stem: np.load(file, mmap_mode="r") for file in files if file.exists()})


def subset(heard: Heard, chosen: NDArray[np.bool_]) -> Heard:
    """Return what was heard of some degraded clips."""
    return Heard(
        mfcc=heard.mfcc[chosen],
        statistics=heard.statistics[chosen],
        fragments=heard.fragments[chosen],
    )


def bliss(file: Path, paths: Sequence[Path], pool: Executor) -> bool:
    """Compute bliss-audio's numbers, if a file has not got them; tell whether there are any."""
    if not file.exists():
        try:
            import bliss_audio  # noqa: F401
        except ImportError:
            return False
        found = np.array(list(pool.map(_bliss, paths, chunksize=8)), np.float32)
        content = io.BytesIO()
        np.save(content, found)
        write_atomically(file, content.getvalue())
    return True


def _hear(path: Path, degraded: str | None) -> tuple[NDArray[np.generic], ...]:
    y = np.concatenate(list(audio.blocks(path, sr=_COARSE.sr)))
    if degraded is not None:
        y = DEGRADATIONS[degraded](y)
    fragments, fine = timbre.extractor(_COARSE, _FINE).transform(y)
    statistics = np.concatenate([fine, timbre.statistics(fragments)], axis=1)
    kept = np.arange(N_FRAGMENTS) % len(fragments)
    quieter = y.astype(np.float32) * np.float32(_QUIETER / 32_768)
    levels = (spectrogram.transform(quieter, _LEVELS)[0] - 1) * (_LEVELS.range_db / 2)
    n_frames = (len(y) - _FINE.frame_length) // _FINE.hop_length + 1
    common = _mfcc(levels[:n_frames]), statistics[kept], fragments[kept].astype(np.float16)
    if degraded is not None:
        return common
    linear = spectrogram.transform(y, SHIPPED["thesis"])
    return *common, linear[kept], levels.astype(np.float16)


def _mfcc(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean and deviation over time of cepstra, of levels no further below the loudest."""
    levels = np.maximum(levels, levels.max() - RANGE_DB)
    cepstra = scipy.fft.dct(levels, axis=1, norm="ortho")[:, :N_CEPSTRA]
    return np.concatenate([cepstra.mean(0), cepstra.std(0)]).astype(np.float32)


def _bliss(path: Path) -> list[float]:
    import bliss_audio

    with tempfile.TemporaryDirectory() as folder:
        # It need not be able to read what this project can.
        wav = Path(folder) / "a.wav"
        command = [audio.ffmpeg_exe(), "-v", "error", "-i", str(path), str(wav)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return list(bliss_audio.Song(str(wav)).analysis)


def _whole(y: NDArray[np.float64]) -> Samples:
    return np.clip(np.rint(y), -32_768, 32_767).astype(np.int16)
