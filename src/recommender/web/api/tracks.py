"""Tracks: search, what is known of one, why it has its score."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from recommender.library import Track, track_of
from recommender.ranking.explaining import explain
from recommender.ranking.listening import spans
from recommender.ranking.neighbours import Alike, Neighbour
from recommender.ranking.telling import changes, name_of, verdict
from recommender.web import schemas
from recommender.web.api.library import Limit, Offset
from recommender.web.browsing import Browser
from recommender.web.common import (
    as_track,
    files_of,
    fragment_s,
    library_of,
    open_profile,
    preprocessor_name,
    settings_of,
    shown_path,
    track_values,
)
from recommender.web.problems import Problem
from recommender.web.texts import path_of, shown

router = APIRouter(tags=["tracks"], prefix="/tracks")

TrackId = Annotated[int, Path(ge=1, le=schemas.MOST_ID)]


@router.get("")
def tracks(
    request: Request,
    q: Annotated[
        str, Query(max_length=200, description="Words in artist, title, album or path.")
    ] = "",
    folder: Annotated[schemas.FilePath | None, Query()] = None,
    offset: Offset = 0,
    limit: Limit = 50,
) -> schemas.Tracks:
    """Find tracks, sorted by path."""
    with library_of(request) as library:
        total, found = library.search(
            q, path_of(folder) if folder else None, offset=offset, limit=limit
        )
    return schemas.Tracks(total=total, offset=offset, items=[as_track(row) for row in found])


@router.get("/{track_id}")
def track(request: Request, track_id: TrackId) -> schemas.TrackDetails:
    """Tell all that is known of a track."""
    home = settings_of(request).home
    with library_of(request) as library:
        files, made = files_of(library, track_id), library.made(track_id)
        content_hash = library.content_hash(track_id)
        heard = held(library, made[0].fingerprint, track_id) if made else None
    fragments = spans(heard, fragment_s(made[0].fingerprint, home)) if heard else []
    return schemas.TrackDetails(
        **track_values(files[0]),
        content_hash=content_hash,
        fragments=[schemas.Span(start_s=start_s, end_s=end_s) for start_s, end_s in fragments],
        provenance=[
            schemas.Provenance(
                fingerprint=m.fingerprint,
                preprocessor=preprocessor_name(m.fingerprint),
                fast=bool(m.fast),
                n_fragments=m.n_fragments,
            )
            for m in made
        ],
        files=[shown_path(path) for path in dict.fromkeys(file.path for file in files)],
    )


@router.get("/{track_id}/explanation")
def explanation(
    request: Request, track_id: TrackId, profile: Annotated[str, Query(max_length=80)]
) -> schemas.Explanation:
    """Explain the score of a track: which fragments make it, and what they sound like."""
    _, chosen = open_profile(request, profile)
    home = settings_of(request).home
    with library_of(request) as library:
        files_of(library, track_id)
        if (wanted := held(library, chosen.fingerprint, track_id)) is None:
            raise Problem(409, "the track was not analysed for this profile; scan its folder")
        found = explain(chosen, library, wanted, fragment_s(chosen.fingerprint, home))

    def marked(fragments: dict[int, tuple[Neighbour, ...]]) -> list[schemas.Marked]:
        return [
            schemas.Marked(
                fragment=i,
                nearest=[
                    schemas.Neighbour(
                        id=near.track.id,
                        title=shown(name_of(near.track)),
                        start_s=near.start_s,
                        end_s=near.end_s,
                        cosine=near.cosine,
                        score=near.score,
                        disliked=near.track.content_hash in found.disliked,
                    )
                    for near in neighbours
                ],
            )
            for i, neighbours in fragments.items()
        ]

    below = found.share_below
    return schemas.Explanation(
        profile=profile,
        track=track_id,
        title=shown(name_of(wanted)),
        score=found.score,
        place=found.place,
        n_ranked=found.n_ranked,
        share_below=below if found.n_ranked > 1 else None,
        liked=found.is_liked,
        disliked=found.is_disliked,
        fragments=[
            schemas.ScoredSpan(start_s=f.start_s, end_s=f.end_s, score=f.score)
            for f in found.fragments
        ],
        best=marked(found.best),
        worst=marked(found.worst),
        nearest_liked=[_alike(near) for near in found.liked],
        nearest_other=[_alike(near) for near in found.others],
        verdict=[shown(sentence) for sentence in verdict(found)],
        changes=[shown(sentence) for sentence in changes(found)],
    )


def held(library: Browser, fingerprint: str, track_id: int) -> Track | None:
    """Return a track with features of a fingerprint, if the library has them."""
    row = next(library.rows(fingerprint, ids=[track_id]), None)
    return None if row is None else track_of(row)


def _alike(near: Alike) -> schemas.Alike:
    return schemas.Alike(
        id=near.track.id, title=shown(name_of(near.track)), cosine=near.cosine, score=near.score
    )
