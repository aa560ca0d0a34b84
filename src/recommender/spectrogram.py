"""Samples to fragments of mel-spectrogram: ``(n, n_frames, n_mels)`` float32 in [-1, 1]."""

import functools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import _native, audio
from recommender.errors import AudioDecodeError
from recommender.parameters import SpectrogramParams

Fragments = NDArray[np.float32]
"""Shape ``(n, n_frames, n_mels)``, time-major, values in [-1, 1]."""


@functools.cache
def plan(params: SpectrogramParams, fragment_length: int | None = None) -> _native.MelSpectrogram:
    """Return the transform for these parameters; it is planned once and shared by threads.

    Parameters
    ----------
    params : SpectrogramParams
    fragment_length : int, optional
        Samples between the starts of two fragments, if they are those of another spectrogram.
    """
    return _native.MelSpectrogram(
        frame_length=params.frame_length,
        hop_length=params.hop_length,
        fragment_length=fragment_length or params.fragment_length,
        n_frames=params.n_frames,
        n_bins=params.n_bins,
        bin_hz=params.bin_hz,
        fmin=params.fmin,
        fmax=params.fmax,
        n_mels=params.n_mels,
        window=params.window,
        mel=params.mel,
        compression=params.compression,
        reference=params.reference,
        range_db=params.range_db,
    )


def transform(y: NDArray[np.int16] | NDArray[np.float32], params: SpectrogramParams) -> Fragments:
    """Compute all fragments of a whole signal.

    Parameters
    ----------
    y : ndarray of int16 or float32, shape (n_samples,)
        Mono samples at ``params.sr``; floats are full scale at 1.
    params : SpectrogramParams

    Returns
    -------
    ndarray of float32, shape (n_fragments, n_frames, n_mels)
        ``n_samples // fragment_length`` fragments; a shorter signal that has at least one whole
        frame gives one, its frames repeated from the start.
    """
    return plan(params).transform(y)


def stream(blocks: Iterable[NDArray[np.int16]], params: SpectrogramParams) -> Iterator[Fragments]:
    """Compute fragments while samples arrive; equal to `transform` of the whole, bit for bit.

    Parameters
    ----------
    blocks : iterable of ndarray of int16
        Mono samples at ``params.sr``, in blocks of any size.
    params : SpectrogramParams

    Yields
    ------
    ndarray of float32, shape (k, n_frames, n_mels)
        As many fragments as each block completed; never none.
    """
    state = plan(params).stream()
    for block in blocks:
        if len(done := state.push(block)):
            yield done
    if len(done := state.finish()):
        yield done


def fragments(path: Path, params: SpectrogramParams) -> Iterator[Fragments]:
    """Decode a file and yield its fragments as they are ready, in memory that does not grow.

    Raises
    ------
    AudioDecodeError
        If the file cannot be decoded, or is shorter than one frame.
    """
    empty = True
    for done in stream(audio.blocks(path, sr=params.sr), params):
        empty = False
        yield done
    if empty:
        raise _too_short(path, params)


def random_fragments(
    path: Path, params: SpectrogramParams, n: int, rng: np.random.Generator
) -> tuple[Fragments, tuple[int, ...]]:
    """Compute `n` fragments that start at random samples of a file, decoding it once.

    Parameters
    ----------
    path : Path
    params : SpectrogramParams
    n : int
        Number of fragments; a file that is no longer than one fragment gives one, padded.
    rng : Generator

    Returns
    -------
    fragments : ndarray of float32, shape (k, n_frames, n_mels)
        In the order of their offsets.
    offsets : tuple of int
        Samples at which they start.

    Raises
    ------
    AudioDecodeError
        As `fragments`.
    """
    windows = random_windows(audio.blocks(path, sr=params.sr), params.window_length, n, rng)
    windows.sort(key=lambda window: window[0])
    found = [transform(y, params)[:1] for _, y in windows]
    if not found or len(found[0]) == 0:
        raise _too_short(path, params)
    return np.concatenate(found), tuple(offset for offset, _ in windows)


def random_windows(
    blocks: Iterable[NDArray[np.int16]], length: int, n: int, rng: np.random.Generator
) -> list[tuple[int, NDArray[np.int16]]]:
    """Choose `n` windows of a signal uniformly, without knowing beforehand how long it is.

    Each window is a reservoir of one: the start o replaces the one before with probability
    1/(o + 1). The next start that will do so is drawn directly: it is above m with probability
    (o + 1)/(m + 1) (Vitter, Random sampling with a reservoir, 1985).

    Parameters
    ----------
    blocks : iterable of ndarray
        The signal.
    length, n : int
        Length and number of windows.
    rng : Generator

    Returns
    -------
    list of (int, ndarray)
        Start and samples of each. Of a signal that is not longer than `length`: itself, once; of
        an empty one: nothing.
    """
    chosen: list[tuple[int, NDArray[np.int16]] | None] = [None] * n
    following = [0] * n
    rngs = rng.spawn(n)  # one for each, so that the size of the blocks makes no difference
    recent = np.empty(0, np.int16)  # what may still be needed: the last `length` samples
    n_seen = 0
    for block in blocks:
        recent = np.concatenate([recent, block])
        n_seen += len(block)
        first = n_seen - len(recent)
        for i in range(n):
            while (start := following[i]) + length <= n_seen:
                chosen[i] = (start, recent[start - first : start - first + length].copy())
                following[i] = math.floor((start + 1) / (1.0 - rngs[i].random()))
        recent = recent[-length:]
    if n_seen > length:
        return [window for window in chosen if window is not None]
    return [(0, recent)] if n_seen else []


def _too_short(path: Path, params: SpectrogramParams) -> AudioDecodeError:
    return AudioDecodeError(
        f"{path}: too short, at least {params.frame_duration_s:g} s of sound are needed"
    )
