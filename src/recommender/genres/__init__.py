"""Genres: labelled music, the written systems that tell genres apart, how well each does it."""

from recommender.genres.metrics import Scores, confusion, scores
from recommender.genres.model import GenreModel, cut, load, save
from recommender.genres.sources import Collection, LabelledTrack, read
from recommender.genres.splits import Split, folds, split, split_pieces
from recommender.genres.systems import SYSTEMS, System

__all__ = [
    "SYSTEMS",
    "Collection",
    "GenreModel",
    "LabelledTrack",
    "Scores",
    "Split",
    "System",
    "confusion",
    "cut",
    "folds",
    "load",
    "read",
    "save",
    "scores",
    "split",
    "split_pieces",
]
