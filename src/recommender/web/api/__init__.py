"""The API, version 1."""

from fastapi import APIRouter

from recommender.web.api import (
    evaluations,
    genres,
    jobs,
    library,
    playlists,
    profiles,
    rankings,
    tracks,
)

router = APIRouter()
for part in (library, jobs, tracks, playlists, profiles, rankings, genres, evaluations):
    router.include_router(part.router, prefix="/api/v1")
router.include_router(genres.root)
