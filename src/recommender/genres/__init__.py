"""Genres: train the genre network, predict a file's genre, cut the preprocessor off."""

from recommender.genres.model import (
    TRAINING,
    GenreModel,
    cut,
    load,
    predict,
    save,
    track_shares,
    train,
)
from recommender.genres.tracks import (
    FragmentSet,
    LabelledTrack,
    find_tracks,
    load_fragments,
    read_manifest,
    split,
)

__all__ = [
    "TRAINING",
    "FragmentSet",
    "GenreModel",
    "LabelledTrack",
    "cut",
    "find_tracks",
    "load",
    "load_fragments",
    "predict",
    "read_manifest",
    "save",
    "split",
    "track_shares",
    "train",
]
