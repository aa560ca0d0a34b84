"""From samples in memory to mel-spectrograms: this project and others, at the same parameters.

This project's own figure includes decibels and the scaling of fragments, which no other does.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peers import compiled
from peers.contender import Contender, Prepare
from recommender import spectrogram, timbre
from recommender.parameters import SHIPPED

WITH_TIMBRE = "this project, 16-bit, 2 resolutions + timbre"
PARAMS = SHIPPED["default"]
N = PARAMS.frame_length
_BATCH = 64  # frames at a time, where that is free to choose: what is computed stays in cache
Samples = NDArray[np.float32]


def timed(compute: Callable[[Samples], object]) -> Prepare:
    """Prepare work on the samples of a file, full scale at 1; loading them is not timed."""

    def prepare(path: Path) -> Callable[[], object]:
        y = np.load(path).astype(np.float32) / 32_768
        # A first call on a second of sound: what other processes displaced is back in the caches.
        compute(y[: 16 * N])
        return lambda: compute(y)

    return prepare


def frames_of(y: Samples) -> Samples:
    """Cut into frames of the project's length, shape ``(n_frames, N)``; a rest is left out."""
    return y[: len(y) // N * N].reshape(-1, N)


def window() -> Samples:
    """Periodic Hann window of a frame."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N) / N)).astype(np.float32)


def ours() -> Prepare:
    """Native transform of this project, from float32."""
    return timed(lambda y: spectrogram.transform(y, PARAMS))


def ours_int16() -> Prepare:
    """Native transform of this project, from the decoder's 16-bit samples."""

    def prepare(path: Path) -> Callable[[], object]:
        y = np.load(path)
        spectrogram.transform(y[: 16 * N], PARAMS)
        return lambda: spectrogram.transform(y, PARAMS)

    return prepare


def ours_with_timbre() -> Prepare:
    """Fragments, a finer spectrogram beside them and its statistics of timbre, in one pass."""
    extractor = timbre.extractor(PARAMS, timbre.fine_params(PARAMS))

    def prepare(path: Path) -> Callable[[], object]:
        y = np.load(path)
        extractor.transform(y[: 16 * N])
        return lambda: extractor.transform(y)

    return prepare


def scipy_matrix() -> Prepare:
    """SciPy's transform and a matrix of triangles, in single precision."""
    import scipy.fft

    hann, triangles = window(), spectrogram.plan(PARAMS).filterbank().T.copy()

    def compute(y: Samples) -> list[Samples]:
        frames = frames_of(y)
        out = []
        for start in range(0, len(frames), _BATCH):
            spectrum = scipy.fft.rfft(frames[start : start + _BATCH] * hann, axis=1, workers=1)
            out.append(np.abs(spectrum[:, : len(triangles)]) @ triangles)
        return out

    return timed(compute)


def librosa_same() -> Prepare:
    """Take librosa, at the same parameters."""
    import librosa

    return timed(
        lambda y: librosa.feature.melspectrogram(
            y=y,
            sr=PARAMS.sr,
            n_fft=N,
            hop_length=N,
            win_length=N,
            center=False,
            power=1.0,
            n_mels=PARAMS.n_mels,
            fmin=PARAMS.fmin,
            fmax=PARAMS.fmax,
            htk=True,
            norm=None,
        )
    )


def librosa_default() -> Prepare:
    """Take librosa as it comes: frames of 2,048 samples, 512 apart."""
    import librosa

    return timed(lambda y: librosa.feature.melspectrogram(y=y, sr=PARAMS.sr))


def torch_stft() -> Prepare:
    """PyTorch's short-time transform and a matrix of triangles, one thread."""
    import torch

    torch.set_num_threads(1)
    hann = torch.from_numpy(window())
    triangles = torch.from_numpy(spectrogram.plan(PARAMS).filterbank())

    def compute(y: Samples) -> torch.Tensor:
        with torch.inference_mode():
            spectrum = torch.stft(
                torch.from_numpy(y), N, N, N, hann, center=False, return_complex=True
            )
            return triangles @ spectrum[: triangles.shape[1]].abs()

    return timed(compute)


def kaldi() -> Prepare:
    """Take kaldi-native-fbank, at the same parameters."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq = PARAMS.sr
    frame.frame_length_ms = frame.frame_shift_ms = 1e3 * N / PARAMS.sr
    frame.window_type = "hanning"
    frame.round_to_power_of_two = False
    frame.dither = frame.preemph_coeff = 0
    frame.remove_dc_offset = False
    mel.num_bins, mel.low_freq, mel.high_freq = PARAMS.n_mels, PARAMS.fmin, PARAMS.fmax
    options.use_power = options.use_log_fbank = False

    def compute(y: Samples) -> list[Samples]:
        fbank = kaldi_native_fbank.OnlineFbank(options)
        fbank.accept_waveform(PARAMS.sr, y)
        fbank.input_finished()
        return [fbank.get_frame(i) for i in range(fbank.num_frames_ready)]

    return timed(compute)


def audioflux() -> Prepare:
    """audioFlux; its frames are powers of two."""
    import audioflux as af
    from audioflux.type import SpectralDataType, SpectralFilterBankScaleType

    length = 4_096
    transform = af.BFT(
        num=PARAMS.n_mels,
        radix2_exp=length.bit_length() - 1,
        slide_length=length,
        samplate=PARAMS.sr,
        low_fre=PARAMS.fmin,
        high_fre=PARAMS.fmax,
        scale_type=SpectralFilterBankScaleType.MEL,
        data_type=SpectralDataType.MAG,
        is_reassign=False,
    )
    return timed(lambda y: transform.bft(y, result_type=1))


def essentia() -> Prepare:
    """Essentia's standard algorithms, a frame at a time, at the same parameters."""
    return timed(essentia_mel())


def essentia_mel() -> Callable[[Samples], list[Samples]]:
    """Return Essentia's way from samples to mel bands."""
    from essentia import standard

    hann = standard.Windowing(type="hann", size=N, normalized=False, zeroPhase=False)
    spectrum = standard.Spectrum(size=N)
    bands = standard.MelBands(
        inputSize=N // 2 + 1,
        sampleRate=PARAMS.sr,
        numberBands=PARAMS.n_mels,
        lowFrequencyBound=PARAMS.fmin,
        highFrequencyBound=PARAMS.fmax,
        type="magnitude",
        warpingFormula="htkMel",
        normalize="unit_max",
    )

    def compute(y: Samples) -> list[Samples]:
        frames = standard.FrameGenerator(y, frameSize=N, hopSize=N, startFromZero=True)
        return [bands(spectrum(hann(frame))) for frame in frames]

    return compute


def kissfft() -> Prepare:
    """A loop over frames in C++ around KissFFT."""
    return _by_frame(compiled.kissfft_mel())


def eigen() -> Prepare:
    """A loop over frames in C++ around Eigen's FFT module."""
    return _by_frame(compiled.eigen_mel())


def _by_frame(mel: compiled.MelByFrame) -> Prepare:
    hann, triangles = window(), spectrogram.plan(PARAMS).filterbank()
    return timed(lambda y: mel(frames_of(y), hann, triangles))


CONTENDERS = (
    Contender(name="this project", group="mel", setup=ours, packages=("recommender",)),
    Contender(name="this project, 16-bit", group="mel", setup=ours_int16),
    Contender(
        name=WITH_TIMBRE,
        group="mel",
        setup=ours_with_timbre,
        note="a second spectrogram of 2,048 samples, 1,024 apart, and 474 statistics of it",
    ),
    Contender(name="SciPy FFT + matrix", group="mel", setup=scipy_matrix, packages=("scipy",)),
    Contender(
        name="audioFlux",
        group="mel",
        setup=audioflux,
        note="powers of two only: frames of 4,096",
        packages=("audioflux",),
    ),
    Contender(name="librosa", group="mel", setup=librosa_same, packages=("librosa", "numba")),
    Contender(name="torch.stft + matrix", group="mel", setup=torch_stft, packages=("torch",)),
    Contender(name="Essentia", group="mel", setup=essentia, packages=("essentia",)),
    Contender(
        name="librosa, its defaults",
        group="mel",
        setup=librosa_default,
        note="frames of 2,048, 512 apart: more frames",
    ),
    Contender(name="KissFFT, a frame at a time", group="mel", setup=kissfft),
    Contender(name="Eigen FFT, a frame at a time", group="mel", setup=eigen),
    Contender(
        name="kaldi-native-fbank",
        group="mel",
        setup=kaldi,
        note="takes samples as a Python sequence",
        packages=("kaldi-native-fbank",),
    ),
)
