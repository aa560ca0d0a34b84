"""The profile of one person: what was learned from a playlist, and what it came from.

By recipe it is nearness to what is liked against nearness to other music, or a small dense network.

A score is a probability: how likely it is that a fragment belongs to the playlist, if the playlist
and the rest of the music were equally frequent. 0.5 says nothing, towards 1 is liked.
"""

from recommender.profile.building import MIN_OTHER_TRACKS, build, rebuild, ref_of, should_relearn
from recommender.profile.feedback import Change, dislike, forget, like
from recommender.profile.finding import find_known, find_liked, tracks_of
from recommender.profile.judging import Judged, Judgement, judge, track_scores
from recommender.profile.learning import train
from recommender.profile.model import Profile
from recommender.profile.network import ProfileEpoch
from recommender.profile.storage import check_name, load, names, path_of, save
from recommender.profile.tracks import Features, TrackRef
from recommender.profile.versions import delete, earlier, refresh, replace, undo

__all__ = [
    "MIN_OTHER_TRACKS",
    "Change",
    "Features",
    "Judged",
    "Judgement",
    "Profile",
    "ProfileEpoch",
    "TrackRef",
    "build",
    "check_name",
    "delete",
    "dislike",
    "earlier",
    "find_known",
    "find_liked",
    "forget",
    "judge",
    "like",
    "load",
    "names",
    "path_of",
    "rebuild",
    "ref_of",
    "refresh",
    "replace",
    "save",
    "should_relearn",
    "track_scores",
    "tracks_of",
    "train",
    "undo",
]
