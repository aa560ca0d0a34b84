"""Playlists in and out: M3U, M3U8, XSPF and PLS."""

from recommender.playlist.matching import Known, Matches, match
from recommender.playlist.reading import FORMATS, MAX_BYTES, Entry, Format, Playlist, read
from recommender.playlist.writing import Listed, write

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "Entry",
    "Format",
    "Known",
    "Listed",
    "Matches",
    "Playlist",
    "match",
    "read",
    "write",
]
