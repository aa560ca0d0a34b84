"""What a system hears of a collection, and how that is parted."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ParameterError
from recommender.genres import inputs, splits
from recommender.genres.learning import Examples
from recommender.genres.sources import Collection
from recommender.genres.splits import Split, SplitKind
from recommender.genres.systems import System


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a system hears of a collection.

    Attributes
    ----------
    collection : Collection
    system : System
    x : ndarray, shape (n_tracks, k, n_frames, n_bands)
        All zero for tracks that could not be used.
    y : ndarray of int64, shape (n_tracks,)
        Indices of genres.
    failures : tuple of (Path, str)
        The tracks that could not be used.
    """

    collection: Collection
    system: System
    x: NDArray[Any]
    y: NDArray[np.int64]
    failures: tuple[tuple[Path, str], ...]

    @property
    def n_pieces(self) -> int:
        """Pieces of a track."""
        return int(self.x.shape[1])

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which tracks could be used, shape ``(n_tracks,)``."""
        failed = {path for path, _ in self.failures}
        return np.array([track.path not in failed for track in self.collection.tracks], np.bool_)

    def part(self, chosen: NDArray[np.intp], kind: SplitKind) -> Examples:
        """Examples of these indices; of a leaky split each piece is an example of its own."""
        if kind != "leaky":
            chosen = chosen[self.usable[chosen]]
            return self.x[chosen], self.y[chosen]
        tracks, pieces = np.divmod(chosen, self.n_pieces)
        good = self.usable[tracks]
        tracks, pieces = tracks[good], pieces[good]
        return self.x[tracks, pieces][:, None], self.y[tracks]


def prepare(
    collection: Collection,
    system: System,
    *,
    seed: int = 0,
    jobs: int = 1,
    cache: Path | None = None,
    on_track: Callable[[int, int], None] | None = None,
) -> Material:
    """Compute what a system hears of every track.

    Parameters
    ----------
    collection : Collection
    system : System
    seed : int
        Of random offsets.
    jobs : int
        Tracks worked on at the same time.
    cache : Path, optional
        Folder where what was computed is kept.
    on_track : callable, optional
        Takes how many are done, of how many.
    """
    x, failures = inputs.load(
        [track.path for track in collection.tracks],
        system.inputs,
        k=system.n_pieces,
        seed=seed,
        jobs=jobs,
        offsets=system.offsets,
        cache=cache,
        on_track=on_track,
    )
    index = {genre: i for i, genre in enumerate(collection.genres)}
    return Material(
        collection=collection,
        system=system,
        x=x,
        y=np.array([index[track.genre] for track in collection.tracks], np.int64),
        failures=tuple(failures),
    )


def part(
    collection: Collection,
    system: System,
    kind: SplitKind,
    *,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Split:
    """Split a collection; nothing needs to be decoded for it.

    Raises
    ------
    DatasetError
        If it has too few artists, or no split of its own.
    ParameterError
        If the shares make no sense, or if pieces are to be parted of which each track has but one.
    """
    if kind != "leaky":
        return splits.split(
            collection.tracks, kind=kind, validation=validation, test=test, seed=seed
        )
    if system.n_pieces < 2:
        raise ParameterError(
            f"{system.name} hears each track as one piece, so no pieces of it can leak; choose a"
            " network that hears several, such as cnn1d-mfcc"
        )
    y = np.unique([track.genre for track in collection.tracks], return_inverse=True)[1]
    return splits.split_pieces(
        y.astype(np.int64), system.n_pieces, validation=validation, test=test, seed=seed
    )
