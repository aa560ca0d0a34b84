"""Profiles: made, shown, judged, corrected."""

import threading
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, Response

from recommender import profile as profiles
from recommender.web import making, playlists, schemas
from recommender.web.api.rankings import download
from recommender.web.common import (
    jobs_of,
    library_of,
    loaded,
    open_profile,
    profile_path,
    settings_of,
)
from recommender.web.problems import Problem
from recommender.web.texts import path_of

router = APIRouter(tags=["profiles"], prefix="/profiles")

_changing = threading.Lock()
"""Of profiles: what is liked in quick succession is learned one after the other."""


@router.get("")
def all_profiles(request: Request) -> list[schemas.ProfileSummary]:
    """List the profiles."""
    home = settings_of(request).home
    found = []
    for name in profiles.names(home):
        try:
            found.append(making.summary(name, loaded(profiles.path_of(name, home))))
        except Problem as problem:
            found.append(
                schemas.ProfileSummary(
                    name=name,
                    created_at=None,
                    recipe=None,
                    n_liked=0,
                    n_disliked=0,
                    error=problem.detail,
                )
            )
    return found


@router.post(
    "",
    status_code=201,
    response_model=schemas.ProfileSummary,
    responses={202: {"model": schemas.Job, "description": "Some files are new: a job."}},
)
def create(request: Request, wanted: schemas.ProfileRequest) -> Response:
    """Make a profile from folders and tracks; files that are new are analysed first, as a job."""
    home = settings_of(request).home
    if wanted.name in profiles.names(home):
        raise Problem(409, f"there is a profile {wanted.name!r} already; delete it first")
    if not wanted.folders and not wanted.tracks:
        raise Problem(422, "name folders or tracks that are liked")
    for text in wanted.folders:
        if not path_of(text).exists():
            raise Problem(422, f"{text}: there is no such folder or file")
    with library_of(request) as library:
        if making.is_new(library, wanted):
            job = jobs_of(request).submit("profile", wanted.model_dump())
            return JSONResponse(job.model_dump(mode="json"), 202)
        with _changing:
            profile = making.make(library, home, wanted)
    answer = making.summary(wanted.name, profile)
    return JSONResponse(answer.model_dump(mode="json"), 201)


@router.post("/upload", status_code=201)
def upload(
    request: Request,
    name: Annotated[schemas.ProfileName, Form()],
    file: playlists.Upload,
) -> schemas.UploadedProfile:
    """Make a profile from a playlist, as far as the library knows its tracks."""
    home = settings_of(request).home
    if name in profiles.names(home):
        raise Problem(409, f"there is a profile {name!r} already; delete it first")
    with library_of(request) as library:
        found = playlists.find(library, file)
        profile = making.make_from(library, home, name, found.liked)
    return schemas.UploadedProfile(
        **making.summary(name, profile).model_dump(),
        n_unknown=len(found.unknown),
        unknown=found.unknown[: playlists.N_TOLD],
    )


@router.get("/{name}")
def show(request: Request, name: str) -> schemas.ProfileDetails:
    """Show what a profile is made of."""
    path, profile = open_profile(request, name)
    with library_of(request) as library:
        return making.details(library, path, profile)


@router.delete("/{name}", status_code=204)
def delete(request: Request, name: str) -> Response:
    """Delete a profile, its earlier versions too; the music and its analysis stay."""
    with _changing:
        profiles.delete(profile_path(request, name))
    return Response(status_code=204)


@router.post("/{name}/feedback")
def feedback(request: Request, name: str, given: schemas.Feedback) -> schemas.FeedbackAnswer:
    """Like and dislike tracks, or forget opinions; the profile learns again at once."""
    with _changing, library_of(request) as library:
        path, profile = open_profile(request, name)
        return making.give(library, path, profile, given)


@router.post("/{name}/undo")
def undo(request: Request, name: str) -> schemas.ProfileSummary:
    """Take the last change of a profile back."""
    with _changing:
        path = profile_path(request, name)
        if not profiles.earlier(path):
            raise Problem(409, f"there is no earlier version of {name!r} to go back to")
        return making.summary(name, profiles.undo(path))


@router.get(
    "/{name}/export",
    response_class=Response,
    responses={
        200: {
            "description": "The profile's file.",
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        }
    },
)
def export(request: Request, name: str) -> Response:
    """Return a profile as a file, which belongs into the folder ``profiles`` of another home."""
    path, _ = open_profile(request, name)
    return download(path.read_bytes(), "application/octet-stream", path.name)


@router.get("/{name}/quality")
def quality(request: Request, name: str) -> schemas.Quality:
    """Hide the liked tracks in turn, and see whether the profile would find them; takes seconds."""
    _, profile = open_profile(request, name)
    with library_of(request) as library:
        return making.quality(library, profile)
