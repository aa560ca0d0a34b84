"""Are probabilities as frequent as they say? Factors are fitted on other folds."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from recommender import profile as profiles
from recommender.evaluation import User, brier_skill, expected_calibration_error
from recommender.parameters import DEFAULT, NearnessParams
from recommending.ground import Floats, Ground
from recommending.methods import log_odds

FACTORS = ("slope", "slope_by_coherence", "offset_by_coherence")


@dataclass(frozen=True, kw_only=True)
class Read:
    """What the default recipe makes of a user's candidates, before it is read as a probability.

    Attributes
    ----------
    fold, n_liked : int
    whole : bool
        Whether all that the user likes is known.
    coherence : float
    z : ndarray, shape (n_candidates,)
        Mean nearness over the fragments, in deviations of other music's.
    relevant : ndarray of bool, shape (n_candidates,)
    """

    fold: int
    n_liked: int
    whole: bool
    coherence: float
    z: Floats
    relevant: NDArray[np.bool_]

    @property
    def terms(self) -> Floats:
        """What the factors are multiplied with, shape ``(n_candidates, 3)``."""
        c = np.full_like(self.z, self.coherence)
        return np.stack([self.z, c * self.z, -(c**2)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How probabilities fare; the prior is the share of the relevant."""

    prior: float
    error: float
    skill: float


def read(ground: Ground, user: User) -> Read:
    """Undo the reading of a profile's scores."""
    learner = DEFAULT.learner
    assert isinstance(learner, NearnessParams)
    plain = dataclasses.replace(learner, slope=1.0, slope_by_coherence=0.0, offset_by_coherence=0.0)
    found = profiles.train(
        "user",
        dataclasses.replace(DEFAULT, learner=plain),
        "of the rotation",
        ground.named(user.liked, "default"),
        ground.named(ground.rotation.negatives, "default"),
    )
    x = ground.features["default"]
    p = [found.track_score(x[i], ground.tracks[i].content_hash) for i in user.candidates]
    return Read(
        fold=user.fold,
        n_liked=len(user.liked),
        whole=True,
        coherence=float(found.tensors["reading"][2]),
        z=log_odds(np.array(p)),
        relevant=user.relevant,
    )


def fit(reads: Sequence[Read]) -> Floats:
    """Factors with the greatest likelihood, if the prior is the share of the relevant."""
    x = np.concatenate([one.terms for one in reads])
    y = np.concatenate([one.relevant for one in reads]).astype(np.float64)
    prior = np.log(y.mean() / (1 - y.mean()))

    def loss(factors: Floats) -> tuple[float, Floats]:
        logits = x @ factors + prior
        p = 1 / (1 + np.exp(-logits))
        return float(np.mean(np.logaddexp(0, logits) - y * logits)), x.T @ (p - y) / len(y)

    start = np.array([0.3, 0.6, 0.4])
    return np.asarray(scipy.optimize.minimize(loss, start, jac=True, method="BFGS").x)


def judge(reads: Sequence[Read], factors: Sequence[Floats]) -> Calibration:
    """Judge probabilities of users, each by factors of their own."""
    y = np.concatenate([one.relevant for one in reads])
    prior = float(y.mean())
    logits = [one.terms @ each for one, each in zip(reads, factors, strict=True)]
    p = 1 / (1 + np.exp(-np.concatenate(logits) - np.log(prior / (1 - prior))))
    return as_they_are(p, y)


def as_they_are(p: Floats, relevant: NDArray[np.bool_]) -> Calibration:
    """Judge probabilities that are not adapted to the prior."""
    return Calibration(
        prior=float(relevant.mean()),
        error=expected_calibration_error(p, relevant),
        skill=brier_skill(p, relevant),
    )


def across_folds(reads: Sequence[Read]) -> dict[int, Floats]:
    """Factors for each fold, fitted on the others."""
    folds = sorted({one.fold for one in reads})
    return {fold: fit([one for one in reads if one.fold != fold]) for fold in folds}
