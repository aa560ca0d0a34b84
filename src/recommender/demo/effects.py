"""Effects and the mixing desk; mono is of shape (n,), stereo (2, n)."""

import numpy as np
from numpy.random import Generator

from recommender.demo.synthesis import SR, Samples, fft_size


def band(y: Samples, low_hz: float, high_hz: float) -> Samples:
    """Keep a band by second-order slopes without shifting phases; the shape stays."""
    n = y.shape[-1]
    size = fft_size(n + SR // 10)  # room, so that the end does not wrap to the beginning
    f = np.fft.rfftfreq(size, 1 / SR)
    gain = 1 / np.sqrt((1 + (low_hz / np.maximum(f, 1e-3)) ** 4) * (1 + (f / high_hz) ** 4))
    filtered = np.fft.irfft(np.fft.rfft(y, size) * gain.astype(np.float32), size)
    return np.asarray(filtered[..., :n], np.float32)


def distort(y: Samples, drive: float) -> Samples:
    """Overdrive a track, with more even harmonics than odd ones alone; peak about 1."""
    y = y * (drive / _peak(y))
    return np.asarray(np.tanh(y + 0.2) - np.tanh(0.2), np.float32)


def chorus(y: Samples, depth_s: float = 0.002, rate_hz: float = 0.6) -> Samples:
    """Turn mono into stereo by two copies whose delays sway against each other."""
    at = np.arange(len(y), dtype=np.float64)
    sway = depth_s * SR * (1.2 + np.sin(2 * np.pi * rate_hz / SR * at))
    copies = [y + np.interp(at - 300 - side * (sway - 100), at, y) for side in (-1.0, 1.0)]
    return (0.5 * np.stack(copies)).astype(np.float32)


def echo(y: Samples, time_s: float, feedback: float, level: float) -> Samples:
    """Add echoes that bounce from side to side; mono or stereo in, stereo out."""
    wet = np.array(np.broadcast_to(y, (2, y.shape[-1])))
    source = y if y.ndim == 1 else y.mean(axis=0)
    for repeat in range(1, 7):
        start = int(repeat * time_s * SR)
        if start >= len(source) or level < 0.02:
            break
        wet[repeat % 2, start:] += level * source[:-start]
        level *= feedback
    return wet


def reverb(y: Samples, rng: Generator, *, decay_s: float, wet: float, damp_hz: float) -> Samples:
    """Put stereo sound into a room: convolution with noise that dies away.

    Parameters
    ----------
    decay_s : float
        Time to fall by 60 dB.
    wet : float
        Level of the room's answer relative to the sound, both as root mean squares.
    damp_hz : float
        Above this the room absorbs.
    """
    n, n_room = y.shape[1], int(decay_s * SR)
    size = fft_size(n + n_room)
    fall = np.exp(-6.9 * np.arange(n_room, dtype=np.float32) / n_room)
    room = rng.standard_normal((2, n_room), dtype=np.float32) * fall
    room[:, : int(0.012 * SR)] = 0  # the nearest wall is 4 m away
    f = np.fft.rfftfreq(size, 1 / SR)
    damping = (1 / (1 + (f / damp_hz) ** 2)).astype(np.float32)
    sent = np.fft.rfft(y.mean(axis=0), size) * damping
    answer = np.fft.irfft(sent * np.fft.rfft(room, size), size)[:, :n].astype(np.float32)
    return (y + wet * _rms(y) / _rms(answer) * answer).astype(np.float32)


def duck(y: Samples, period_s: float, depth: float) -> Samples:
    """Pull the level down at every beat and let it rise again, as a compressor on a kick does."""
    phase = (np.arange(y.shape[-1], dtype=np.float32) / (period_s * SR)) % 1
    gain = 1 - depth * (1 - np.minimum(1, phase * 1.6)) ** 1.5
    return np.asarray(y * gain, np.float32)


def mix(rng: Generator, *layers: tuple[Samples, float, float]) -> Samples:
    """Mix layers of (mono or stereo samples, level in dB, pan from -1 to 1) to stereo.

    A layer's level is that of its loudest tenth of a second, so that sparse and dense parts
    balance; it is moved by up to 3 dB, as no two mixes are alike.
    """
    total = np.zeros((2, layers[0][0].shape[-1]), np.float32)
    for y, level_db, pan in layers:
        sides = np.array([np.cos(np.pi / 4 * (1 + pan)), np.sin(np.pi / 4 * (1 + pan))])
        gain = 10 ** ((level_db + rng.uniform(-3, 3)) / 20) / _loudness(y)
        total += (np.sqrt(2) * gain * sides[:, None]).astype(np.float32) * y
    return total


def master(y: Samples, *, peak: float, loud: float, fade_in_s: float, fade_out_s: float) -> Samples:
    """Bring a mix to its level, with silence at both ends.

    Parameters
    ----------
    peak : float
        Largest absolute sample of the result.
    loud : float
        How hard a soft limiter works: about 0.5 (not at all) to 3 (loudness war).
    fade_in_s, fade_out_s : float
        Cosine-shaped fades.
    """
    y = np.tanh(y * (loud / (4 * _rms(y))))
    time_s = np.arange(y.shape[1], dtype=np.float32) / SR
    for clock, fade_s in ((time_s, fade_in_s), (time_s[::-1], fade_out_s)):
        y = y * np.sin(0.5 * np.pi * np.minimum(1, clock / fade_s)) ** 2
    return (y * (peak / _peak(y))).astype(np.float32)


def _loudness(y: Samples) -> float:
    power = y**2 if y.ndim == 1 else (y**2).mean(axis=0)
    blocks = power[: len(power) // 4410 * 4410].reshape(-1, 4410).mean(axis=1)
    return float(np.sqrt(blocks.max())) + 1e-9


def _rms(y: Samples) -> float:
    return float(np.sqrt(np.mean(y**2))) + 1e-9


def _peak(y: Samples) -> float:
    return float(np.abs(y).max()) + 1e-9
