"""Every parameter of the project, its default and its meaning; named recipes; fingerprints."""

from recommender.parameters.naming import fingerprint
from recommender.parameters.networks import (
    ConvolutionParams,
    FusionParams,
    NetworkParams,
    Scaling,
    TrainingParams,
)
from recommender.parameters.recipes import (
    DEFAULT,
    NETWORK,
    RECIPES,
    SHIPPED,
    SPECTROGRAMS,
    THESIS,
    DenseParams,
    Learner,
    NearnessParams,
    Recipe,
)
from recommender.parameters.spectrogram import SpectrogramParams

__all__ = [
    "DEFAULT",
    "NETWORK",
    "RECIPES",
    "SHIPPED",
    "SPECTROGRAMS",
    "THESIS",
    "ConvolutionParams",
    "DenseParams",
    "FusionParams",
    "Learner",
    "NearnessParams",
    "NetworkParams",
    "Recipe",
    "Scaling",
    "SpectrogramParams",
    "TrainingParams",
    "fingerprint",
]
