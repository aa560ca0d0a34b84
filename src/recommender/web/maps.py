"""The library in two dimensions: principal components of the tracks' mean features.

The mean of a track's fragments, as the library stores it, relative to the mean over the library, in
units of each feature's deviation, at length 1, on its two principal directions (Pearson, On lines
and planes of closest fit to systems of points in space, 1901).
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.library import Coded, decode
from recommender.profile import Profile
from recommender.ranking.choosing import columns
from recommender.ranking.scoring import Candidates, Means, Scorer
from recommender.web import schemas
from recommender.web.browsing import Browser

MOST_POINTS: Final = 20_000

_N_KEPT = 4
_kept: "OrderedDict[object, Places]" = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where tracks are on the map.

    Attributes
    ----------
    candidates : Candidates
        Of very many tracks a part, chosen by lot.
    positions : ndarray of float32, shape (n, 2)
        In [-1, 1].
    n_total : int
    """

    candidates: Candidates
    positions: NDArray[np.float32]
    n_total: int


def draw(
    library: Browser, fingerprint: str, profile: Profile | None, *, with_scores: bool
) -> schemas.Map:
    """Place the tracks, and colour them by a profile's scores if that is wanted."""
    if profile is not None:
        fingerprint = profile.fingerprint
    places = _places(library, fingerprint)
    n = len(places.candidates)
    scores: list[float] | list[None] = [None] * n
    if profile is not None and with_scores and n:
        scores = Scorer([(profile, 1.0)], library, places.candidates).all().tolist()
    tags = library.tags(fingerprint)
    points = []
    for track_id, (x, y), score in zip(
        places.candidates.ids.tolist(), places.positions.tolist(), scores, strict=True
    ):
        artist, title, genre = tags.get(track_id, (None, None, None))
        points.append(
            schemas.Point(
                id=track_id,
                x=round(x, 4),
                y=round(y, 4),
                score=score,
                genre=genre,
                title=title,
                artist=artist,
            )
        )
    return schemas.Map(total=places.n_total, points=points)


def _places(library: Browser, fingerprint: str) -> Places:
    key = (library.path, fingerprint, library.state())
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
        found = columns(library.briefs(fingerprint))
        n_total = len(found)
        # The numbers are the beginnings of hashes: drawn by lot already.
        some = np.sort(np.argsort(found.numbers, kind="stable")[:MOST_POINTS])
        chosen = found[some]
        positions = np.zeros((len(chosen), 2), np.float32)
        if len(chosen):
            positions = project(Means(library, chosen)[:])
        _kept[key] = Places(candidates=chosen, positions=positions, n_total=n_total)
        while len(_kept) > _N_KEPT:
            _kept.popitem(last=False)
        return _kept[key]


def project(means: Coded) -> NDArray[np.float32]:
    """Project means of features, ``(n, n_features)``, to ``(n, 2)`` in [-1, 1]."""
    x = decode(means)
    x -= x.mean(0)
    deviations = x.std(0)
    x /= np.where(deviations > 0, deviations, 1)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    x -= x.mean(0)
    _, vectors = np.linalg.eigh(x.T @ x)
    directions = vectors[:, : -min(2, x.shape[1]) - 1 : -1]
    # Which way they point is chance: so that the largest component is positive.
    largest = np.abs(directions).argmax(0)
    directions = directions * np.sign(directions[largest, np.arange(directions.shape[1])])
    y = np.zeros((len(x), 2), np.float32)
    y[:, : directions.shape[1]] = x @ directions
    return np.asarray(y / max(float(np.abs(y).max()), 1e-9), np.float32)
