"""How good recommendations are: users drawn from labelled clips, metrics, intervals."""

from recommender.evaluation.clips import Clip, Rotation, read_clips, rotation
from recommender.evaluation.lists import coverage, diversity, k_occurrence_skew, nearest
from recommender.evaluation.metrics import (
    auc,
    average_precision,
    brier_skill,
    expected_calibration_error,
    ndcg,
    recall,
)
from recommender.evaluation.protocol import KINDS, User, users
from recommender.evaluation.results import (
    METRICS,
    Interval,
    Results,
    Scorer,
    bootstrap,
    cosine,
    evaluate,
    paired,
)

__all__ = [
    "KINDS",
    "METRICS",
    "Clip",
    "Interval",
    "Results",
    "Rotation",
    "Scorer",
    "User",
    "auc",
    "average_precision",
    "bootstrap",
    "brier_skill",
    "cosine",
    "coverage",
    "diversity",
    "evaluate",
    "expected_calibration_error",
    "k_occurrence_skew",
    "ndcg",
    "nearest",
    "paired",
    "read_clips",
    "recall",
    "rotation",
    "users",
]
