"""Labelled music: GTZAN, the Free Music Archive's dataset, genre folders, tables of files."""

from recommender.genres.sources.collection import Collection, LabelledTrack, Part
from recommender.genres.sources.fma import Subset
from recommender.genres.sources.reading import MAX_GENRES, Kind, read

__all__ = ["MAX_GENRES", "Collection", "Kind", "LabelledTrack", "Part", "Subset", "read"]
