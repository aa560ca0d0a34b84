"""Playlists: what the library holds of one that is uploaded."""

from fastapi import APIRouter, Request

from recommender.web import playlists, schemas
from recommender.web.common import library_of

router = APIRouter(tags=["profiles"], prefix="/playlists")


@router.post("")
def look(request: Request, file: playlists.Upload) -> schemas.PlaylistTracks:
    """Find the tracks of a playlist, to make a profile of them; nothing is kept.

    It may come from another machine: a file counts as found if its name, and the folders that it
    lies in as far as the playlist tells them, agree with no other file of the library better.
    """
    with library_of(request) as library:
        found = playlists.find(library, file)
    return schemas.PlaylistTracks(
        title=found.title,
        tracks=[track.id for track in found.liked],
        n_unknown=len(found.unknown),
        unknown=found.unknown[: playlists.N_TOLD],
        notes=found.notes,
    )
