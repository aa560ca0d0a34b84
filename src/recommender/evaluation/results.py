"""From scores of users' candidates to figures with intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ParameterError
from recommender.evaluation import metrics
from recommender.evaluation.clips import Clip, rotation
from recommender.evaluation.protocol import User

Floats = NDArray[np.float64]

Scorer = Callable[[User], NDArray[np.floating]]
"""Takes a user, gives a score for each candidate, the higher the better."""

METRICS: dict[str, Callable[[Floats, NDArray[np.bool_]], float]] = {
    "auc": metrics.auc,
    "ndcg": metrics.ndcg,
    "average_precision": metrics.average_precision,
    "recall": metrics.recall,
}
"""What is measured of each user; nDCG and recall of the first ten."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure, and where 95 % of its bootstrap replicates lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Results:
    """Figures of each user.

    Attributes
    ----------
    users : tuple of User
    values : dict of str to ndarray, shape (n_users,)
        By the names in `METRICS`.
    """

    users: tuple[User, ...]
    values: Mapping[str, Floats]

    def by_kind(self, metric: str) -> dict[str, float]:
        """Mean over the users of each kind."""
        kinds = np.array([user.kind for user in self.users])
        names = dict.fromkeys(kinds.tolist())
        return {kind: float(self.values[metric][kinds == kind].mean()) for kind in names}

    def macro(self, metric: str) -> float:
        """Mean over kinds, whatever number of users each has."""
        return float(np.mean(list(self.by_kind(metric).values())))


def evaluate(scorer: Scorer, users: Sequence[User]) -> Results:
    """Measure how well a method ranks what is hidden.

    Parameters
    ----------
    scorer : callable
        See `Scorer`.
    users : sequence of User
        Those of several seeds may be put together.
    """
    rows = []
    for user in users:
        scores, relevant = np.asarray(scorer(user), np.float64), user.relevant
        rows.append([measure(scores, relevant) for measure in METRICS.values()])
    columns = np.array(rows, np.float64).reshape(len(rows), len(METRICS)).T
    return Results(users=tuple(users), values=dict(zip(METRICS, columns, strict=True)))


def bootstrap(
    results: Results, metric: str, *, n_replicates: int = 2_000, seed: int = 0
) -> Interval:
    """Compute the mean over kinds and its 95 % interval.

    Persons are resampled within each kind; one whom several seeds drew is resampled as a whole.

    Parameters
    ----------
    results : Results
    metric : str
    n_replicates, seed : int
        Of the bootstrap.
    """
    return _interval(results.users, results.values[metric], n_replicates, seed)


def paired(
    results: Results,
    baseline: Results,
    metric: str,
    *,
    n_replicates: int = 2_000,
    seed: int = 0,
) -> Interval:
    """Compute by how much the mean over kinds is above a baseline's, user by user.

    Parameters
    ----------
    results, baseline : Results
        Of the same users in the same order.
    metric, n_replicates, seed
        See `bootstrap`.

    Raises
    ------
    ParameterError
        If the users are not the same.
    """
    mine, theirs = ([(u.person, *u.liked, *u.hidden) for u in r.users] for r in (results, baseline))
    if mine != theirs:
        raise ParameterError("differences need both methods measured on the same users")
    difference = results.values[metric] - baseline.values[metric]
    return _interval(results.users, difference, n_replicates, seed)


def cosine(
    features: NDArray[np.floating] | Mapping[int, NDArray[np.floating]],
    clips: Sequence[Clip],
    *,
    standardise: bool = True,
) -> Scorer:
    """Score by the cosine to the centroid of what is liked.

    Parameters
    ----------
    features : ndarray, shape (n_clips, d), or mapping of int to such
        One vector a clip; by fold, if those of each rotation were trained without its test fold.
    clips : sequence of Clip
    standardise : bool
        Whether to divide by the deviation of the negatives, too; their mean is always subtracted.

    Returns
    -------
    callable
        Vectors are shifted and scaled, brought to length 1, and the liked ones averaged.
    """
    known: dict[int, Floats] = {}

    def unit(fold: int) -> Floats:
        if fold not in known:
            x = np.asarray(
                features[fold] if isinstance(features, Mapping) else features, np.float64
            )
            negatives = x[rotation(clips, fold).negatives]
            x = x - negatives.mean(0)
            if standardise:
                x /= negatives.std(0) + 1e-9
            norms = np.linalg.norm(x, axis=1, keepdims=True)
            known[fold] = x / np.maximum(norms, np.finfo(np.float64).tiny)
        return known[fold]

    def score(user: User) -> Floats:
        x = unit(user.fold)
        return np.asarray(x[user.candidates] @ x[user.liked].mean(0))

    return score


def _interval(users: Sequence[User], values: Floats, n_replicates: int, seed: int) -> Interval:
    """Mean over kinds; each replicate draws as many persons of a kind as there are."""
    rng = np.random.default_rng(seed)
    kinds = np.array([user.kind for user in users])
    persons = np.array([repr(user.person) for user in users])
    means, replicates = [], []
    for kind in sorted(set(kinds.tolist())):
        chosen = np.flatnonzero(kinds == kind)
        person = np.unique(persons[chosen], return_inverse=True)[1]
        sums, counts = np.bincount(person, values[chosen]), np.bincount(person)
        n = len(sums)
        drawn = rng.multinomial(n, np.full(n, 1 / n), n_replicates)
        means.append(sums.sum() / counts.sum())
        replicates.append((drawn @ sums) / (drawn @ counts))
    low, high = np.quantile(np.mean(replicates, axis=0), [0.025, 0.975])
    return Interval(value=float(np.mean(means)), low=float(low), high=float(high))
