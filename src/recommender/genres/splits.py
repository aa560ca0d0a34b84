"""Parting labelled tracks for training, validation and test, without parting an artist.

Tracks of one artist, and pieces of one track all the more, are alike in what is not genre: voices,
rooms, mastering. A system that met an artist in training is judged too well on that artist's other
tracks (A. Flexer, "A closer look on artist filters for musical genre classification", ISMIR 2007).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender.errors import DatasetError, ParameterError
from recommender.genres.dealing import deal
from recommender.genres.sources import LabelledTrack

SplitKind = Literal["artist", "own", "leaky"]

_LEAKY = (
    "Leaky, only to show how high figures come about: pieces of the same tracks are in training and"
    " in test, so this accuracy is an illusion and says nothing of music that was not heard before."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """What is trained on, what stops the training, and what is tested on.

    Attributes
    ----------
    training, validation, test : ndarray of intp
        Indices of tracks, ascending; of pieces if `kind` is "leaky".
    kind : {"artist", "own", "leaky"}
    description : str
        For people: what was kept apart.
    """

    training: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]
    kind: SplitKind
    description: str


def split(
    tracks: Sequence[LabelledTrack],
    *,
    kind: SplitKind = "artist",
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Split:
    """Part tracks, whole groups at a time, each genre in about the same shares.

    It depends on the tracks, not on their order. Groups with many tracks tend to be in training.

    Parameters
    ----------
    tracks : sequence of LabelledTrack
    kind : {"artist", "own"}
        "own" takes the set's own split; or else its own folds, testing on the first and validating
        on the second. Where it has no validation part, one is made of the training's artists.
    validation, test : float
        Shares of the tracks, each at least 0 and together below 1; a part of 0 is empty.
    seed : int

    Raises
    ------
    DatasetError
        If a genre has too few artists to be in all parts, or the set has no split of its own.
    ParameterError
        If the shares make no sense, or `kind` is "leaky": see `split_pieces`.
    """
    shares = _shares(validation, test)
    if kind == "own":
        return _own(tracks, validation, seed)
    if kind != "artist":
        raise ParameterError(f"a split of kind {kind!r} parts pieces, not tracks; see split_pieces")
    part = _deal(tracks, shares, seed)
    return _of_parts(part, kind, _by_artist(tracks))


def split_pieces(
    y: NDArray[np.int64], k: int, *, validation: float = 0.1, test: float = 0.2, seed: int = 0
) -> Split:
    """Part the pieces of tracks at random, genre by genre: a leak, to show what it does.

    Parameters
    ----------
    y : ndarray of int64, shape (n_tracks,)
        Genres of the tracks.
    k : int
        Pieces of a track, at least 2; piece j of track i has the index ``i * k + j``.
    validation, test : float
        As for `split`.
    seed : int
    """
    shares = _shares(validation, test)
    if k < 2:
        raise ParameterError(f"{k} piece a track cannot be in two parts; take 2 or more")
    rng = np.random.default_rng(seed)
    part = np.zeros(len(y) * k, np.intp)
    labels = np.repeat(y, k)
    for genre in np.unique(y):
        pieces = rng.permutation(np.flatnonzero(labels == genre))
        bounds = np.round(np.cumsum(shares)[:-1] * len(pieces)).astype(np.intp)
        for number, some in enumerate(np.split(pieces, bounds)):
            part[some] = number
    return _of_parts(part, "leaky", _LEAKY)


def folds(tracks: Sequence[LabelledTrack], *, n_folds: int = 5, seed: int = 0) -> list[Split]:
    """Part tracks for cross-validation: each is tested on once.

    Fold i is tested on, the next one stops the training, the others train. The tracks' own folds
    are used, however many, if all have one and these part no artist.

    Raises
    ------
    DatasetError
        If a genre has too few artists.
    """
    if n_folds < 3:
        raise ParameterError(f"{n_folds} folds are too few to train, validate and test; take 3")
    own = _own_folds(tracks)
    if own is None:
        fold = _deal(tracks, np.full(n_folds, 1 / n_folds), seed)
        about = _by_artist(tracks)
    else:
        fold = own
        about = "The set's own folds; no artist is in two of them."
    n = int(fold.max()) + 1
    kind: SplitKind = "artist" if own is None else "own"
    found = []
    for i in range(n):
        part = np.zeros(len(tracks), np.intp)
        part[fold == (i + 1) % n] = 1
        part[fold == i] = 2
        _check_trained(tracks, part)
        found.append(_of_parts(part, kind, f"Fold {i + 1} of {n}. {about}"))
    return found


def _shares(validation: float, test: float) -> NDArray[np.float64]:
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise ParameterError(
            f"shares of {validation} and {test} for validation and test leave nothing to train on"
        )
    return np.array([1 - validation - test, validation, test])


def _of_parts(part: NDArray[np.intp], kind: SplitKind, description: str) -> Split:
    training, validation, test = (np.flatnonzero(part == number) for number in range(3))
    return Split(
        training=training, validation=validation, test=test, kind=kind, description=description
    )


def _deal(
    tracks: Sequence[LabelledTrack], shares: NDArray[np.float64], seed: int
) -> NDArray[np.intp]:
    """Return each track's part, one of those whose share is above 0."""
    if not tracks:
        raise DatasetError("there are no tracks to part")
    _, group = _numbered([track.group for track in tracks])
    genres, y = _numbered([track.genre for track in tracks])
    used = np.flatnonzero(shares)
    part, lacking = deal(group, y, shares[used], seed)
    if lacking:
        raise _too_few(tracks, [genres[i] for i in lacking], len(used))
    return used[part]


