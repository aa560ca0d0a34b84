"""Several views of each track for training: other windows, and as other sources would sound.

Music from different sources differs in bandwidth, loudness, equalisation and noise, and a network
would learn to hear the source where genres come from different ones. So most views are changed in
these respects, on the spectrogram in decibels: nothing else of a fragment is kept, and its loudness
is not, since a fragment's reference is its own maximum.
"""

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import audio, spectrogram, timbre
from recommender.errors import AudioDecodeError
from recommender.parameters import SpectrogramParams

_FAR_DB = 200.0  # range that no fragment's own one of 80 dB leaves; what is so low is silent
_QUIETER = 1 / 16  # bands of several bins have levels above that of a full-scale sine


@dataclass(frozen=True, kw_only=True)
class ViewParams:
    """How many views, and how they are changed.

    Parameters
    ----------
    n_clean, n_changed : int
        Views as they are, evenly spread over the track; changed ones at random places.
    equaliser_db : float
        Deviation of each of four cosines over the mel bands that are added.
    band_limit : float
        Share of changed views of which everything above a band is cut off,
    n_kept : int
        which is at least this one: 85 of 128 bands reach 3.9 kHz.
    noise : float
        Share of changed views in which nothing is below a floor,
    floor_db : (float, float)
        which lies between these, against the view's maximum.
    """

    n_clean: int = 3
    n_changed: int = 9
    equaliser_db: float = 3.0
    band_limit: float = 0.3
    n_kept: int = 85
    noise: float = 0.3
    floor_db: tuple[float, float] = (-75.0, -55.0)

    @property
    def n_views(self) -> int:
        """Views of a track."""
        return self.n_clean + self.n_changed


@dataclass(frozen=True, kw_only=True)
class Views:
    """Views of tracks; the clean ones come first.

    Attributes
    ----------
    fragments : ndarray of float16, shape (n_tracks, n_views, n_frames, n_mels)
    statistics : ndarray of float32, shape (n_tracks, n_views, n_statistics)
        Of the fine spectrogram, then of the fragments.
    n_clean : int
    """

    fragments: NDArray[np.float16]
    statistics: NDArray[np.float32]
    n_clean: int

    def subset(self, chosen: NDArray[np.intp]) -> "Views":
        """Return the tracks of these indices."""
        return dataclasses.replace(
            self, fragments=self.fragments[chosen], statistics=self.statistics[chosen]
        )


def compute(
    paths: Sequence[Path],
    params: SpectrogramParams,
    fine: SpectrogramParams,
    views: ViewParams | None = None,
    *,
    seed: int = 0,
    jobs: int = 1,
    on_track: Callable[[int, int], None] | None = None,
) -> Views:
    """Compute views of tracks.

    Parameters
    ----------
    paths : sequence of Path
    params, fine : SpectrogramParams
        In decibels; see `timbre.fine_params`.
    views : ViewParams, optional
    seed : int
        Of places and changes; a track's do not depend on the others.
    jobs : int
        Tracks worked on at the same time.
    on_track : callable, optional
        Takes how many are done, of how many.

    Raises
    ------
    AudioDecodeError
        If a file cannot be decoded, or has not one frame.
    """
    options = views or ViewParams()
    n_statistics = 2 * timbre.n_statistics()
    shape = (len(paths), options.n_views)
    fragments = np.zeros((*shape, params.n_frames, params.n_mels), np.float16)
    statistics = np.zeros((*shape, n_statistics), np.float32)

    def work(i: int) -> None:
        y = np.concatenate(list(audio.blocks(paths[i], sr=params.sr)))
        if len(y) < params.frame_length:
            raise AudioDecodeError(f"{paths[i]}: too short, it has not one frame")
        rng = np.random.default_rng([seed, i])
        coarse, fine_ = _spectrograms(y, params, fine, options, rng)
        fragments[i] = coarse
        statistics[i] = np.concatenate([timbre.statistics(fine_), timbre.statistics(coarse)], 1)

    with ThreadPoolExecutor(jobs) as pool:
        for n, _ in enumerate(pool.map(work, range(len(paths))), 1):
            if on_track is not None:
                on_track(n, len(paths))
    return Views(fragments=fragments, statistics=statistics, n_clean=options.n_clean)


