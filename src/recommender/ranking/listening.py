"""Where a track's fragments lie, and what there is to hear."""

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender import spectrogram
from recommender.analysis.listening import listen, window_numbers
from recommender.errors import AudioDecodeError
from recommender.library import WHOLE, Section, Track
from recommender.parameters import SpectrogramParams


def spans(track: Track, fragment_s: float) -> list[tuple[float, float]]:
    """Tell where a track's fragments begin and end in its file, in seconds.

    Of tracks that were analysed from a few windows only those are fragments.
    """
    begin_s = track.start_s or 0.0
    numbers: Sequence[int] = range(track.n_fragments)
    if track.fast:
        chosen = window_numbers(math.floor(track.duration_s / fragment_s + 1e-9))
        if len(chosen) >= track.n_fragments:  # the last ones may have lain beyond the file's end
            numbers = chosen[: track.n_fragments]
    length_s = min(fragment_s, track.duration_s)  # a short track is one padded fragment
    starts_s = [begin_s + i * fragment_s for i in numbers]
    return [(start_s, start_s + length_s) for start_s in starts_s]


def mel_spectrogram(track: Track, params: SpectrogramParams) -> NDArray[np.float32]:
    """Compute the mel-spectrogram of a track's whole fragments, from its file.

    Returns
    -------
    ndarray, shape (n_frames, n_mels)
        Values in [-1, 1], rounded to half precision.

    Raises
    ------
    AudioDecodeError
        If the file cannot be decoded, or holds no fragment where the track should be.
    """
    section = WHOLE
    if track.start_s is not None:
        section = Section(number=1, start_s=track.start_s, end_s=track.end_s)
    heard = listen(track.path, [section], _Frames(params=params), threading.Event())
    if section not in heard.features:
        raise AudioDecodeError(f"{track.path}: is not what it was; scan its folder again")
    return heard.features[section].astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class _Frames:
    """Takes the frames of the mel-spectrogram themselves as features."""

    params: SpectrogramParams
    fingerprint: str = ""

    @property
    def window_length(self) -> int:
        return self.params.window_length

    def transform(self, y: NDArray[np.int16], /) -> NDArray[np.float32]:
        return spectrogram.transform(y, self.params).reshape(-1, self.params.n_mels)

    def stream(self, blocks: Iterable[NDArray[np.int16]], /) -> Iterator[NDArray[np.float32]]:
        for fragments in spectrogram.stream(blocks, self.params):
            yield fragments.reshape(-1, self.params.n_mels)
