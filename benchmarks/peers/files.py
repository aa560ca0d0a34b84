"""From a file to fragments of mel-spectrogram, or only to samples: what decoding alone costs."""

import subprocess
import tempfile
import wave
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peers import compiled
from peers.contender import Contender, Prepare
from peers.mel import PARAMS, essentia_mel, frames_of, window
from recommender import audio, spectrogram


def timed(work: Callable[[Path], object]) -> Prepare:
    """Prepare work on a file as it lies on disk."""
    return lambda path: partial(work, path)


def ours() -> Prepare:
    """Decode and transform as an analysis does, all fragments of the file."""

    def work(path: Path) -> int:
        return sum(len(done) for done in spectrogram.fragments(path, PARAMS))

    return timed(work)


def ours_decoding() -> Prepare:
    """Decode only, as this project does: 16-bit mono samples from a process of their own."""
    return timed(lambda path: sum(len(block) for block in audio.blocks(path, sr=PARAMS.sr)))


def pyav_resampler() -> Prepare:
    """PyAV in this process, mixed down by its resampler."""
    import av

    def work(path: Path) -> int:
        n = 0
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=PARAMS.sr)
        with av.open(path) as container:
            for frame in container.decode(audio=0):
                for mono in resampler.resample(frame):
                    n += mono.to_ndarray().size
        return n

    return timed(work)


def pyav_mean() -> Prepare:
    """PyAV in this process, mixed down by NumPy."""
    import av

    def work(path: Path) -> int:
        with av.open(path) as container:
            return sum(frame.to_ndarray().mean(axis=0).size for frame in container.decode(audio=0))

    return timed(work)


def libav() -> Prepare:
    """A loop in C around libavcodec, the floor."""
    return timed(compiled.libav_loop())


def librosa_mel() -> Prepare:
    """Take librosa.load and its mel-spectrogram at the project's parameters."""
    import librosa

    def work(path: Path) -> NDArray[np.float32]:
        y, _ = librosa.load(path, sr=PARAMS.sr)
        mel: NDArray[np.float32] = librosa.feature.melspectrogram(
            y=y,
            sr=PARAMS.sr,
            n_fft=PARAMS.frame_length,
            hop_length=PARAMS.hop_length,
            center=False,
            power=1.0,
            n_mels=PARAMS.n_mels,
            fmax=PARAMS.fmax,
        )
        return mel

    return timed(work)


def essentia() -> Prepare:
    """Essentia's loader and mel bands."""
    from essentia import standard

    mel = essentia_mel()
    return timed(lambda path: mel(standard.MonoLoader(filename=str(path), sampleRate=PARAMS.sr)()))


def bliss() -> Prepare:
    """bliss-audio's whole analysis of a song; it takes 22,050 samples a second."""
    import bliss_audio

    return timed(lambda path: bliss_audio.Song(str(path)))


def naive_kissfft() -> Prepare:
    """Let ffmpeg write a WAV file, then a frame at a time through KissFFT."""
    mel = compiled.kissfft_mel()
    hann, triangles = window(), spectrogram.plan(PARAMS).filterbank()
    return timed(lambda path: mel(frames_of(_through_wav(path)), hann, triangles))


def naive_numpy() -> Prepare:
    """Let ffmpeg write a WAV file, then a frame at a time through NumPy's FFT."""
    hann, triangles = window(), spectrogram.plan(PARAMS).filterbank().T.copy()

    def work(path: Path) -> list[NDArray[np.float32]]:
        return [
            np.abs(np.fft.rfft(hann * frame)[: len(triangles)]) @ triangles
            for frame in frames_of(_through_wav(path))
        ]

    return timed(work)


def _through_wav(path: Path) -> NDArray[np.float32]:
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "a.wav")
        subprocess.run(
            [audio.ffmpeg_exe(), "-nostdin", "-v", "error", "-i", path, "-ac", "1", wav],
            check=True,
        )
        with wave.open(str(wav)) as file:
            y = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return y.astype(np.float32) / np.float32(32_768)


CONTENDERS = (
    Contender(
        name="this project",
        group="file",
        setup=ours,
        note="decoding in a process of its own",
        packages=("recommender", "av", "imageio-ffmpeg"),
    ),
    Contender(
        name="this project, decoding only",
        group="file",
        setup=ours_decoding,
        note="16-bit mono from a process of its own",
    ),
    Contender(
        name="libavcodec in C, decoding only",
        group="file",
        setup=libav,
        note="the floor: mono float32, nothing else done",
    ),
    Contender(
        name="PyAV + NumPy mean, decoding only",
        group="file",
        setup=pyav_mean,
        note="mono float32, nothing else done",
        packages=("av",),
    ),
    Contender(
        name="PyAV + its resampler, decoding only",
        group="file",
        setup=pyav_resampler,
        note="mono float32, nothing else done",
    ),
    Contender(name="librosa", group="file", setup=librosa_mel, packages=("librosa", "soundfile")),
    Contender(name="Essentia", group="file", setup=essentia, packages=("essentia",)),
    Contender(
        name="bliss-audio",
        group="file",
        setup=bliss,
        note="`Song()`: a whole analysis, at 22,050 Hz",
        packages=("bliss-audio",),
    ),
    Contender(name="ffmpeg, WAV, KissFFT", group="file", setup=naive_kissfft),
    Contender(name="ffmpeg, WAV, NumPy FFT", group="file", setup=naive_numpy),
)
