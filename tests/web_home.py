"""A home folder for tests of the page: tracks without sound, a profile, a genre system."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.testclient import TestClient

from recommender import preprocessor
from recommender import profile as profiles
from recommender.audio import Tags
from recommender.library import File, Library
from recommender.parameters import DEFAULT
from recommender.web.app import create_app

API = "/api/v1"
N_KINDS = 4
GENRES = ("Ambient", "Folk", "Metal", "Techno")


def features(n: int, kind: int) -> NDArray[np.float32]:
    """A track of some kind."""
    n_features = preprocessor.load().n_features
    mean = np.random.default_rng(kind).normal(0, 1, n_features)
    rng = np.random.default_rng([1, n])
    return np.asarray(mean + rng.normal(0, 1.0, (1 + n % 5, n_features)), np.float32)


def put(library: Library, music: Path, n: int, **tags: Any) -> Path:
    """Put a track into a library; its kind is its number modulo `N_KINDS`, and its folder."""
    kind, x = n % N_KINDS, features(n, n % N_KINDS)
    path = music / GENRES[kind].lower() / f"{n:04} track.ogg"
    named = {
        "artist": f"Artist {n % 12}",
        "title": f"Title {n}",
        "album": "Café",
        "genre": GENRES[kind],
    }
    file = File(
        path=path,
        size=1000,
        mtime_ns=1,
        content_hash=f"{n * 2_654_435_761 % 2**32:08x}" + "0" * 56,
        duration_s=8.0 * len(x),
        tags=Tags(**{**named, **tags}),
    )
    library.remember(file, preprocessor.load().fingerprint, x)
    return path


def fill(home: Path, n_tracks: int = 60) -> Path:
    """Fill a library; return the folder that its files are said to lie in."""
    music = home.parent / "music"
    for genre in GENRES:
        (music / genre.lower()).mkdir(parents=True, exist_ok=True)
    with Library.open(home / "library.db") as library, library.batch():
        library.describe(preprocessor.load().fingerprint, "{}")
        library.remember_roots([music])
        for n in range(n_tracks):
            put(library, music, n)
    return music


def like_folder(home: Path, folder: Path, name: str = "mine") -> None:
    """Make a profile that likes half of the music in a folder."""
    fingerprint = preprocessor.load().fingerprint
    with Library.open(home / "library.db") as library:
        liked = library.tracks(fingerprint, [folder])[::2]
        profile = profiles.build(library, name, DEFAULT, fingerprint, liked)
        profiles.replace(profiles.path_of(name, home), profile)


@contextlib.contextmanager
def served(home: Path) -> Iterator[TestClient]:
    """A server over a home, without a network."""
    # No exception goes by: what is a defect of the server is one of the test.
    with TestClient(create_app(home), base_url="http://127.0.0.1:8765") as client:
        yield client
