"""Sound to features: a frozen network that was trained on genres, in NumPy."""

from recommender.preprocessor.frozen import Preprocessor
from recommender.preprocessor.storage import find, keep, load, save

__all__ = ["Preprocessor", "find", "keep", "load", "save"]
