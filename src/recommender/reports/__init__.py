"""Pages about genre systems: one HTML file each that needs nothing else, not even a network."""

from recommender.reports.prediction import Prediction, write_prediction
from recommender.reports.run import write_run

__all__ = ["Prediction", "write_prediction", "write_run"]
