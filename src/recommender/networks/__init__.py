"""The networks, as torch modules: those that tell genres apart, and the one of a listener."""

from recommender.networks.base import GenreClassifier
from recommender.networks.dense import FeedForward, PatchDense
from recommender.networks.fusion import FusionNetwork
from recommender.networks.images import Cnn2d, SmallCnn2d
from recommender.networks.listener import ListenerNetwork
from recommender.networks.patches import PatchCnn, PatchLstm
from recommender.networks.sequences import Cnn1d, ConvLstm, Crnn, Parallel, StackedLstm
from recommender.networks.thesis import GenreNetwork

__all__ = [
    "Cnn1d",
    "Cnn2d",
    "ConvLstm",
    "Crnn",
    "FeedForward",
    "FusionNetwork",
    "GenreClassifier",
    "GenreNetwork",
    "ListenerNetwork",
    "Parallel",
    "PatchCnn",
    "PatchDense",
    "PatchLstm",
    "SmallCnn2d",
    "StackedLstm",
]
