"""Sound from files: which files are music, what they say of themselves, and their samples."""

from recommender.audio.containers import CONTAINERS
from recommender.audio.decoding import (
    Decoder,
    blocks,
    check_decoder,
    check_readable,
    content_hash,
    windows,
)
from recommender.audio.finding import (
    MARKERS,
    PLAYLIST_SUFFIXES,
    SUFFIXES,
    Listing,
    Stamp,
    find_audio,
    is_audio_name,
    is_sheet_name,
    list_audio,
    marked_above,
)
from recommender.audio.images import Image, find_images, sheet_music
from recommender.audio.program import ffmpeg_exe
from recommender.audio.tags import Tags, read_tags

__all__ = [
    "CONTAINERS",
    "MARKERS",
    "PLAYLIST_SUFFIXES",
    "SUFFIXES",
    "Decoder",
    "Image",
    "Listing",
    "Stamp",
    "Tags",
    "blocks",
    "check_decoder",
    "check_readable",
    "content_hash",
    "ffmpeg_exe",
    "find_audio",
    "find_images",
    "is_audio_name",
    "is_sheet_name",
    "list_audio",
    "marked_above",
    "read_tags",
    "sheet_music",
    "windows",
]
