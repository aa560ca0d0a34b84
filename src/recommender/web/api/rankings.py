"""Rankings."""

import io
import os
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from recommender import playlist
from recommender.playlist import Entry
from recommender.profile import Profile
from recommender.web import schemas
from recommender.web.api.library import Limit, Offset
from recommender.web.browsing import Browser
from recommender.web.common import library_of, open_profile, rankings_of, shown_path
from recommender.web.listed import Listed
from recommender.web.problems import Problem
from recommender.web.rankings import Blend, Options
from recommender.web.texts import disposition, path_of, shown

router = APIRouter(tags=["rankings"], prefix="/profiles/{name}")

POOL_NOTE = (
    "There is little other music in the library yet, so scores only order, and run high; scan at"
    " least 20 other tracks."
)

Share = Annotated[float | None, Query(gt=0, le=1)]


def options(
    *,
    top: Annotated[int | None, Query(ge=1, le=10**9, description="The best so many.")] = None,
    share: Annotated[float | None, Query(gt=0, le=1, description="The best share of all.")] = None,
    min_score: Annotated[float | None, Query(ge=0, le=1)] = None,
    max_per_artist: Annotated[int | None, Query(ge=1, le=10**9)] = None,
    exclude: Annotated[
        list[Annotated[str, Query(min_length=1, max_length=200)]] | None,
        Query(max_length=50, description="Shell patterns of paths, folders or names."),
    ] = None,
    include_liked: bool = False,
    folder: Annotated[
        list[schemas.FilePath] | None,
        Query(max_length=50, description="Only what lies below these folders."),
    ] = None,
    max_minutes: Annotated[
        float | None, Query(gt=0, le=1e6, description="Leave out longer files, such as mixes.")
    ] = None,
    duplicates: Annotated[
        bool, Query(description="Rank files that sound the same each by itself.")
    ] = False,
    diversity: Annotated[float, Query(ge=0, le=1)] = 0.0,
    order: Literal["score", "flow"] = "score",
) -> Options:
    """Gather the options of a ranking."""
    return Options(
        top=top,
        share=share,
        min_score=min_score,
        max_per_artist=max_per_artist,
        exclude=tuple(exclude or ()),
        include_liked=include_liked,
        folders=tuple(path_of(text) for text in folder or ()),
        max_duration_s=None if max_minutes is None else 60 * max_minutes,
        duplicates=duplicates,
        diversity=diversity,
        order=order,
    )


Blended = Annotated[
    list[Annotated[str, Query(max_length=100, pattern=r"^[^:]+(:[0-9]{1,6}(\.[0-9]{1,6})?)?$")]]
    | None,
    Query(
        max_length=10,
        description="More profiles, as NAME or NAME:WEIGHT; the first one counts 1, others too.",
    ),
]


def blend_of(request: Request, name: str, blend: list[str] | None) -> Blend:
    """Load profiles that are blended; 404 if there is none of a name."""
    named = [(name, 1.0)]
    for text in blend or ():
        other, _, weight = text.partition(":")
        named.append((other, float(weight or 1)))
    return tuple((open_profile(request, each)[1], weight) for each, weight in named)


@router.get("/ranking")
def ranking(
    request: Request,
    name: str,
    options: Annotated[Options, Depends(options)],
    blend: Blended = None,
    offset: Offset = 0,
    limit: Limit = 50,
) -> schemas.Ranking:
    """Rank the library by how well it fits a profile, and return a part of the ranking."""
    profiles = blend_of(request, name, blend)
    profile, _ = profiles[0]
    with library_of(request) as library:
        _check_music(library, profile)
        listed = rankings_of(request).page(library, profiles, options, offset, limit)
        items = rows(library, profile, listed, offset, limit)
    return schemas.Ranking(
        total=listed.n_total,
        complete=listed.complete,
        offset=offset,
        note=None if profile.negatives == "library" else POOL_NOTE,
        items=items,
    )


@router.get(
    "/ranking.m3u8",
    response_class=Response,
    responses={
        200: {
            "description": "A playlist.",
            "content": {"audio/x-mpegurl": {"schema": {"type": "string"}, "example": "#EXTM3U\n"}},
        }
    },
)
def export(
    request: Request,
    name: str,
    options: Annotated[Options, Depends(options)],
    blend: Blended = None,
) -> Response:
    """Return a ranking as a playlist; without a choice, the best hundred."""
    profiles = blend_of(request, name, blend)
    profile, _ = profiles[0]
    if options.top is None and options.share is None and options.min_score is None:
        options = Options(**{**vars(options), "top": 100})
    with library_of(request) as library:
        _check_music(library, profile)
        listed = rankings_of(request).page(library, profiles, options, 0, 10**9)
        files = library.first_files(listed.ids.tolist())
    entries = [
        Entry(
            path=Path(os.fsdecode(file.path)),
            artist=file.artist,
            title=file.title,
            duration_s=file.duration_s,
            start_s=file.start_s,
            end_s=file.end_s,
        )
        for track_id in listed.ids.tolist()
        if (file := files.get(track_id)) is not None
    ]
    content = io.BytesIO()
    playlist.write(content, entries, format="m3u8", title=name)
    return download(content.getvalue(), "audio/x-mpegurl", f"{name}.m3u8")


def rows(
    library: Browser, profile: Profile, listed: Listed, offset: int, limit: int
) -> list[schemas.RankedTrack]:
    """Return a part of a ranking, as the API gives it."""
    ids = listed.ids[offset : offset + limit].tolist()
    found = {row.id: row for row in reversed(list(library.rows(profile.fingerprint, ids=ids)))}
    liked, disliked = (
        {ref.content_hash for ref in refs} for refs in (profile.liked, profile.disliked)
    )
    items = []
    for place, track_id in enumerate(ids, offset):
        if (row := found.get(track_id)) is None:  # gone since
            continue
        content_hash = row.content_hash.hex()
        items.append(
            schemas.RankedTrack(
                rank=place + 1,
                id=track_id,
                score=float(listed.scores[place]),
                artist=row.artist,
                title=row.title,
                album=row.album,
                path=shown_path(row.path),
                duration_s=row.duration_s,
                start_s=row.start_s,
                end_s=row.end_s,
                fast=bool(row.fast),
                liked=content_hash in liked,
                disliked=content_hash in disliked,
                duplicates=[shown(path) for path in listed.duplicates.get(place, ())],
            )
        )
    return items


def download(content: bytes, media_type: str, name: str) -> Response:
    """Return a file that the browser saves."""
    headers = {"Content-Disposition": disposition(name)}
    return Response(content, media_type=media_type, headers=headers)


def _check_music(library: Browser, profile: Profile) -> None:
    if next(library.rows(profile.fingerprint), None) is None:
        raise Problem(409, "nothing to rank: the library holds no track that was analysed; scan")
