"""Genre systems trained as jobs: the preprocessor's features, then support vectors.

On the genre tags of the library nothing has to be heard: the library holds the features. On a
folder of genres each file is decoded once; what was computed is kept below the home folder, so that
a training that was ended goes on where it stopped.
"""

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recommender.errors import DatasetError
from recommender.library import Track
from recommender.profile.tracks import choose
from recommender.web import predicting, work
from recommender.web.browsing import Browser
from recommender.web.common import fingerprint_of
from recommender.web.texts import path_of, shown

if TYPE_CHECKING:
    from recommender.genres import System
    from recommender.genres.material import Material

MIN_TRACKS: Final = 5
"""A genre with fewer tracks is left out."""

MOST_TRACKS: Final = 10_000
"""Of more tracks so many are chosen by lot."""


def train(home: Path, arguments: dict[str, Any], page: Path, step: work.Step) -> dict[str, Any]:
    """Train a system, and test it on artists that it was not trained on."""
    del page
    from recommender import genres
    from recommender.genres import material, running

    name, system = arguments["name"], genres.SYSTEMS["frozen"]
    cache = home / "genres" / f"{name}.cache"
    if arguments["folder"] is None:
        with Browser.of(home) as library:
            heard = from_tags(library, system)
    else:
        collection = genres.read(path_of(arguments["folder"]))
        heard = material.prepare(
            collection,
            system,
            jobs=work.n_jobs(),
            cache=cache,
            on_track=lambda done, total: step(done, total, "Listening"),
        )
    parts = material.part(heard.collection, system, "artist")
    run, model = running.run(heard, parts, jobs=work.n_jobs())
    path = predicting.path_of(home, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    genres.save(path, model)
    shutil.rmtree(cache, ignore_errors=True)
    return {
        "name": name,
        "genres": list(model.genres),
        "accuracy": run.scores.accuracy,
        "n_training": run.n_training,
        "n_test": run.n_test,
        "failures": [[shown(path), shown(why)] for path, why in run.failures],
    }


def from_tags(library: Browser, system: "System") -> "Material":
    """Take the genres that tags name, and features that the library holds.

    Raises
    ------
    DatasetError
        If fewer than two genres have enough tracks.
    """
    from recommender.genres import Collection, LabelledTrack
    from recommender.genres.material import Material

    fingerprint = fingerprint_of()
    tags = library.tags(fingerprint)
    named: list[tuple[Track, str]] = []
    for track in library.tracks(fingerprint):
        genre = " ".join((tags.get(track.id, (None, None, None))[2] or "").split())
        if genre:
            named.append((track, genre.casefold()))
    counts = Counter(genre for _, genre in named)
    named = [(track, genre) for track, genre in named if counts[genre] >= MIN_TRACKS]
    some = choose([track.content_hash for track, _ in named], MOST_TRACKS, 0)
    named = [named[i] for i in some]
    if len({genre for _, genre in named}) < 2:
        raise DatasetError(
            f"the tags of the library name fewer than two genres of {MIN_TRACKS} tracks or more;"
            " train on a folder of genres instead"
        )
    labelled = [
        LabelledTrack(
            path=track.path,
            genre=genre,
            group=(track.artist or str(track.path.parent)).casefold(),
            artist_known=track.artist is not None,
        )
        for track, genre in named
    ]
    collection = Collection(name="the tags of the library", tracks=tuple(labelled))
    genres = collection.genres
    features = library.features([track.id for track, _ in named], fingerprint)
    return Material(
        collection=collection,
        system=system,
        x=np.stack([_pieces(x, system.n_pieces) for _, x in features])[:, :, None, :],
        y=np.array([genres.index(genre) for _, genre in named], np.int64),
        failures=(),
    )


def _pieces(features: "np.typing.NDArray[np.float32]", k: int) -> "np.typing.NDArray[np.float32]":
    """Choose fragments in the middles of equal parts."""
    middles = (np.arange(k) + 0.5) * len(features) / k
    return features[middles.astype(np.intp)]
