"""Hand-made features of a track: seven statistics of each of thirty series over time (librosa).

After the written system "Hand-made features and embeddings" (a course project on FMA-small), which
takes 20 MFCC, tonnetz, tempogram or mean tempo, and the power of the harmonic and of the percussive
part. All of them are made of one short-time Fourier transform, so that a track takes half a second.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import audio
from recommender.extras import need

VERSION = 1
"""To be raised when the same file gives other features."""

SR = 22_050  # Hz
DURATION_S = 30.0
"""Of a longer track the middle, as the clips of FMA are cut: extremes depend on the duration."""

SERIES = (
    *(f"mfcc_{i}" for i in range(20)),
    *(f"tonnetz_{i}" for i in range(6)),
    "tempogram",
    "tempo_bpm",
    "harmonic_db",
    "percussive_db",
)
STATISTICS = ("mean", "std", "skew", "kurtosis", "median", "min", "max")
NAMES = tuple(f"{series}_{statistic}" for statistic in STATISTICS for series in SERIES)
"""What the features are called, in their order."""

N_FEATURES = len(NAMES)

_N_FFT = 2_048
_HOP = 512
_MIN_DURATION_S = 1.0  # a shorter sound is repeated
_SILENCE = 1e-10  # power that counts as none


def features(path: Path) -> NDArray[np.float32]:
    """Compute the features of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray of float32, shape (210,)
        Finite for any sound, silence included; `NAMES` says what they are.

    Raises
    ------
    AudioDecodeError
        If the file cannot be decoded.
    ParameterError
        If librosa is missing.
    """
    y = np.concatenate(list(audio.blocks(path, sr=SR)))
    start = max(0, len(y) - int(DURATION_S * SR)) // 2
    y = y[start : start + int(DURATION_S * SR)]
    return statistics(series(y.astype(np.float32) / np.float32(32_768))).astype(np.float32)


def series(y: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the thirty series of a sound.

    Parameters
    ----------
    y : ndarray of float32, shape (n_samples,)
        At 22,050 Hz, full scale at 1, not empty.

    Returns
    -------
    ndarray of float64, shape (30, n_frames)
        A frame every 512 samples. Tonnetz are of chroma from the same transform, tuned to 440 Hz;
        "tempogram" is its mean over lags: how much each moment is like others around it; harmonic
        and percussive power (median filtering, Fitzgerald 2010) are of every second frame.
    """
    librosa = need("librosa", "lab")
    y = np.resize(y, max(len(y), int(_MIN_DURATION_S * SR)))
    magnitudes = np.abs(librosa.stft(y, n_fft=_N_FFT, hop_length=_HOP))
    power = magnitudes**2
    mel_db = librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=SR))
    mfcc = librosa.feature.mfcc(S=mel_db, n_mfcc=20)
    chroma = librosa.feature.chroma_stft(S=power, sr=SR, tuning=0.0)
    tonnetz = librosa.feature.tonnetz(chroma=chroma, sr=SR)
    onsets = librosa.onset.onset_strength(S=mel_db, sr=SR, hop_length=_HOP)
    tempogram = librosa.feature.tempogram(onset_envelope=onsets, sr=SR, hop_length=_HOP)
    tempo = librosa.feature.tempo(tg=tempogram, sr=SR, hop_length=_HOP, aggregate=None)
    # Twice the hop and half of the usual 31 frames: the same time, in half of the time.
    parts = librosa.decompose.hpss(magnitudes[:, ::2], kernel_size=(15, 31))
    levels = [10 * np.log10(np.maximum(np.mean(part**2, axis=0), _SILENCE)) for part in parts]
    n_frames = magnitudes.shape[1]
    return np.vstack(
        [
            mfcc,
            tonnetz,
            tempogram.mean(0),
            tempo,
            *(np.repeat(level, 2)[:n_frames] for level in levels),
        ]
    ).astype(np.float64)


def statistics(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seven statistics over time, ``(n_series, n_frames)`` to ``(7 n_series,)``.

    Skewness and excess kurtosis are 0 where nothing changes.
    """
    mean, std = x.mean(1), x.std(1)
    changes = std > 1e-6 * np.maximum(np.abs(mean), 1)
    z = np.where(changes[:, None], x - mean[:, None], 0) / np.where(changes, std, 1)[:, None]
    skew = (z**3).mean(1)
    kurtosis = np.where(changes, (z**4).mean(1) - 3, 0)
    return np.concatenate([mean, std, skew, kurtosis, np.median(x, 1), x.min(1), x.max(1)])
