"""What endpoints share: the library of a request, profiles and tracks by their names."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import Request

from recommender import preprocessor as preprocessors
from recommender import profile as profiles
from recommender.errors import CheckpointError
from recommender.parameters import SHIPPED
from recommender.profile import Profile
from recommender.web import schemas
from recommender.web.browsing import Browser, Found
from recommender.web.jobs import Jobs
from recommender.web.problems import Problem
from recommender.web.rankings import Rankings
from recommender.web.settings import Settings


def settings_of(request: Request) -> Settings:
    """Return what the server was told."""
    settings: Settings = request.app.state.settings
    return settings


def jobs_of(request: Request) -> Jobs:
    """Return the server's jobs."""
    jobs: Jobs = request.app.state.jobs
    return jobs


def rankings_of(request: Request) -> Rankings:
    """Return the server's rankings."""
    rankings: Rankings = request.app.state.rankings
    return rankings


def library_of(request: Request) -> Browser:
    """Open the library, for one thread."""
    return Browser.of(settings_of(request).home)


@functools.cache
def fingerprint_of(name: str = "default") -> str:
    """Return the fingerprint of a shipped preprocessor."""
    return preprocessors.load(name).fingerprint


@functools.cache
def fragment_s(fingerprint: str, home: Path) -> float:
    """Return how far the fragments of a fingerprint lie apart."""
    return preprocessors.find(fingerprint, home).params.fragment_duration_s


def preprocessor_name(fingerprint: str) -> str:
    """Name a preprocessor: "default", "thesis", or "kept"."""
    return next((name for name in SHIPPED if fingerprint_of(name) == fingerprint), "kept")


def profile_path(request: Request, name: str) -> Path:
    """Tell where a profile is; 404 if there is none of this name."""
    found = profiles.names(settings_of(request).home)
    if name not in found:
        raise Problem(404, f"there is no profile {name!r}")
    return profiles.path_of(name, settings_of(request).home)


def open_profile(request: Request, name: str) -> tuple[Path, Profile]:
    """Load a profile; also return where it is."""
    path = profile_path(request, name)
    return path, loaded(path)


def loaded(path: Path) -> Profile:
    """Load a profile, from memory if its file has not changed; 409 if it is damaged."""
    try:
        state = path.stat()
        return _loaded(path, state.st_mtime_ns, state.st_size, state.st_ino)
    except OSError:
        raise Problem(404, f"there is no profile {path.stem!r}") from None
    except CheckpointError as error:
        raise Problem(409, f"{error}; undo, delete it, or build it again") from None


@functools.lru_cache(maxsize=16)
def _loaded(path: Path, mtime_ns: int, size: int, inode: int) -> Profile:
    del mtime_ns, size, inode
    return profiles.load(path)


def files_of(library: Browser, track_id: int) -> list[Found]:
    """Return a recording in all its files; 404 if there is none of this id."""
    if not (found := library.files(track_id)):
        raise Problem(404, f"there is no track {track_id}")
    return found


def as_track(found: Found) -> schemas.Track:
    """Return a recording as the API gives it."""
    return schemas.Track(**track_values(found))


def track_values(found: Found) -> dict[str, Any]:
    """Return what is known of a recording and a file, as plain values."""
    return found._asdict() | {
        "path": shown_path(found.path),
        "is_missing": bool(found.is_missing),
    }


def shown_path(path: bytes) -> str:
    """Return a path of the database as text."""
    return path.decode("utf-8", "backslashreplace")


def name_of(found: Found) -> str:
    """Return a recording's name: title and artist, or else its file's name."""
    if found.title:
        return f"{found.title} by {found.artist}" if found.artist else found.title
    return Path(shown_path(found.path)).name


def unknown(ids: Sequence[int], known: Sequence[int]) -> None:
    """Refuse numbers of tracks that are not in the library; 404."""
    if missing := sorted(set(ids) - set(known)):
        raise Problem(404, f"there is no track {', '.join(map(str, missing[:10]))}")
