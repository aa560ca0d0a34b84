"""Instruments and drums, one note at a time, as mono float32 samples at 44.1 kHz.

Every pitched sound is a sum of harmonics whose amplitudes change over the note. `tone` turns each
row of amplitudes into one period of a waveform and cross-fades from period to period, which is
exact for harmonics that start in phase, cannot alias, and costs the same for 1 as for 60 of them.
"""

from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

SR = 44_100
Samples: TypeAlias = NDArray[np.float32]

_PERIOD = 2048  # samples of a stored period; 60 harmonics read out linearly are 56 dB clean
_N_FRAMES = 48  # rows of amplitudes over a note
_N_HARMONICS = 60


def tone(hz: float, duration_s: float, amplitudes: Samples, *, vibrato_cents: float = 0) -> Samples:
    """Sum harmonics whose amplitudes change over time.

    Parameters
    ----------
    hz : float
        Fundamental frequency.
    duration_s : float
        Length of the result in seconds.
    amplitudes : ndarray, shape (n_frames, n_harmonics), at least two frames
        Spread evenly over the duration; harmonics above 0.45 of the sampling rate are left out.
    vibrato_cents : float
        Depth of a 5.3 Hz vibrato that sets in after a fifth of a second.

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    time_s = np.arange(int(duration_s * SR)) / SR
    cycles = hz * time_s
    if vibrato_cents:
        depth = hz * (2 ** (vibrato_cents / 1200) - 1) / (2 * np.pi * 5.3)
        cycles -= depth * np.minimum(1, time_s / 0.4) ** 2 * np.cos(2 * np.pi * 5.3 * time_s)
    kept = amplitudes[:, : max(1, int(0.45 * SR / hz))]
    spectrum = np.zeros((len(kept), _PERIOD // 2 + 1), np.complex64)
    spectrum[:, 1 : 1 + kept.shape[1]] = -0.5j * _PERIOD * kept
    periods = np.fft.irfft(spectrum, _PERIOD).astype(np.float32)
    periods = np.concatenate([periods, periods[:, :1]], axis=1)

    place = (cycles % 1) * _PERIOD
    column = np.minimum(place.astype(np.intp), _PERIOD - 1)
    across = (place - column).astype(np.float32)
    frame = np.linspace(0, len(kept) - 1.001, len(time_s))
    row = frame.astype(np.intp)
    along = (frame - row).astype(np.float32)
    flat = periods.ravel()
    at = row * (_PERIOD + 1) + column
    now = flat[at] + across * (flat[at + 1] - flat[at])
    at += _PERIOD + 1
    following = flat[at] + across * (flat[at + 1] - flat[at])
    return np.asarray(now + along * (following - now), np.float32)


def fft_size(n: int) -> int:
    """Smallest size of a fast transform of at least `n`: a power of two times 9, 10, 12, 15, 16."""
    return min(m << max(0, -(-n // m) - 1).bit_length() for m in (9, 10, 12, 15, 16))


def envelope(n: int, attack_s: float, release_s: float) -> Samples:
    """Rise, stay at 1, and fall to 0 at the very end; shape (n,)."""
    time_s = np.arange(n, dtype=np.float32) / SR
    rise = np.minimum(1, time_s / max(attack_s, 1e-4))
    fall = np.minimum(1, time_s[::-1] / max(release_s, 1e-4))
    return np.asarray(rise * np.sin(0.5 * np.pi * fall) ** 2, np.float32)


def waveform(shape: str) -> Samples:
    """Amplitudes of the harmonics of a named waveform, shape (60,)."""
    k = np.arange(1, _N_HARMONICS + 1)
    if shape == "organ":
        drawbars = np.zeros(_N_HARMONICS)
        drawbars[[0, 1, 2, 3, 5, 7]] = (1.0, 0.7, 0.5, 0.35, 0.2, 0.15)
        return drawbars.astype(np.float32)
    odd = k % 2
    amplitudes = {
        "saw": 1 / k,
        "square": odd / k,
        "triangle": odd * np.sin(0.5 * np.pi * k) / k**2,
        "pulse": np.sin(np.pi * k / 4) / k,
        "narrow": np.sin(np.pi * k / 8) / k,
        "sine": (k == 1) * 1.0,
    }[shape]
    return np.asarray(amplitudes, np.float32)


def synth(
    hz: float,
    duration_s: float,
    *,
    shape: str = "saw",
    cutoff_hz: tuple[float, float] = (4000.0, 4000.0),
    sweep_s: float = 0.2,
    resonance: float = 0.8,
    detune_cents: float = 0.0,
    attack_s: float = 0.005,
    release_s: float = 0.05,
    vibrato_cents: float = 0.0,
) -> Samples:
    """Play a note of a subtractive synthesiser: a waveform through a resonant low-pass filter.

    Parameters
    ----------
    hz, duration_s : float
        Fundamental frequency and length; the release lies inside the length.
    shape : str
        Of `waveform`.
    cutoff_hz : (float, float)
        The filter's cut-off at the start, and where it comes to with time constant `sweep_s`.
    resonance : float
        Quality of the two-pole filter; above 0.7 it peaks at the cut-off.
    detune_cents : float
        Above 0 two voices sound, this far apart.
    attack_s, release_s, vibrato_cents : float
        As in `envelope` and `tone`.
    """
    time_s = np.linspace(0, duration_s, _N_FRAMES)[:, None]
    start, end = cutoff_hz
    cutoff = end + (start - end) * np.exp(-time_s / sweep_s)
    ratio = np.arange(1, _N_HARMONICS + 1) * hz / cutoff
    gain = 1 / np.hypot(1 - ratio**2, ratio / resonance)
    amplitudes = (waveform(shape) * gain).astype(np.float32)
    y = tone(hz, duration_s, amplitudes, vibrato_cents=vibrato_cents)
    if detune_cents:
        y = y + tone(hz * 2 ** (detune_cents / 1200), duration_s, amplitudes)
    return y * envelope(len(y), attack_s, release_s)


def string(
    hz: float,
    duration_s: float,
    *,
    position: float = 0.2,
    brightness: float = 1.0,
    decay_s: float = 1.5,
    hammer: float = 0.0,
) -> Samples:
    """Play a plucked or struck string whose upper harmonics die first.

    Parameters
    ----------
    position : float
        Where it is plucked, as a share of its length; harmonics with a node there are missing.
    brightness : float
        About 0.5 (felt, flesh) to 1.5 (nail, wire).
    decay_s : float
        Time constant of the fundamental at 220 Hz; higher strings die sooner.
    hammer : float
        Detuning in cents of a second string, as in a piano; 0 for one string.
    """
    k = np.arange(1, _N_HARMONICS + 1)
    time_s = np.linspace(0, duration_s, _N_FRAMES)[:, None]
    pick = np.sin(np.pi * k * position) / k ** (2.2 - brightness)
    rate = (220 / hz) ** -0.5 / decay_s * (1 + 0.35 * (k - 1) / brightness)
    amplitudes = (pick * np.exp(-rate * time_s)).astype(np.float32)
    y = tone(hz, duration_s, amplitudes)
    if hammer:
        y = y + tone(hz * 2 ** (hammer / 1200), duration_s, amplitudes)
    return y * envelope(len(y), 0.002, min(0.12, duration_s / 3))


def bell(hz: float, duration_s: float, *, ratio: float = 3.5, depth: float = 2.0) -> Samples:
    """Play a bell by frequency modulation; `ratio` of modulator to carrier, `depth` in radians."""
    time_s = (np.arange(int(duration_s * SR)) / SR).astype(np.float32)
    fade = np.exp(-3 * time_s / duration_s)
    angle = np.float32(2 * np.pi * hz) * time_s
    y = fade * np.sin(angle + depth * fade**2 * np.sin(np.float32(ratio) * angle))
    return np.asarray(y * envelope(len(y), 0.004, 0.1), np.float32)


def noise(rng: Generator, duration_s: float, low_hz: float, high_hz: float) -> Samples:
    """White noise between two frequencies, peak about 1."""
    n = int(duration_s * SR)
    size = fft_size(n)
    f = np.fft.rfftfreq(size, 1 / SR)
    gain = 1 / np.sqrt((1 + (low_hz / np.maximum(f, 1)) ** 6) * (1 + (f / high_hz) ** 6))
    y = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * gain, size)[:n]
    return np.asarray(y / np.abs(y).max(), np.float32)


def burst(
    rng: Generator, duration_s: float, low_hz: float, high_hz: float, attack_s: float = 0.0005
) -> Samples:
    """Noise that dies away: hi-hats, cymbals, shakers; -60 dB at `duration_s`."""
    y = noise(rng, duration_s, low_hz, high_hz)
    fall = np.exp(-6.9 * np.arange(len(y), dtype=np.float32) / len(y))
    return (y * fall * envelope(len(y), attack_s, 0.005)).astype(np.float32)


def drum(hz: float, duration_s: float, *, bend: float = 3.0, bend_s: float = 0.03) -> Samples:
    """Play a membrane: a sine that falls from `bend` + 1 times its frequency; kicks and toms."""
    time_s = np.arange(int(duration_s * SR)) / SR
    cycles = hz * (time_s + bend * bend_s * (1 - np.exp(-time_s / bend_s)))
    y = np.sin(2 * np.pi * cycles) * np.exp(-5 * time_s / duration_s)
    return (y * envelope(len(y), 0.001, 0.02)).astype(np.float32)


def snare(rng: Generator, hz: float, duration_s: float, snap: float) -> Samples:
    """Play a snare drum: a membrane at `hz` and `snap` (0 to 1) parts of rattling noise."""
    rattle = burst(rng, duration_s, 1200, 9000)
    body = drum(hz, duration_s, bend=0.8, bend_s=0.015)
    return ((1 - snap) * body + snap * rattle).astype(np.float32)


def clap(rng: Generator, duration_s: float) -> Samples:
    """Several hands that do not quite meet: four bursts within 30 ms."""
    y = np.zeros(int((duration_s + 0.035) * SR), np.float32)
    for start_s in (0.0, 0.009, 0.019, 0.03):
        hands = burst(rng, duration_s if start_s == 0.03 else 0.02, 900, 5000)
        start = int(start_s * SR)
        y[start : start + len(hands)] += hands
    return y
