"""The two experiments of the thesis, on anybody's music, with several recipes side by side.

*Close-sounding*: tracks of one playlist are liked; some more of it, hidden, and other tracks are
scored. *Mixed*: the same with a playlist of many kinds of music, and long training. What is liked
scores highest, on average, and is called the maximum; a track is within x % of it if its score is
at least 1 - x/100 of it.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.evaluation.draws import ROLES, Counts, Draw, Role
from recommender.evaluation.hearing import Floats, Hearing
from recommender.profile import ProfileEpoch


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one recipe made of one draw.

    Attributes
    ----------
    recipe : str
    draw : Draw
    scores : dict of str to ndarray of float
        Of all its tracks, in its order.
    """

    recipe: str
    draw: Draw
    scores: Mapping[Role, Floats]

    @property
    def maximum(self) -> float:
        """Mean score of the liked tracks, from which the profile has learned."""
        return float(self.scores["liked"].mean())

    @property
    def median(self) -> float:
        """Median score of the other music."""
        return float(np.median(self.scores["other"]))

    @property
    def n_above_median(self) -> int:
        """How many hidden tracks score above the median of the other music."""
        return int((self.scores["hidden"] > self.median).sum())

    @property
    def n_above_all_median(self) -> int:
        """How many do if tracks of the liked genres count as other music too."""
        everything = np.concatenate([self.scores["other"], self.scores["kin"]])
        return int((self.scores["hidden"] > np.median(everything)).sum())

    def within(self, percent: float, role: Role) -> int:
        """How many tracks score at least ``1 - percent / 100`` of the maximum."""
        return int((self.scores[role] >= (1 - percent / 100) * self.maximum).sum())


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """All runs: for each draw one trial of each recipe."""

    counts: Counts
    trials: tuple[Trial, ...]

    @property
    def recipes(self) -> tuple[str, ...]:
        """In the order in which they were given."""
        return tuple(dict.fromkeys(trial.recipe for trial in self.trials))

    def of(self, recipe: str) -> tuple[Trial, ...]:
        """Trials of one recipe, one a seed."""
        return tuple(trial for trial in self.trials if trial.recipe == recipe)

    def within_shares(self, recipe: str, percents: Sequence[float], role: Role) -> Floats:
        """Share of a role's tracks that are within each percentage of the maximum.

        Returns
        -------
        ndarray, shape (n_percents,)
            Means over the draws.
        """
        rows = [
            [trial.within(percent, role) / len(trial.scores[role]) for percent in percents]
            for trial in self.of(recipe)
        ]
        return np.asarray(np.mean(rows, axis=0))


def run_experiment(
    counts: Counts,
    hearings: Mapping[str, Hearing],
    draws: Sequence[Draw],
    *,
    on_epoch: Callable[[int, int, str, ProfileEpoch | None], None] | None = None,
) -> Experiment:
    """Learn and score, for each draw with each recipe.

    Parameters
    ----------
    counts : Counts
    hearings : mapping of str to Hearing
        The same tracks in the same order, as each recipe hears them.
    draws : sequence of Draw
    on_epoch : callable, optional
        Takes how many trials are done, of how many, the recipe that learns, and its epoch;
        ``None`` when it begins.
    """
    heard = {name: _with_epochs(hearing, counts) for name, hearing in hearings.items()}
    trials: list[Trial] = []

    def report(name: str, epoch: ProfileEpoch | None) -> None:
        if on_epoch is not None:
            on_epoch(len(trials), len(draws) * len(heard), name, epoch)

    for drawn in draws:
        for name, hearing in heard.items():
            on_this = functools.partial(report, name)
            on_this(None)
            trials.append(_trial(name, hearing, drawn, counts.fragments, on_this))
    return Experiment(counts=counts, trials=tuple(trials))


def _trial(
    name: str,
    hearing: Hearing,
    drawn: Draw,
    n_fragments: int | None,
    on_epoch: Callable[[ProfileEpoch], None],
) -> Trial:
    learning = hearing if n_fragments is None else _thinned(hearing, drawn, n_fragments)
    profile = learning.learn(
        drawn.tracks["liked"], drawn.tracks["negative"], seed=drawn.seed, on_epoch=on_epoch
    )
    scores = {role: hearing.scores(profile, drawn.tracks[role]) for role in ROLES}
    return Trial(recipe=name, draw=drawn, scores=scores)


def _thinned(hearing: Hearing, drawn: Draw, n_fragments: int) -> Hearing:
    """Leave a few fragments of each liked track, drawn at random."""
    rng = np.random.default_rng([drawn.seed, n_fragments])
    features = list(hearing.features)
    for i in drawn.tracks["liked"]:
        n = len(features[i])
        features[i] = features[i][np.sort(rng.permutation(n)[:n_fragments])]
    return dataclasses.replace(hearing, features=tuple(features))


def _with_epochs(hearing: Hearing, counts: Counts) -> Hearing:
    if hearing.recipe.name != "thesis":
        return hearing
    return dataclasses.replace(hearing, recipe=hearing.recipe.with_epochs(counts.thesis_epochs))
