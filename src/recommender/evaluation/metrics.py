"""Metrics of rankings and of probabilities: plain functions of arrays.

Those of a ranking take `scores` of candidates, the higher the better, and which of them are
`relevant`. Equal scores have no order: nDCG and recall are the mean over all orders of them
(McSherry and Najork, Computing information retrieval performance measures efficiently in the
presence of tied scores, 2008), so that the order of candidates never tells anything.
"""

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from recommender.errors import ParameterError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def auc(scores: ArrayLike, relevant: ArrayLike) -> float:
    """Probability that a relevant candidate is above one that is not; equal scores count half.

    Parameters
    ----------
    scores : array_like of float, shape (n,)
    relevant : array_like of bool, shape (n,)

    Returns
    -------
    float
        Area under the ROC curve, in [0, 1]; 0.5 is chance. From ranks, as Mann and Whitney do.

    Raises
    ------
    ParameterError
        If shapes differ, a score is not finite, or there is not one candidate of each sort.
    """
    s, r = _validated(scores, relevant)
    n, m = r.sum(), (~r).sum()
    if m == 0:
        raise ParameterError("all candidates are relevant: nothing to rank them above")
    above = scipy.stats.rankdata(s)[r].sum() - n * (n + 1) / 2
    return float(above / (n * m))


def average_precision(scores: ArrayLike, relevant: ArrayLike) -> float:
    """Mean, over relevant candidates, of the precision of the list that ends with each.

    Equal scores enter the list at the same time, as in scikit-learn. For parameters and errors see
    `auc`; all candidates may be relevant here. In (0, 1]; chance is the share of the relevant.
    """
    s, r = _validated(scores, relevant)
    _, group, counts = np.unique(-s, return_inverse=True, return_counts=True)
    hits = np.bincount(group, r)
    precision = hits.cumsum() / counts.cumsum()
    return float(hits @ precision / hits.sum())


def ndcg(scores: ArrayLike, relevant: ArrayLike, k: int = 10) -> float:
    """Discounted cumulative gain of the first `k`, divided by the best that is possible.

    The discount of rank i is ``1 / log2(i + 1)`` (Järvelin and Kekäläinen, Cumulated gain-based
    evaluation of IR techniques, 2002). For parameters and errors see `auc`; all candidates may be
    relevant here. In [0, 1].
    """
    s, r = _validated(scores, relevant)
    gains = _gains(s, r)[: _positive(k)]
    discounts = 1 / np.log2(np.arange(2, k + 2))
    return float(gains @ discounts[: len(gains)] / discounts[: r.sum()].sum())


def recall(scores: ArrayLike, relevant: ArrayLike, k: int = 10) -> float:
    """Share of the relevant candidates that are among the first `k`.

    For parameters and errors see `auc`; all candidates may be relevant here. In [0, 1].
    """
    s, r = _validated(scores, relevant)
    return float(_gains(s, r)[: _positive(k)].sum() / r.sum())


def expected_calibration_error(
    probabilities: ArrayLike, relevant: ArrayLike, n_bins: int = 15
) -> float:
    """How far probabilities are from frequencies.

    Parameters
    ----------
    probabilities : array_like of float, shape (n,)
        In [0, 1].
    relevant : array_like of bool, shape (n,)
    n_bins : int
        Bins of equal width.

    Returns
    -------
    float
        Mean over bins, by how many are in each, of the distance between mean probability and
        frequency (Guo et al., On calibration of modern neural networks, 2017). 0 is best, and the
        base rate given to everything reaches it: see `brier_skill` too.

    Raises
    ------
    ParameterError
        If shapes differ, or a probability is none.
    """
    p, r = _probabilities(probabilities, relevant)
    bins = np.minimum((p * _positive(n_bins)).astype(np.intp), n_bins - 1)
    gaps = np.bincount(bins, p - r)
    return float(np.abs(gaps).sum() / len(p))


def brier_skill(
    probabilities: ArrayLike, relevant: ArrayLike, base_rate: float | None = None
) -> float:
    """How much better probabilities are than the base rate given to everything.

    Parameters
    ----------
    probabilities, relevant
        See `expected_calibration_error`.
    base_rate : float, optional
        Otherwise the share of the relevant here, which is the hardest to beat.

    Returns
    -------
    float
        One minus the ratio of the mean squared errors: 1 is best, 0 no better, below it worse
        (Brier, Verification of forecasts expressed in terms of probability, 1950).

    Raises
    ------
    ParameterError
        As there; and if the base rate makes no error, so that there is nothing to compare with.
    """
    p, r = _probabilities(probabilities, relevant)
    base = r.mean() if base_rate is None else base_rate
    reference = float(np.square(base - r).mean())
    if reference == 0:
        raise ParameterError("all candidates are alike: the base rate makes no error")
    return 1 - float(np.square(p - r).mean()) / reference


def _gains(scores: Floats, relevant: Bools) -> Floats:
    """Expected relevance of each rank, over all orders of equal scores."""
    _, group, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    shares = np.bincount(group, relevant) / counts
    return np.repeat(shares, counts)


def _validated(scores: ArrayLike, relevant: ArrayLike) -> tuple[Floats, Bools]:
    s, r = np.asarray(scores, np.float64), np.asarray(relevant, np.bool_)
    if s.ndim != 1 or s.shape != r.shape:
        raise ParameterError(f"a score for each candidate is needed: {s.shape}, {r.shape}")
    if not np.all(np.isfinite(s)):
        raise ParameterError("scores must be finite")
    if not r.any():
        raise ParameterError("no candidate is relevant: nothing to look for")
    return s, r


def _probabilities(probabilities: ArrayLike, relevant: ArrayLike) -> tuple[Floats, Bools]:
    p, r = np.asarray(probabilities, np.float64), np.asarray(relevant, np.bool_)
    if p.ndim != 1 or p.shape != r.shape or not len(p):
        raise ParameterError(f"a probability for each candidate is needed: {p.shape}, {r.shape}")
    if not np.all((p >= 0) & (p <= 1)):
        raise ParameterError("probabilities must lie in [0, 1]")
    return p, r


def _positive(k: int) -> int:
    if k < 1:
        raise ParameterError(f"at least 1 is needed, not {k}")
    return k
