"""The profile of one person: a small dense network, trained on a playlist, and what it came from.

A score is a probability: how likely it is that a fragment belongs to the playlist, if the playlist
and the rest of the music were equally frequent. 0.5 says nothing, towards 1 is liked.
"""

from recommender.profile.building import (
    MIN_OTHER_TRACKS,
    build,
    find_liked,
    rebuild,
    should_relearn,
    tracks_of,
)
from recommender.profile.model import Features, Profile, ProfileEpoch, TrackRef, part_of
from recommender.profile.network import train
from recommender.profile.storage import check_name, load, names, path_of, save

__all__ = [
    "MIN_OTHER_TRACKS",
    "Features",
    "Profile",
    "ProfileEpoch",
    "TrackRef",
    "build",
    "check_name",
    "find_liked",
    "load",
    "names",
    "part_of",
    "path_of",
    "rebuild",
    "save",
    "should_relearn",
    "tracks_of",
    "train",
]
