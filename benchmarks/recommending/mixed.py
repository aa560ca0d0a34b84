"""The thesis's second experiment: playlists of many tastes."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation import MIXED, Hearing, draw, run_experiment
from recommender.evaluation.draws import deal
from recommender.parameters import DEFAULT
from recommending.ground import Ground

Tastes = Literal["3 genres", "5 genres", "8 genres", "3 artists", "5 artists", "any tracks"]
TASTES: tuple[Tastes, ...] = get_args(Tastes)

MIN_OF_TASTE = 5


def run_mixed(here: Ground, fold: int, seed: int, tastes: Tastes) -> NDArray[np.float64]:
    """Draw a playlist of up to 31 tracks, hide 6, and score them by the default recipe.

    Clips are those of the test fold and of the negatives' fold together, whose artists the
    preprocessor never met. Other tracks of the same tastes are neither learned from nor counted.

    Returns
    -------
    ndarray, shape (1, 2)
        How many tracks were hidden, and how many of them score above the median of the other music.
    """
    indices = np.concatenate([here.rotation.test, here.rotation.negatives])
    labels = np.array([_label(here, i, tastes) for i in indices])
    names, counts = np.unique(labels, return_counts=True)
    rng = np.random.default_rng([seed, fold, TASTES.index(tastes)])
    frequent = [n for n, c in zip(names.tolist(), counts, strict=True) if n and c >= MIN_OF_TASTE]
    n_tastes = len(frequent) if tastes == "any tracks" else int(tastes.split()[0])
    chosen = rng.permutation(frequent)[:n_tastes]
    members = np.flatnonzero(np.isin(labels, chosen))
    playlist = members[deal(labels[members].tolist(), MIXED.liked + MIXED.hidden, rng)]
    kin = np.setdiff1d(members, playlist)
    rest = np.setdiff1d(np.arange(len(indices)), members)
    if tastes == "any tracks":  # whatever is not in the playlist is other music
        kin, rest = kin[:0], np.setdiff1d(np.arange(len(indices)), playlist)
    drawn, _ = draw(MIXED, playlist, rest, seed, kin=kin)
    hearing = Hearing(
        recipe=DEFAULT,
        fingerprint="of the rotation",
        tracks=tuple(here.tracks[i] for i in indices),
        features=tuple(here.features["default"][i] for i in indices),
    )
    (trial,) = run_experiment(MIXED, {"default": hearing}, [drawn]).trials
    return np.array([[len(trial.scores["hidden"]), trial.n_above_median]], np.float64)


def _label(here: Ground, i: int, tastes: Tastes) -> str:
    clip = here.clips[i]
    return clip.artist if tastes.endswith("artists") else clip.genre
