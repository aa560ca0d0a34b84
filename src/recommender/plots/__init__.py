"""Pictures: fragments of spectrogram, how training went, what networks learned, genre shares."""

from recommender.plots.evaluation import experiment, found_curve
from recommender.plots.explanation import score_over_time
from recommender.plots.fragments import check_suffix, save_fragments
from recommender.plots.genres import confusion, learning_curve, prediction, shares_over_time
from recommender.plots.networks import kernel_order, kernels, level_bar, piece, som_genres, som_hits
from recommender.plots.style import inline, save

__all__ = [
    "check_suffix",
    "confusion",
    "experiment",
    "found_curve",
    "inline",
    "kernel_order",
    "kernels",
    "learning_curve",
    "level_bar",
    "piece",
    "prediction",
    "save",
    "save_fragments",
    "score_over_time",
    "shares_over_time",
    "som_genres",
    "som_hits",
]