def _numbered(names: list[str]) -> tuple[list[str], NDArray[np.intp]]:
    """Return the names that occur, sorted, and each one's index."""
    found = sorted(set(names))
    index = {name: i for i, name in enumerate(found)}
    return found, np.array([index[name] for name in names], np.intp)


def _own(tracks: Sequence[LabelledTrack], validation: float, seed: int) -> Split:
    names = ("training", "validation", "test")
    if tracks and all(track.part is not None for track in tracks):
        part = np.array([names.index(str(track.part)) for track in tracks], np.intp)
        about = "The set's own split"
    elif (fold := _fold_numbers(tracks)) is not None:
        part = np.select([fold == 0, fold == 1], [2, 1], 0).astype(np.intp)
        about = "The set's own folds: the first for test, the second for validation"
    else:
        raise DatasetError("the set has no split of its own (for every track); split it by artist")
    if validation > 0 and not (part == 1).any():
        chosen = np.flatnonzero(part == 0)
        rest = [tracks[i] for i in chosen.tolist()]
        part[chosen] = _deal(rest, np.array([1 - validation, validation]), seed)
        about += ", with a validation part from the training's artists"
    _check_trained(tracks, part)
    n_parted = _n_parted(tracks, part)
    if n_parted:
        about += f"; artists in more than one part: {n_parted:,}, which flatters the figures"
    return _of_parts(part, "own", f"{about}.")


def _own_folds(tracks: Sequence[LabelledTrack]) -> NDArray[np.intp] | None:
    fold = _fold_numbers(tracks)
    return None if fold is None or _n_parted(tracks, fold) else fold


def _fold_numbers(tracks: Sequence[LabelledTrack]) -> NDArray[np.intp] | None:
    """Own folds, numbered from 0; ``None`` unless all tracks have one and there are three."""
    found = [track.fold for track in tracks if track.fold is not None]
    numbers = sorted(set(found))
    if len(found) < len(tracks) or len(numbers) < 3:
        return None
    return np.searchsorted(numbers, found).astype(np.intp)


def _n_parted(tracks: Sequence[LabelledTrack], part: NDArray[np.intp]) -> int:
    pairs = {(track.group, int(where)) for track, where in zip(tracks, part, strict=True)}
    return sum(n > 1 for n in Counter(group for group, _ in pairs).values())


def _check_trained(tracks: Sequence[LabelledTrack], part: NDArray[np.intp]) -> None:
    trained = {track.genre for track, where in zip(tracks, part, strict=True) if where == 0}
    missing = sorted({track.genre for track in tracks} - trained)
    if missing:
        raise _too_few(tracks, missing, 3)


def _too_few(tracks: Sequence[LabelledTrack], genres: list[str], n_parts: int) -> DatasetError:
    n_tracks = Counter(track.genre for track in tracks)
    n_groups = Counter(genre for genre, _ in {(track.genre, track.group) for track in tracks})
    few = ", ".join(f"{genre} ({n_groups[genre]})" for genre in genres[:5])
    more = f" and {len(genres) - 5:,} more" if len(genres) > 5 else ""
    least = max(n_tracks[genre] for genre in genres) + 1
    return DatasetError(
        f"too few artists (or tracks of unknown artists) to be in all {n_parts} parts:"
        f" {few}{more}; add music of other artists, or leave such genres out with"
        f" --min-tracks {least}"
    )


def _by_artist(tracks: Sequence[LabelledTrack]) -> str:
    n_unknown = sum(not track.artist_known for track in tracks)
    if n_unknown == len(tracks):
        return (
            "By track: no artist is known, so an artist may be on both sides, which flatters the"
            " figures."
        )
    if n_unknown:
        return (
            "By artist: none is on both sides, as far as artists are known; for"
            f" {n_unknown:,} of {len(tracks):,} tracks they are not, and those were parted by"
            " folder or track."
        )
    return "By artist: none is on both sides."
