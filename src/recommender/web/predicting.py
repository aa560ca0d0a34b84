"""Genre systems below the home folder, and what they make of files and tracks."""

import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from recommender import audio, checkpoint
from recommender.errors import CheckpointError
from recommender.library import Track
from recommender.web import schemas
from recommender.web.browsing import Browser
from recommender.web.common import fingerprint_of
from recommender.web.problems import Problem

if TYPE_CHECKING:
    from recommender.genres import GenreModel

LONGEST_S: Final = 3600.0
"""A longer upload is refused while it is decoded."""

_SR = 8_000  # to measure length
_one_at_a_time = threading.Lock()


def path_of(home: Path, name: str) -> Path:
    """Where a trained system is kept."""
    return home / "genres" / f"{name}.safetensors"


def models(home: Path) -> list[schemas.GenreModel]:
    """List the trained systems that can be used, sorted by name."""
    found = []
    for path in sorted((home / "genres").glob("*.safetensors")):
        try:
            manifest = checkpoint.load_manifest(path, "genre")
            found.append(
                schemas.GenreModel(
                    name=path.stem,
                    system=manifest.get("system", "thesis"),
                    genres=manifest["genres"],
                    accuracy=manifest["provenance"].get("accuracy"),
                )
            )
        except (CheckpointError, KeyError, AttributeError, TypeError, ValueError):
            continue  # of no use
    return found


def find(home: Path, name: str | None) -> "tuple[str, GenreModel]":
    """Load a trained system, by default the first; 404 if there is none."""
    names = [model.name for model in models(home)]
    if name is None and names:
        name = names[0]
    if name is None:
        raise Problem(
            409,
            "there is no genre system yet; train one on the tags of your library, or copy a file"
            f" from `recommender genre train` into {home / 'genres'}",
        )
    if name not in names:
        raise Problem(404, f"there is no genre system {name!r}")
    path = path_of(home, name)
    return name, _load(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _load(path: Path, mtime_ns: int) -> "GenreModel":
    from recommender import genres  # takes seconds

    del mtime_ns
    return genres.load(path)


def of_file(home: Path, path: Path, name: str | None) -> schemas.Prediction:
    """Tell the genres of a file.

    Raises
    ------
    AudioDecodeError
        If it is no music.
    Problem
        413 if it is too long.
    """
    with _one_at_a_time:
        name, model = find(home, name)
        duration_s = _duration_s(path)
        return _prediction(name, model, model.predict(path), 0.0, duration_s)


def of_track(home: Path, library: Browser, track: Track, name: str | None) -> schemas.Prediction:
    """Tell the genres of a track of the library, from its features if they are what is heard."""
    with _one_at_a_time:
        name, model = find(home, name)
        inputs = model.system.inputs
        start_s = track.start_s or 0.0
        if inputs.kind == "features" and inputs.embedding == "default" and not track.fast:
            ((_, features),) = library.features([track.id], fingerprint_of())
            shares = model.piece_shares(features[:, None, :])
            return _prediction(name, model, shares, start_s, track.duration_s)
        if track.start_s is not None:
            raise Problem(409, "this system hears whole files only, and the track is a part of one")
        return _prediction(name, model, model.predict(track.path), 0.0, track.duration_s)


def _prediction(
    name: str,
    model: "GenreModel",
    shares: NDArray[np.float64],
    start_s: float,
    duration_s: float,
) -> schemas.Prediction:
    means = shares.mean(0)
    order = np.argsort(-means, kind="stable").tolist()
    piece_s = model.piece_duration_s or duration_s
    end_s = start_s + duration_s
    spans: list[dict[str, Any]] = []
    for i, row in enumerate(np.clip(shares, 0, 1).round(4).tolist()):
        begin_s = start_s + i * piece_s
        spans.append({"start_s": begin_s, "end_s": max(begin_s, min(begin_s + piece_s, end_s))})
        spans[-1]["shares"] = row
    return schemas.Prediction(
        model=name,
        genre=model.genres[order[0]],
        genres=list(model.genres),
        shares=[
            schemas.GenreShare(genre=model.genres[i], share=min(max(float(means[i]), 0), 1))
            for i in order
        ],
        duration_s=duration_s,
        over_time=[schemas.SharesOverTime(**span) for span in spans],
    )


def _duration_s(path: Path) -> float:
    """Decode a file to see how long it is, whatever it says of itself."""
    n = 0
    for block in audio.blocks(path, sr=_SR):
        n += len(block)
        if n > LONGEST_S * _SR:
            raise Problem(413, f"longer than {LONGEST_S / 60:.0f} minutes; upload a part of it")
    return n / _SR
