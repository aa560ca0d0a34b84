"""Playlists that are uploaded: what the library holds of them, wherever they were written."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from fastapi import File, UploadFile

from recommender import playlist
from recommender import profile as profiles
from recommender.errors import PlaylistError
from recommender.library import Row, Track
from recommender.playlist import Known
from recommender.web.browsing import Browser
from recommender.web.common import fingerprint_of
from recommender.web.problems import Problem
from recommender.web.texts import shown

N_TOLD: Final = 100
"""So many files that the library does not know are named."""

Upload = Annotated[UploadFile, File(description="M3U, M3U8, XSPF or PLS.")]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a playlist names.

    Attributes
    ----------
    title : str
        Its own, or else its file's name.
    liked : list of Track
        Each once, with features of the default preprocessor.
    unknown : list of str
        What the library does not hold, as the playlist names it.
    notes : list of str
        What else there is to say.
    """

    title: str
    liked: list[Track]
    unknown: list[str]
    notes: list[str]


def find(library: Browser, file: UploadFile) -> Found:
    """Look in the library for what a playlist names; 415, 413 or 422 if it is of no use."""
    name = Path(file.filename or "")
    if name.suffix.lower() not in playlist.FORMATS:
        raise Problem(415, f"not a playlist; known are {', '.join(playlist.FORMATS)}")
    content = file.file.read(playlist.MAX_BYTES + 1)
    if len(content) > playlist.MAX_BYTES:
        raise Problem(413, f"longer than {playlist.MAX_BYTES >> 20} MiB; is this a playlist?")
    fingerprint = fingerprint_of()
    known = [_known(row) for row in library.rows(fingerprint)]
    try:
        matches = playlist.match(name, content, known)
    except PlaylistError as error:
        raise Problem(422, shown(error)) from None
    if not matches.entries:
        raise Problem(
            422,
            f"the library holds none of the {len(matches.unknown)} files of the playlist; scan"
            " the folder where they lie first"
            if matches.unknown
            else "the playlist is empty",
        )
    liked, notes = profiles.tracks_of(library, fingerprint, matches.entries)
    return Found(
        title=shown(matches.title or name.stem),
        liked=liked,
        unknown=[shown(each) for each in matches.unknown],
        notes=[shown(note) for note in notes],
    )


def _known(row: Row) -> Known:
    path = Path(os.fsdecode(row.path))
    if row.start_s is row.end_s is None:
        return Known(path, row.id, row.duration_s)
    return Known(path, row.path, None)  # one of several recordings in this file
