"""Sound from files: which files are music, what they say of themselves, and their samples."""

from recommender.audio.decoding import blocks, check_readable, content_hash, ffmpeg_exe
from recommender.audio.finding import PLAYLIST_SUFFIXES, SUFFIXES, find_audio
from recommender.audio.tags import Tags, read_tags

__all__ = [
    "PLAYLIST_SUFFIXES",
    "SUFFIXES",
    "Tags",
    "blocks",
    "check_readable",
    "content_hash",
    "ffmpeg_exe",
    "find_audio",
    "read_tags",
]
