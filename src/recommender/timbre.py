"""Statistics of timbre: what a fragment sounds like, whatever is played.

Computed from fragments of mel-spectrogram in decibels. They follow what serves music similarity
well: band statistics, mel-frequency cepstra with their correlations (Mandel and Ellis, Song-level
features and support vector machines for music classification, 2005) and a modulation spectrum
(Pampalk, Rauber and Merkl, Content-based organization and visualization of music archives, 2002).
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from recommender import _native, spectrogram
from recommender.parameters import SpectrogramParams
from recommender.spectrogram import Fragments

VERSION = 1
"""Features of different versions are never compared."""

N_RATES = 8

Statistics = NDArray[np.float32]
"""Shape ``(n, n_statistics())``."""


def fits(params: SpectrogramParams) -> bool:
    """Tell whether fragments made so have timbre statistics: decibels, enough frames and bands."""
    divides = params.n_mels % 32 == 0
    return params.compression == "log" and divides and params.n_frames // 2 >= N_RATES


def n_statistics() -> int:
    """Count the statistics of a fragment: 474."""
    return _plan(2 * N_RATES, 32).n_statistics


def statistics(fragments: Fragments) -> Statistics:
    """Compute the statistics of fragments.

    Parameters
    ----------
    fragments : ndarray of float32, shape (n, n_frames, n_mels)
        In decibels, scaled to [-1, 1], of a shape that `fits`.

    Returns
    -------
    ndarray of float32, shape (n, 474)
        Of 32 bands over time: mean, deviation, mean change from frame to frame, 10th and 90th
        percentile; of 20 cepstra: mean, deviation, deviation of their change, correlations;
        logarithmic modulation of 8 bands at 8 rates, one period a fragment to half the frame rate,
        log-spaced.
    """
    return _plan(*fragments.shape[1:]).statistics(fragments)


def fine_params(
    params: SpectrogramParams, *, frame_length: int = 2_048, hop_length: int = 1_024
) -> SpectrogramParams:
    """Describe a finer spectrogram of the same fragments, to take statistics of.

    Parameters
    ----------
    params : SpectrogramParams
        The coarse one; sampling rate, bands and range are the same.
    frame_length, hop_length : int
        In samples; 46 and 23 ms at 44,100 Hz. Frames overlap under a Hann window.

    Returns
    -------
    SpectrogramParams
        In decibels; 344 frames for fragments of 8 s.
    """
    return dataclasses.replace(
        params,
        frame_duration_s=frame_length / params.sr,
        hop_duration_s=hop_length / params.sr,
        n_frames=params.fragment_length // hop_length,
        window="hann",
        compression="log",
    )


@functools.cache
def extractor(params: SpectrogramParams, fine: SpectrogramParams | None) -> _native.Extractor:
    """Return what computes fragments and their statistics; planned once and shared by threads.

    Parameters
    ----------
    params : SpectrogramParams
        Of the fragments.
    fine : SpectrogramParams or None
        Of the spectrogram that statistics are taken of, of the same fragments (see `fine_params`);
        ``None``: of the fragments themselves.

    Raises
    ------
    ValueError
        If one of them does not fit (see `fits`), or `fine` has the longer frames.
    """
    plan = spectrogram.plan(params)
    fine_plan = None if fine is None else spectrogram.plan(fine, params.fragment_length)
    return _native.Extractor(spectrogram=plan, fine=fine_plan, n_rates=N_RATES)


def stream(
    blocks: Iterable[NDArray[np.int16]], params: SpectrogramParams, fine: SpectrogramParams | None
) -> Iterator[tuple[Fragments, Statistics]]:
    """Compute fragments and their statistics while samples arrive.

    Parameters
    ----------
    blocks : iterable of ndarray of int16
        Mono samples at ``params.sr``, in blocks of any size.
    params, fine
        See `extractor`.

    Yields
    ------
    fragments : ndarray of float32, shape (k, n_frames, n_mels)
        Equal to `spectrogram.stream`, bit for bit, though not in the same portions; never none.
    statistics : ndarray of float32, shape (k, 474)
    """
    state = extractor(params, fine).stream()
    for block in blocks:
        done = state.push(block)
        if len(done[0]):
            yield done
    done = state.finish()
    if len(done[0]):
        yield done


@functools.cache
def _plan(n_frames: int, n_mels: int) -> _native.Timbre:
    return _native.Timbre(n_frames=n_frames, n_mels=n_mels, n_rates=N_RATES)
