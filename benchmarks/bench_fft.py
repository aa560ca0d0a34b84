"""Compare the native real transform with SciPy's, and time the mel-spectrogram of a whole track.

Prints medians in milliseconds and ratios; all contenders take turns within one run, so that a busy
machine slows all of them alike.
"""

import statistics
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from recommender import _native

SR = 44_100
N_FRAMES = 1_920  # four minutes of 1/8 s
BATCH = 64
LENGTHS = (5_512, 4_410, 4_096, 2_048, 1_024, 6_000, 11_025, 5_513)
REPEATS = 15


def batches(x: NDArray[np.float32], transform: Callable[[NDArray[np.float32]], object]) -> None:
    """Transform all frames, a batch at a time."""
    for start in range(0, len(x), BATCH):
        transform(x[start : start + BATCH])


def medians_ms(contenders: list[Callable[[], object]]) -> list[float]:
    """Median time of each contender, in turns."""
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(REPEATS):
        for contender, taken in zip(contenders, times, strict=True):
            start = time.perf_counter()
            contender()
            taken.append(time.perf_counter() - start)
    return [1e3 * statistics.median(taken) for taken in times]


def compare_transforms() -> None:
    """Print a row for each length."""
    rng = np.random.default_rng(0)
    print(f"{N_FRAMES} frames, {BATCH} at a time, float32, one thread; kernels: {_native.kernels}")
    print(f"{'length':>8} {'native ms':>10} {'scipy ms':>10} {'scipy/native':>13}")
    for n in LENGTHS:
        x = rng.standard_normal((N_FRAMES, n), dtype=np.float32)
        fft = _native.RealFft(n)
        ours, theirs = medians_ms(
            [
                lambda x=x, fft=fft: batches(x, fft),  # type: ignore[misc]
                lambda x=x: batches(x, lambda b: scipy.fft.rfft(b, axis=1, workers=1)),  # type: ignore[misc]
            ]
        )
        print(f"{n:>8} {ours:>10.2f} {theirs:>10.2f} {theirs / ours:>13.2f}")


def spectrogram(
    frame_length: int, hop_length: int, window: Literal["rectangular", "hann"]
) -> _native.MelSpectrogram:
    """Bands up to 11 kHz, in fragments of 8 s."""
    bin_hz = SR / frame_length
    return _native.MelSpectrogram(
        frame_length=frame_length,
        hop_length=hop_length,
        fragment_length=8 * SR,
        n_frames=8 * SR // hop_length,
        n_bins=frame_length // 4,
        bin_hz=bin_hz,
        fmin=0.0,
        fmax=bin_hz * (frame_length // 4),
        n_mels=128,
        window=window,
        mel="described",
        compression="linear",
        reference="fragment",
        range_db=80.0,
    )


def time_track() -> None:
    """Print what four minutes of samples cost."""
    rng = np.random.default_rng(0)
    y = (3_000 * rng.standard_normal(240 * SR)).astype(np.int16)
    coarse, fine = spectrogram(5_512, 5_512, "rectangular"), spectrogram(2_048, 1_024, "hann")

    def stream() -> None:
        s = coarse.stream()
        for start in range(0, len(y), 65_536):
            s.push(y[start : start + 65_536])
        s.finish()

    whole, streamed, finely = medians_ms(
        [lambda: coarse.transform(y), stream, lambda: fine.transform(y)]
    )
    print("four minutes of 16-bit samples to fragments of 128 bands:")
    print(f"1/8 s frames: {whole:.2f} ms at once, {streamed:.2f} ms in blocks of 65,536 samples")
    print(f"frames of 2,048 samples, hop 1,024: {finely:.2f} ms")


if __name__ == "__main__":
    compare_transforms()
    time_track()
