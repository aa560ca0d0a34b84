"""The sections of a file to features: decoded once from end to end, or in a few windows."""

import contextlib
import itertools
import math
import threading
from collections import defaultdict, deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender import audio
from recommender.analysis.sections import bounds
from recommender.library import Section
from recommender.parameters import SpectrogramParams


class Extractor(Protocol):
    """What `scan` asks of a preprocessor; it is called from several threads."""

    @property
    def params(self) -> SpectrogramParams:
        """Of the fragments it takes."""

    @property
    def fingerprint(self) -> str:
        """Names the features."""

    @property
    def window_length(self) -> int:
        """Samples that a fragment needs."""

    def transform(self, y: NDArray[np.int16], /) -> NDArray[np.float32]:
        """Compute the features of a signal's fragments, ``(n, n_features)``."""

    def stream(self, blocks: Iterable[NDArray[np.int16]], /) -> Iterator[NDArray[np.float32]]:
        """Compute them while samples arrive, in portions."""


@dataclass(frozen=True, kw_only=True)
class WindowParams:
    """Which windows stand for a whole recording.

    Parameters
    ----------
    one_in : int
        One window in so many fragments,
    n_min, n_max : int
        but at least and at most so many.
    """

    one_in: int = 4
    n_min: int = 3
    n_max: int = 10


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What listening gave.

    Attributes
    ----------
    features : dict of Section to ndarray of float16, shape (n_fragments, n_features)
        Sections without a fragment are left out.
    durations_s : dict of Section to float
        Of the decoded sound.
    file_s : float
        Length of the whole file; what was told if only windows were heard.
    fast : bool
        Whether only windows were heard.
    """

    features: Mapping[Section, NDArray[np.float16]]
    durations_s: Mapping[Section, float]
    file_s: float
    fast: bool = False


def listen(
    path: Path, sections: Sequence[Section], extractor: Extractor, stop: threading.Event
) -> Heard:
    """Decode a file once, and compute the features of sections of it.

    Parameters
    ----------
    path : Path
    sections : sequence of Section
        In their order; they do not overlap.
    extractor : Extractor
    stop : Event
        Ends the decoding.

    Raises
    ------
    AudioDecodeError
        If the file cannot be decoded.
    CancelledError
        If it was to stop.
    """
    params = extractor.params
    n_samples = 0
    n_heard: defaultdict[Section, int] = defaultdict(int)
    ahead = deque((section, *bounds(section, params.sr)) for section in sections)

    def pieces() -> Generator[tuple[Section, NDArray[np.int16]], None, None]:
        """Blocks of samples, cut where sections begin and end."""
        nonlocal n_samples
        # Closed here and now, not when the garbage is collected: that ends the decoder.
        with contextlib.closing(audio.blocks(path, sr=params.sr)) as blocks:
            for block in blocks:
                if stop.is_set():
                    return
                n_after = n_samples + block.size
                while ahead and ahead[0][1] < n_after:
                    section, start, end = ahead[0]
                    end = n_after if end is None else end
                    y = block[max(0, start - n_samples) : end - n_samples]
                    n_heard[section] += y.size
                    yield section, y
                    if end >= n_after:
                        break
                    ahead.popleft()
                n_samples = n_after

    features = {}
    with contextlib.closing(pieces()) as cut:
        for section, group in itertools.groupby(cut, key=lambda piece: piece[0]):
            portions = extractor.stream(y for _, y in group)
            if found := [features.astype(np.float16) for features in portions]:
                features[section] = np.concatenate(found)
    if stop.is_set():
        raise CancelledError
    return Heard(
        features=features,
        durations_s={section: n / params.sr for section, n in n_heard.items()},
        file_s=n_samples / params.sr,
    )


def sample(
    path: Path,
    sections: Sequence[Section],
    file_s: float,
    extractor: Extractor,
    stop: threading.Event,
) -> Heard | None:
    """Compute the features of a few windows of each section; ``None`` if that is no saving.

    The windows are fragments of the full analysis, so that what they give is a part of what that
    gives. Each section needs at least one.

    Raises
    ------
    AudioDecodeError, CancelledError
        As `listen`.
    """
    params = extractor.params
    starts: dict[int, Section] = {}
    durations_s: dict[Section, float] = {}
    n_total = 0
    for section in sections:
        first, _ = bounds(section, params.sr)
        end_s = file_s if section.end_s is None else min(section.end_s, file_s)
        durations_s[section] = end_s - (section.start_s or 0.0)
        n_fragments = math.floor(durations_s[section] / params.fragment_duration_s + 1e-9)
        n_total += n_fragments
        for i in window_numbers(n_fragments):
            starts[first + i * params.fragment_length] = section
    if len(starts) == n_total or set(starts.values()) != set(sections):
        return None

    heard: defaultdict[Section, list[NDArray[np.float16]]] = defaultdict(list)
    with contextlib.closing(
        audio.windows(path, sorted(starts), extractor.window_length, sr=params.sr)
    ) as windows:
        for start, y in windows:
            if stop.is_set():
                raise CancelledError
            heard[starts[start]].append(extractor.transform(y)[:1].astype(np.float16))
    if heard.keys() != set(sections):
        return None
    features = {section: np.concatenate(rows) for section, rows in heard.items()}
    return Heard(features=features, durations_s=durations_s, file_s=file_s, fast=True)


def window_numbers(n_fragments: int, params: WindowParams | None = None) -> list[int]:
    """Choose evenly spread fragments that stand for all; all where there are but few."""
    params = params or WindowParams()
    k = min(n_fragments, max(params.n_min, min(params.n_max, n_fragments // params.one_in)))
    return [(2 * j + 1) * n_fragments // (2 * k) for j in range(k)]
