"""The pages: rendered here from what the API answers; scripts only add to them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from recommender import profile as profiles
from recommender.errors import RecommenderError
from recommender.web import choices, schemas
from recommender.web.api import genres as genre_api
from recommender.web.api import library as library_api
from recommender.web.api import profiles as profile_api
from recommender.web.api import rankings as ranking_api
from recommender.web.api import tracks as track_api
from recommender.web.api.library import Offset
from recommender.web.api.tracks import TrackId
from recommender.web.common import jobs_of, library_of, settings_of
from recommender.web.problems import Problem
from recommender.web.rankings import Options
from recommender.web.rendering import PageRoute, newest_profile, part, render
from recommender.web.schemas import Job
from recommender.web.texts import shown

N_ROWS = 50
"""Tracks on a page."""

_N_KNOWN = 200  # tracks of a profile that its page shows
_UNFINISHED = ("queued", "running", "failed", "interrupted")

Name = Annotated[str, Query(max_length=80)]

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/")
def start(request: Request) -> Response:
    """Lead to the ranking, or, as long as there is none, to the library."""
    name = newest_profile(request)
    return RedirectResponse(f"/ranking/{quote(name, safe='')}" if name else "/library", 303)


@router.get("/ranking/{name}")
def ranking(
    request: Request,
    name: str,
    options: Annotated[Options, Depends(ranking_api.options)],
    blend: ranking_api.Blended = None,
    offset: Offset = 0,
) -> Response:
    """Show a ranking."""
    found = ranking_api.ranking(request, name, options, blend, offset=offset, limit=N_ROWS)
    filters = [(key, value) for key, value in request.query_params.multi_items() if key != "offset"]
    return render(
        request,
        "ranking.html",
        current_profile=name,
        name=name,
        ranking=found,
        options=options,
        blend=[text.partition(":")[0] for text in blend or ()],
        filtered=bool(filters),
        chosen=bool({"top", "share", "min_score"} & {key for key, _ in filters}),
        filters=f"?{urlencode(filters)}" if filters else "",
        address=_address(f"/ranking/{quote(name, safe='')}", filters),
        limit=N_ROWS,
        profiles=profiles.names(settings_of(request).home),
    )


@router.get("/library")
def library(
    request: Request,
    q: Annotated[str, Query(max_length=200)] = "",
    offset: Offset = 0,
    failed: Offset = 0,
) -> Response:
    """Show what the library holds."""
    return render(
        request,
        "library.html",
        status=library_api.library_status(request),
        failures=library_api.failures(request, offset=failed, limit=N_ROWS),
        tracks=track_api.tracks(request, q=q, folder=None, offset=offset, limit=N_ROWS),
        home=str(Path.home()),
        jobs=_jobs(request, "scan"),
        q=q,
        limit=N_ROWS,
        tracks_address=_address("/library", [("q", q)] if q else []),
        failures_address=lambda offset: _address("/library", [])(failed=offset),
    )


@router.get("/profiles")
def profile_list(request: Request) -> Response:
    """Show all profiles, and make others."""
    folders, n_more = choices.folders(request)
    return render(
        request,
        "profiles.html",
        profiles=profile_api.all_profiles(request),
        tops=library_api.folders(request, under=None),
        folders=folders,
        n_more=n_more,
        jobs=_jobs(request, "profile"),
    )


@router.get("/profiles/folders")
def folder_list(
    request: Request,
    under: Annotated[schemas.FilePath | None, Query()] = None,
    find: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Show folders to choose from; a part of a page."""
    found, n_more = choices.folders(request, under, find)
    return part("folders.html", folders=found, n_more=n_more)


@router.get("/profiles/picks")
def pick_list(request: Request, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show tracks to choose from; a part of a page."""
    found = track_api.tracks(request, q=q, folder=None, offset=0, limit=8) if q else None
    return part("picks.html", tracks=found)


@router.get("/profiles/{name}")
def profile(request: Request, name: str) -> Response:
    """Show a profile."""
    return render(
        request,
        "profile.html",
        current_profile=name,
        profile=profile_api.show(request, name),
        limit=_N_KNOWN,
    )


@router.get("/profiles/{name}/quality")
def quality(request: Request, name: str) -> Response:
    """Show how good a profile is; a part of a page."""
    try:
        return part("quality.html", quality=profile_api.quality(request, name))
    except RecommenderError as error:
        return part("said.html", text=shown(error))


@router.get("/tracks/{track_id}")
def track(request: Request, track_id: TrackId, profile: Name = "") -> Response:
    """Show a track."""
    found = track_api.track(request, track_id)
    name = profile or newest_profile(request) or ""
    return render(
        request,
        "track.html",
        current_profile=name,
        track=found,
        profile=name,
        opinion=choices.opinion(request, name, found.content_hash) if name else "",
        has_models=bool(genre_api.genres(request).models),
    )


@router.get("/tracks/{track_id}/why")
def why(request: Request, track_id: TrackId, profile: Name) -> Response:
    """Explain a score; a part of a page."""
    try:
        found = track_api.explanation(request, track_id, profile)
    except (Problem, RecommenderError) as error:
        return part("said.html", text=shown(error), id="why")
    with library_of(request) as opened:
        begin_s = opened.files(track_id)[0].start_s or 0.0
        pairs = choices.pairs(opened, found, begin_s)
    scores = [fragment.score for fragment in found.fragments]
    return part(
        "why.html",
        e=found,
        pairs=pairs,
        has_models=bool(genre_api.genres(request).models),
        lowest=min(scores),
        highest=max(scores),
        fragments=[
            {
                "start_s": round(f.start_s - begin_s, 3),
                "end_s": round(f.end_s - begin_s, 3),
                "score": round(f.score, 4),
            }
            for f in found.fragments
        ],
    )


@router.get("/genre")
def genre(request: Request) -> Response:
    """Show what genres a file has that somebody chooses."""
    kept = settings_of(request).home / "genres/mine.safetensors"
    return render(
        request,
        "genre.html",
        genres=genre_api.genres(request),
        n_tracks=library_api.library_status(request).n_analysed,
        command=f"recommender genre train FOLDER -o {shown(kept)}",
        jobs=_jobs(request, "genres"),
    )


@router.get("/map")
def library_map(request: Request, profile: Name = "") -> Response:
    """Show the library in two dimensions."""
    name = profile or newest_profile(request) or ""
    return render(
        request,
        "map.html",
        current_profile=name,
        profile=name,
        n_tracks=library_api.library_status(request).n_analysed,
    )


@router.get("/login")
def login(failed: bool = False, next: Annotated[str, Query(max_length=2000)] = "/") -> Response:
    """Ask for the token; tells nothing of what lies behind."""
    return part("login.html", failed=failed, next=next)


def _jobs(request: Request, kind: str) -> list[Job]:
    """What is under way, and the last one if it did not come to its end."""
    found = [job for job in jobs_of(request).all() if job.kind == kind]
    return [
        job
        for i, job in enumerate(found)
        if job.state in _UNFINISHED[:2] or (i == 0 and job.state in _UNFINISHED)
    ]


def _address(path: str, query: list[tuple[str, str]]) -> Callable[..., str]:
    def address(**more: object) -> str:
        return f"{path}?{urlencode([*query, *more.items()])}"

    return address
