"""The catalogue: which recordings there are, under which names, and their features.

A recording is known by the content of its audio packets, so files may be moved, copied and
retagged without being analysed again. All paths are absolute; they are stored as bytes and come
back unchanged even when they are no valid text.
"""

from recommender.library.catalogue import Library
from recommender.library.coding import Coded, decode, encode
from recommender.library.database import home
from recommender.library.presence import is_away, is_gone
from recommender.library.queries import track_of
from recommender.library.records import (
    WHOLE,
    Block,
    Brief,
    Counts,
    Failure,
    File,
    FileState,
    Pruned,
    Root,
    Row,
    Section,
    Track,
)

__all__ = [
    "WHOLE",
    "Block",
    "Brief",
    "Coded",
    "Counts",
    "Failure",
    "File",
    "FileState",
    "Library",
    "Pruned",
    "Root",
    "Row",
    "Section",
    "Track",
    "decode",
    "encode",
    "home",
    "is_away",
    "is_gone",
    "track_of",
]
