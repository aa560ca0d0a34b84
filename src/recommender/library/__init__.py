"""The catalogue: which recordings there are, under which names, and their features.

A recording is known by the content of its audio packets, so files may be moved, copied and
retagged without being analysed again. All paths are absolute; they are stored as bytes and come
back unchanged even when they are no valid text.
"""

from recommender.library.catalogue import Library, is_gone
from recommender.library.database import home
from recommender.library.records import (
    WHOLE,
    Counts,
    Failure,
    File,
    FileState,
    Pruned,
    Section,
    Track,
)

__all__ = [
    "WHOLE",
    "Counts",
    "Failure",
    "File",
    "FileState",
    "Library",
    "Pruned",
    "Section",
    "Track",
    "home",
    "is_gone",
]
