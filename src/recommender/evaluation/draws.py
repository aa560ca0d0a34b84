"""Who is liked, hidden, and other music in an experiment, drawn from the music that there is."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from recommender.errors import ParameterError
from recommender.evaluation.clips import Indices

Role = Literal["liked", "hidden", "negative", "other", "kin"]
ROLES: tuple[Role, ...] = get_args(Role)

MIN_OTHERS = 10


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How much of everything there is.

    Attributes
    ----------
    liked : int
        Tracks to learn from.
    hidden : int
        More tracks of the same playlist, to be scored.
    others : int
        Tracks of other music to be scored, which nothing is learned from.
    negatives : int
        Other tracks to learn from.
    fragments : int or None
        Of each liked track, drawn once; ``None``: all.
    thesis_epochs : int
        Of the recipe "thesis"; others have their own.
    """

    liked: int
    hidden: int
    others: int
    negatives: int
    fragments: int | None
    thesis_epochs: int


CLOSE = Counts(liked=21, hidden=4, others=14, negatives=800, fragments=3, thesis_epochs=20)
"""The thesis scores 18 tracks, of which its author judged 4 to be like the playlist."""

MIXED = Counts(liked=25, hidden=6, others=800, negatives=800, fragments=None, thesis_epochs=500)
"""31 tracks of many genres, of which 6 are hidden; negatives from 800 tracks."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Who is what in one run: sorted indices of tracks, none in two.

    Attributes
    ----------
    seed : int
    tracks : dict of str to ndarray of int
        By the names in `ROLES`: learned from as liked; hidden ones of the same playlist; learned
        from as not liked; other music that nothing is learned from; tracks of the liked genres,
        which might be liked as well, so that nothing is learned from them either.
    """

    seed: int
    tracks: Mapping[Role, Indices]


def fit_counts(counts: Counts, n_playlist: int, n_rest: int) -> tuple[Counts, list[str]]:
    """Scale the counts down to the music that there is.

    Parameters
    ----------
    counts : Counts
    n_playlist : int
        Tracks that may be liked or hidden.
    n_rest : int
        Tracks of other music: half of it at most is scored, the rest learned from.

    Returns
    -------
    counts : Counts
    notes : list of str
        What had to be less, for the user.

    Raises
    ------
    ParameterError
        If there is too little for any experiment.
    """
    if n_playlist < 2 or n_rest < 2 * MIN_OTHERS:
        raise ParameterError(
            f"{n_playlist} tracks to like and {n_rest} others are too few for an experiment: 2 and"
            f" {2 * MIN_OTHERS} are needed"
        )
    notes = []
    liked, hidden = counts.liked, counts.hidden
    if n_playlist < liked + hidden:
        share = hidden / (liked + hidden)
        hidden = max(1, round(share * n_playlist))
        liked = n_playlist - hidden
        notes.append(
            f"there are {n_playlist} tracks to like, not {counts.liked + counts.hidden}: {liked}"
            f" are liked and {hidden} hidden"
        )
    # What is scored must not have been learned from.
    others = min(counts.others, n_rest // 2)
    negatives = min(counts.negatives, n_rest - others)
    if others < counts.others:
        notes.append(f"there are {n_rest} tracks of other music: {others} are scored")
    if negatives < counts.negatives:
        notes.append(f"there are {n_rest} tracks of other music: {negatives} are learned from")
    fitted = dataclasses.replace(
        counts, liked=liked, hidden=hidden, others=others, negatives=negatives
    )
    return fitted, notes


def deal(labels: Sequence[str], n: int, rng: np.random.Generator) -> Indices:
    """Draw tracks of as many kinds as there are, as evenly as can be.

    Parameters
    ----------
    labels : sequence of str, shape (n_tracks,)
        Kind of each track.
    n : int
        How many to draw; all, if there are fewer.
    rng : Generator
    """
    turn: dict[str, int] = {}
    order = rng.permutation(len(labels))
    turns = np.empty(len(labels), np.intp)
    for i in order:
        turns[i] = turn[labels[i]] = turn.get(labels[i], -1) + 1
    return np.sort(order[np.argsort(turns[order], kind="stable")][:n])


def draw(
    counts: Counts,
    playlist: Sequence[int] | Indices,
    rest: Sequence[int] | Indices,
    seed: int,
    *,
    kin: Indices | None = None,
) -> tuple[Draw, list[str]]:
    """Draw who is what.

    Parameters
    ----------
    counts : Counts
    playlist, rest : sequence or ndarray of int
        Indices of tracks that may be liked, and of other music.
    seed : int
    kin : ndarray of int, optional
        Tracks of the liked genres.

    Returns
    -------
    Draw
    notes : list of str
        Of `fit_counts`, which says what is too little.
    """
    fitted, notes = fit_counts(counts, len(playlist), len(rest))
    rng = np.random.default_rng(seed)
    chosen, shuffled = (rng.permutation(np.asarray(some, np.intp)) for some in (playlist, rest))
    n_liked, n_others = fitted.liked, fitted.others
    tracks: dict[Role, Indices] = {
        "liked": chosen[:n_liked],
        "hidden": chosen[n_liked:][: fitted.hidden],
        "negative": shuffled[n_others:][: fitted.negatives],
        "other": shuffled[:n_others],
        "kin": np.array([], np.intp) if kin is None else kin,
    }
    return Draw(seed=seed, tracks={role: np.sort(some) for role, some in tracks.items()}), notes


def draw_mixed(
    counts: Counts, genres: Sequence[str], n_genres: int, seed: int
) -> tuple[Draw, list[str]]:
    """Draw a playlist of tracks of several genres, evenly, and who is what.

    Parameters
    ----------
    counts : Counts
    genres : sequence of str, shape (n_tracks,)
    n_genres : int
        How many the playlist has; at most half of those that there are.
    seed : int

    Returns
    -------
    draw, notes
        See `draw`.

    Raises
    ------
    ParameterError
        If there are fewer than two genres.
    """
    labels = np.array(genres)
    names = np.unique(labels)
    if len(names) < 2:
        raise ParameterError("all tracks are of one genre; music of several is needed")
    n_most = min(n_genres, len(names) // 2)
    notes = []
    if n_most < n_genres:
        notes.append(f"there are {len(names)} genres: the playlist is of {n_most}, not {n_genres}")
    rng = np.random.default_rng([seed, n_most])
    n_wanted = counts.liked + counts.hidden
    sizes = {name: int((labels == name).sum()) for name in names.tolist()}
    # Rare genres would leave the playlist one-sided, so they are other music while there are more.
    order = sorted(
        rng.permutation(names).tolist(), key=lambda name: sizes[name] * n_most < n_wanted
    )
    members = np.flatnonzero(np.isin(labels, order[:n_most]))
    playlist = members[deal(labels[members].tolist(), n_wanted, rng)]
    rest = np.setdiff1d(np.arange(len(labels)), members)
    drawn, more = draw(counts, playlist, rest, seed, kin=np.setdiff1d(members, playlist))
    return drawn, notes + more
