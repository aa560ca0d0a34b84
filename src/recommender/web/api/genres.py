"""Genres: of uploaded files and of tracks, by systems that were trained."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, UploadFile

from recommender.audio import SUFFIXES
from recommender.errors import AudioDecodeError
from recommender.web import predicting, schemas
from recommender.web.api.tracks import TrackId, held
from recommender.web.common import (
    files_of,
    fingerprint_of,
    jobs_of,
    library_of,
    settings_of,
)
from recommender.web.problems import Problem
from recommender.web.texts import path_of

router = APIRouter(tags=["genres"])
root = APIRouter(tags=["genres"])

ModelName = Annotated[str | None, Query(max_length=80)]


@router.get("/genres")
def genres(request: Request) -> schemas.Genres:
    """List the trained systems that can tell genres."""
    return schemas.Genres(models=predicting.models(settings_of(request).home))


@router.post("/genres", status_code=202)
def train(request: Request, wanted: schemas.GenreTraining) -> schemas.Job:
    """Train a system, on the genre tags of the library or on a folder of genres; a job."""
    if predicting.path_of(settings_of(request).home, wanted.name).exists():
        raise Problem(409, f"there is a system {wanted.name!r} already; choose another name")
    if wanted.folder is not None and not path_of(wanted.folder).is_dir():
        raise Problem(422, f"{wanted.folder}: there is no such folder")
    return jobs_of(request).submit("genres", wanted.model_dump())


@root.post("/predict", include_in_schema=False)
@router.post("/predict")
def predict(
    request: Request,
    file: Annotated[UploadFile, File(description="Music.")],
    model: Annotated[str | None, Form(max_length=80)] = None,
) -> schemas.Prediction:
    """Tell the genres of an uploaded file, as a whole and over time; the file is deleted."""
    home = settings_of(request).home
    with tempfile.TemporaryDirectory(prefix="upload-") as folder:
        # The suffix helps to tell formats apart; nothing else of the name is used.
        suffix = Path(file.filename or "").suffix.lower()
        path = Path(folder) / f"upload{suffix if suffix in SUFFIXES else ''}"
        with open(path, "wb") as copy:
            shutil.copyfileobj(file.file, copy)
        try:
            return predicting.of_file(home, path, model)
        except AudioDecodeError as error:
            raise Problem(422, str(error).removeprefix(f"{path}: ")) from None


@router.get("/tracks/{track_id}/genres")
def track_genres(
    request: Request, track_id: TrackId, model: ModelName = None
) -> schemas.Prediction:
    """Tell the genres of a track, as a whole and over time."""
    with library_of(request) as library:
        files_of(library, track_id)
        if (track := held(library, fingerprint_of(), track_id)) is None:
            raise Problem(409, "the track was not analysed; scan its folder")
        return predicting.of_track(settings_of(request).home, library, track, model)