def _spectrograms(
    y: NDArray[np.int16],
    params: SpectrogramParams,
    fine: SpectrogramParams,
    options: ViewParams,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """All views of a signal at both resolutions, each changed alike at both."""
    length = max(params.window_length, fine.window_length)
    last = max(0, len(y) - length)
    found: tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]] = ([], [])
    for view in range(options.n_views):
        is_clean = view < options.n_clean
        start = last * view // max(1, options.n_clean - 1) if is_clean else rng.integers(last + 1)
        window = y[start : start + length]
        change = None if is_clean else Change.draw(options, params.n_mels, rng)
        for resolution, into in zip((params, fine), found, strict=True):
            levels = _levels_db(window, resolution, params.fragment_length)
            into.append(_relative(levels if change is None else change(levels), params.range_db))
    return np.stack(found[0]), np.stack(found[1])


@dataclass(frozen=True, kw_only=True)
class Change:
    """How one view is changed.

    Attributes
    ----------
    gain_db : ndarray, shape (n_mels,)
        Of each band.
    n_kept : int
        Bands that are not cut off.
    floor_db : float or None
        Level of noise against the maximum.
    """

    gain_db: NDArray[np.float64]
    n_kept: int
    floor_db: float | None

    @classmethod
    def draw(cls, options: ViewParams, n_mels: int, rng: np.random.Generator) -> "Change":
        """Draw one."""
        orders = np.arange(1, 5)[:, None]
        cosines = np.cos(np.pi * orders * np.arange(n_mels) / n_mels)
        gain_db = rng.normal(0, options.equaliser_db, len(orders)) @ cosines
        is_cut, is_noisy = rng.random(2) < (options.band_limit, options.noise)
        n_kept = int(rng.integers(min(options.n_kept, n_mels), n_mels + 1))
        floor_db = float(rng.uniform(*options.floor_db))
        return cls(
            gain_db=gain_db,
            n_kept=n_kept if is_cut else n_mels,
            floor_db=floor_db if is_noisy else None,
        )

    def __call__(self, levels_db: NDArray[np.float32]) -> NDArray[np.float32]:
        """Change levels ``(n_frames, n_mels)`` in decibels; silence stays silent."""
        changed = np.where(levels_db > -_FAR_DB, levels_db + self.gain_db, -_FAR_DB)
        changed[:, self.n_kept :] = -_FAR_DB
        if self.floor_db is not None:
            changed = np.maximum(changed, changed.max() + self.floor_db)
        return np.asarray(changed, np.float32)


def _levels_db(
    y: NDArray[np.int16], params: SpectrogramParams, fragment_length: int
) -> NDArray[np.float32]:
    """Levels of the first fragment, ``(n_frames, n_mels)``, down to -200 dB."""
    absolute = dataclasses.replace(params, reference="absolute", range_db=_FAR_DB)
    quieter = y.astype(np.float32) * np.float32(_QUIETER / 32_768)
    fragment = spectrogram.plan(absolute, fragment_length).transform(quieter)[0]
    return np.asarray((fragment - 1) * (_FAR_DB / 2), np.float32)


def _relative(levels_db: NDArray[np.float32], range_db: float) -> NDArray[np.float32]:
    """Scale levels against their maximum to [-1, 1], as fragments are; silence is -1."""
    highest_db = levels_db.max()
    if highest_db <= -_FAR_DB:
        return np.full_like(levels_db, -1)
    below_db = np.maximum(levels_db - highest_db, -range_db)
    return np.asarray(below_db / (range_db / 2) + 1, np.float32)
