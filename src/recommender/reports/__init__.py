"""Pages: one HTML file each that needs nothing else, not even a network."""

from recommender.reports.evaluation import metric_name, write_evaluation
from recommender.reports.experiment import experiment_figure, write_experiment
from recommender.reports.explanation import write_explanation
from recommender.reports.prediction import Prediction, write_prediction
from recommender.reports.run import write_run

__all__ = [
    "Prediction",
    "experiment_figure",
    "metric_name",
    "write_evaluation",
    "write_experiment",
    "write_explanation",
    "write_prediction",
    "write_run",
]
