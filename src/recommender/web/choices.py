"""What pages offer to choose from, and what they point out."""

from pathlib import Path
from typing import Any

from fastapi import Request

from recommender.web import schemas
from recommender.web.browsing import Browser
from recommender.web.common import library_of, open_profile
from recommender.web.texts import path_of, shown

_MOST = 100  # folders at a time


def folders(
    request: Request, under: str | None = None, find: str = ""
) -> tuple[list[dict[str, Any]], int]:
    """List folders of the library.

    Parameters
    ----------
    request : Request
    under : str, optional
        The folders right below this one; by default those that are scanned, each with its folders.
    find : str
        All folders whose names hold this instead, whatever the case.

    Returns
    -------
    list of dict
        ``path``, ``name``, ``n_tracks``, ``is_deep``; ``children``, ``n_more`` of those on top.
    int
        How many more there are.
    """
    with library_of(request) as library:
        if find:
            named = library.named_folders(find)
            return _listed(library, named, say_where=True)
        if under is not None:
            return _listed(library, library.folders(path_of(under))[1])
        tops = library.tops()
        found, n_more = _listed(library, tops)
        for top, path in zip(found, tops, strict=False):
            top["children"], top["n_more"] = _listed(library, library.folders(path)[1])
        return found, n_more


def opinion(request: Request, name: str, content_hash: str) -> str:
    """Tell what a profile thinks of a recording: "like", "dislike", or nothing."""
    _, profile = open_profile(request, name)
    if content_hash in {ref.content_hash for ref in profile.liked}:
        return "like"
    return "dislike" if content_hash in {ref.content_hash for ref in profile.disliked} else ""


def pairs(
    library: Browser, explanation: schemas.Explanation, begin_s: float
) -> list[dict[str, Any]]:
    """Put fragments that stand out beside what they sound like.

    Times count from the beginning of each track, not of its file.
    """
    marked = [("best", each) for each in explanation.best]
    marked += [("worst", each) for each in explanation.worst]
    ids = {near.id for _, each in marked for near in each.nearest}
    files = library.first_files(ids)
    found = []
    for kind, each in marked:
        fragment = explanation.fragments[each.fragment]
        nearest = []
        for near in each.nearest:
            file = files.get(near.id)
            offset_s = (file.start_s or 0.0) if file else 0.0
            nearest.append(
                {
                    **near.model_dump(),
                    "title": (file and file.title) or near.title,
                    "artist": (file and file.artist) or "",
                    "start_s": near.start_s - offset_s,
                    "end_s": near.end_s - offset_s,
                }
            )
        found.append(
            {
                "kind": f"among its {kind}",
                "start_s": fragment.start_s - begin_s,
                "end_s": fragment.end_s - begin_s,
                "score": fragment.score,
                "nearest": nearest,
            }
        )
    return found


def _listed(
    library: Browser, folders: dict[Path, int], *, say_where: bool = False
) -> tuple[list[dict[str, Any]], int]:
    found = [
        {
            "path": shown(path),
            "name": shown(path.name or path),
            "n_tracks": n,
            "is_deep": library.holds_folders(path),
            "within": shown(path.parent) if say_where else None,
        }
        for path, n in list(folders.items())[:_MOST]
    ]
    return found, len(folders) - len(found)
