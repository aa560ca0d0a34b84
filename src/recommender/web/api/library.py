"""The library: what it holds, scans, failures, folders, the map."""

import re
from collections import Counter
from importlib import metadata
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from recommender.library import is_away
from recommender.web import maps, schemas
from recommender.web.common import (
    fingerprint_of,
    jobs_of,
    library_of,
    open_profile,
    settings_of,
)
from recommender.web.problems import Problem
from recommender.web.texts import path_of, shown

router = APIRouter(tags=["library"])

_REASON = re.compile(r"[^,;:(]*\w")  # its first words; numbers and names come later

Offset = Annotated[int, Query(ge=0, le=10**9)]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/status")
def status(request: Request) -> schemas.Status:
    """Tell which program this is, and where its files lie."""
    return schemas.Status(
        version=metadata.version("recommender"),
        home=shown(settings_of(request).home),
        preprocessor=fingerprint_of(),
    )


@router.get("/library")
def library_status(request: Request) -> schemas.LibraryStatus:
    """Count what the library holds, and what failed, by reason."""
    with library_of(request) as library:
        counts, roots, failures = library.counts(), library.roots(), library.failures()
    reasons: Counter[str] = Counter()
    for failure in failures:
        match = _REASON.match(failure.reason)
        reasons[match[0] if match else failure.reason] += 1
    return schemas.LibraryStatus(
        n_tracks=counts.n_tracks,
        n_files=counts.n_files,
        n_missing=counts.n_missing,
        n_failures=counts.n_failures,
        n_warnings=counts.n_warnings,
        n_analysed=counts.n_analysed.get(fingerprint_of(), 0),
        n_fast=counts.n_fast.get(fingerprint_of(), 0),
        hours=counts.duration_s / 3600,
        file_bytes=counts.n_file_bytes,
        library_bytes=counts.n_bytes,
        failures_by_reason=dict(reasons.most_common()),
        roots=[
            schemas.Root(
                path=shown(root.path), scanned_at=root.scanned_at, is_away=is_away(root.path)
            )
            for root in roots
        ],
    )


@router.post("/library/scans", status_code=202)
def scan(request: Request, wanted: schemas.ScanRequest) -> schemas.Job:
    """Analyse folders or files, or all folders that were scanned before; a job."""
    if wanted.paths is not None:
        for text in wanted.paths:
            if not path_of(text).exists():
                raise Problem(422, f"{text}: there is no such folder or file")
    else:
        with library_of(request) as library:
            if not library.roots():
                raise Problem(409, "no folder was scanned yet; name one")
    return jobs_of(request).submit("scan", wanted.model_dump())


@router.get("/library/failures")
def failures(request: Request, offset: Offset = 0, limit: Limit = 50) -> schemas.Failures:
    """List the files that could not be used, each with the reason."""
    with library_of(request) as library:
        found = library.failures()
    return schemas.Failures(
        total=len(found),
        offset=offset,
        items=[
            schemas.Failure(
                path=shown(failure.path),
                reason=shown(failure.reason),
                failed_at=failure.failed_at,
            )
            for failure in found[offset : offset + limit]
        ],
    )


@router.get("/library/folders")
def folders(
    request: Request,
    under: Annotated[
        schemas.FilePath | None, Query(description="By default, the folders that are scanned.")
    ] = None,
) -> schemas.Folders:
    """List the folders with music in them, with how many tracks lie below each."""
    with library_of(request) as library:
        tops = library.tops()
        if under is None:
            return schemas.Folders(
                path=None,
                parent=None,
                n_tracks=sum(tops.values()),
                folders=[_folder(path, n) for path, n in tops.items()],
            )
        path = path_of(under)
        n_tracks, children = library.folders(path)
    if not n_tracks and path not in tops:
        raise Problem(404, f"{under}: the library knows no music there")
    is_top = path in tops or not any(top in path.parents for top in tops)
    return schemas.Folders(
        path=shown(path),
        parent=None if is_top else shown(path.parent),
        n_tracks=n_tracks,
        folders=[_folder(child, n) for child, n in children.items()],
    )


@router.get("/library/map")
def library_map(
    request: Request,
    profile: Annotated[str | None, Query(max_length=80)] = None,
    colour: Annotated[Literal["score", "genre"], Query()] = "genre",
) -> schemas.Map:
    """Draw the library in two dimensions: what sounds alike lies near."""
    chosen = None
    if profile is not None:
        _, chosen = open_profile(request, profile)
    elif colour == "score":
        raise Problem(422, "a map of scores needs a profile")
    with library_of(request) as library:
        return maps.draw(library, fingerprint_of(), chosen, with_scores=colour == "score")


def _folder(path: object, n_tracks: int) -> schemas.Folder:
    text = shown(path)
    return schemas.Folder(path=text, name=text.rsplit("/", 1)[-1] or text, n_tracks=n_tracks)
