"""The application: everything mounted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path

from fastapi import FastAPI

from recommender.web import audio, pages, problems, rendering, security, spectrograms
from recommender.web.api import router
from recommender.web.jobs import Jobs
from recommender.web.rankings import Rankings
from recommender.web.settings import Settings

DESCRIPTION = """Everything that the pages do: look after the library, make profiles, rank, explain.

Tracks are named by the numbers that the library gives them. Times are in seconds, scores in 0 to 1.
Errors are answered as `application/problem+json` (RFC 9457)."""

TAGS = [
    {"name": "library", "description": "Which music there is; scans."},
    {"name": "jobs", "description": "What takes long: one at a time, in the background."},
    {"name": "tracks", "description": "Recordings: what is known of them, and their sound."},
    {"name": "profiles", "description": "What people like."},
    {"name": "rankings", "description": "Tracks by how well they fit a profile."},
    {"name": "genres", "description": "Which genres music has, by systems that were trained."},
    {"name": "evaluations", "description": "How good recommendations are."},
]


def create_app(settings: Settings | Path) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    settings : Settings or Path
        A path is the home folder; the rest is by default.
    """
    if isinstance(settings, Path):
        settings = Settings(home=settings)
    jobs = Jobs(settings.home)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with jobs:
            yield

    app = FastAPI(
        title="Recommender",
        version=metadata.version("recommender"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page is made of scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses=problems.RESPONSES,
    )
    app.state.settings = settings
    app.state.jobs = jobs
    app.state.rankings = Rankings(settings)
    problems.install(app)
    app.include_router(audio.router, prefix="/api/v1")
    app.include_router(spectrograms.router, prefix="/api/v1")
    app.include_router(router)
    app.include_router(security.router)
    app.include_router(pages.router)
    rendering.mount_static(app)
    security.protect(app, settings)
    problems.describe(app)
    return app
