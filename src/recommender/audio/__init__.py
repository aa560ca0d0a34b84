"""Sound from files: which files are music, what they say of themselves, and their samples."""

from recommender.audio.decoding import (
    Decoder,
    blocks,
    check_decoder,
    check_readable,
    content_hash,
    windows,
)
from recommender.audio.finding import (
    PLAYLIST_SUFFIXES,
    SUFFIXES,
    Image,
    find_audio,
    find_audio_and_sheets,
    find_images,
    sheet_music,
)
from recommender.audio.program import ffmpeg_exe
from recommender.audio.tags import Tags, read_tags

__all__ = [
    "PLAYLIST_SUFFIXES",
    "SUFFIXES",
    "Decoder",
    "Image",
    "Tags",
    "blocks",
    "check_decoder",
    "check_readable",
    "content_hash",
    "ffmpeg_exe",
    "find_audio",
    "find_audio_and_sheets",
    "find_images",
    "read_tags",
    "sheet_music",
    "windows",
]
