"""How good recommendations are: of users drawn from labelled clips, and of one's own playlists.

Metrics, intervals, and the experiments of the thesis on any music.
"""

from recommender.evaluation.clips import Clip, Rotation, read_clips, rotation
from recommender.evaluation.draws import CLOSE, MIXED, Counts, Draw, Role, draw, draw_mixed
from recommender.evaluation.experiments import Experiment, run_experiment
from recommender.evaluation.hearing import Hearing, at_most, hear
from recommender.evaluation.lists import coverage, diversity, k_occurrence_skew, nearest
from recommender.evaluation.metrics import (
    auc,
    average_precision,
    brier_skill,
    expected_calibration_error,
    ndcg,
    recall,
)
from recommender.evaluation.playlists import METHODS, Evaluation, evaluate_playlists
from recommender.evaluation.protocol import KINDS, User, unheard, users
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
from recommender.evaluation.summaries import summary

__all__ = [
    "CLOSE",
    "KINDS",
    "METHODS",
    "METRICS",
    "MIXED",
    "Clip",
    "Counts",
    "Draw",
    "Evaluation",
    "Experiment",
    "Hearing",
    "Interval",
    "Results",
    "Role",
    "Rotation",
    "Scorer",
    "User",
    "at_most",
    "auc",
    "average_precision",
    "bootstrap",
    "brier_skill",
    "cosine",
    "coverage",
    "diversity",
    "draw",
    "draw_mixed",
    "evaluate",
    "evaluate_playlists",
    "expected_calibration_error",
    "hear",
    "k_occurrence_skew",
    "ndcg",
    "nearest",
    "paired",
    "read_clips",
    "recall",
    "rotation",
    "run_experiment",
    "summary",
    "unheard",
    "users",
]
