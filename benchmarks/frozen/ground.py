"""What there is to learn from in one rotation."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frozen.material import Heard
from frozen.networks import Targets
from recommender import evaluation
from recommender.evaluation import Clip
from recommender.genres.views import Views

MIN_CLIPS_TESTED = 40


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What there is to learn from in one rotation.

    Attributes
    ----------
    clips : sequence of Clip
    fold : int
        Its test fold.
    heard : Heard
        Of all clips.
    learned : ndarray of int
        Indices of the clips to learn from.
    changed, unchanged : Views
        Of these: with the changes of the shipped preprocessor's training, or with none.
    work : Path
        Has ``thesis-fold<fold>.safetensors`` and ``thesis-log-fold<fold>.safetensors``, or not.
    """

    clips: Sequence[Clip]
    fold: int
    heard: Heard
    learned: NDArray[np.intp]
    changed: Views
    unchanged: Views
    work: Path

    @property
    def artists(self) -> list[str]:
        """Artists of the clips to learn from; a clip by nobody has one of its own."""
        return [self.clips[i].artist or f"clip {i}" for i in self.learned]

    @property
    def genres(self) -> list[str]:
        """Genres of the clips to learn from, sorted."""
        return sorted({self.clips[i].genre for i in self.learned})

    @property
    def y(self) -> NDArray[np.int64]:
        """Their indices, clip by clip."""
        return _indices([self.clips[i].genre for i in self.learned])

    def accuracy(self, shares: Callable[[NDArray[np.intp]], NDArray[np.float64]]) -> float | None:
        """Accuracy on the test fold, among the genres that have many clips.

        Parameters
        ----------
        shares : callable
            Takes indices of clips, gives shares of genres, one row a clip.
        """
        counts = Counter(clip.genre for clip in self.clips)
        common = np.array([counts[genre] >= MIN_CLIPS_TESTED for genre in self.genres])
        names = [genre for genre, is_common in zip(self.genres, common, strict=True) if is_common]
        test = evaluation.rotation(self.clips, self.fold).test
        test = np.array([i for i in test if self.clips[i].genre in names], np.intp)
        if not len(test):
            return None
        guessed = shares(test)[:, common].argmax(1)
        right = [names[g] == self.clips[i].genre for g, i in zip(guessed, test, strict=True)]
        return float(np.mean(right))

    def targets(self, weights: tuple[float, float, float, float]) -> Targets:
        """Genre, mood, artist and clip of what is learned from."""
        moods = [self.clips[i].mood for i in self.learned]
        known = np.array([mood != "" for mood in moods])
        labels = np.stack(
            [
                self.y,
                np.where(known, _indices([mood or max(moods) for mood in moods]), -1),
                _indices(self.artists),
                np.arange(len(self.learned)),
            ],
            axis=1,
        )
        return Targets(labels=labels, weights=weights)


def _indices(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)
