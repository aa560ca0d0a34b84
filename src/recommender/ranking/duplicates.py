"""The same recording in several files: encoded again, louder or softer, with other tags."""

import heapq
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.library import Library, Row
from recommender.ranking.places import Places, Vectors, unit
from recommender.ranking.scoring import Candidates

SAME_SOUND = 0.85
"""Mean cosine of the fragments of two files, one beside the other, from which they are the same.

Measured on 105 clips of real music with the default preprocessor: encoded again as Opus 64 kbit/s,
MP3 128 kbit/s or FLAC 6 dB softer, all lie above .96, and as MP3 64 kbit/s above .86 (median .98);
so do those that begin 0.1 s later (median .95). Of 1.3 million pairs of other clips, many of one
album, eleven lie above this: nine are one song of one artist by their tags, two have no tags. The
next has .77: two remixes of one song. Of copies that begin 1 s later most are missed.
"""

SAME_LENGTH_S = 1.0
"""So much may the lengths of files with the same recording differ: padding, and silence cut off."""

_NEAR = 0.8  # cosine of the means below which fragments are not compared


class Index:
    """Finds a recording's doubles among many, without comparing all with all.

    Parameters
    ----------
    library : Library
        Has the fragments.
    fingerprint : str
    candidates : Candidates
    places : Places
        Of these.
    """

    def __init__(
        self, library: Library, fingerprint: str, candidates: Candidates, places: Places
    ) -> None:
        self._library, self._fingerprint = library, fingerprint
        self._candidates, self._places = candidates, places
        self._order = np.argsort(candidates.durations_s, kind="stable")
        self._durations_s = candidates.durations_s[self._order]

    def doubles(self, i: int) -> list[int]:
        """Return the numbers of the tracks that are the same recording as track `i`, without it."""
        duration_s = self._candidates.durations_s[i]
        low = np.searchsorted(self._durations_s, duration_s - SAME_LENGTH_S, "left")
        high = np.searchsorted(self._durations_s, duration_s + SAME_LENGTH_S, "right")
        others = self._order[low:high]
        cosines = self._places.of(others) @ self._places.of([i])[0]
        near = others[(cosines >= _NEAR) & (others != i)].tolist()
        if not near:
            return []
        ids = self._candidates.ids[[i, *near]].tolist()
        first: dict[int, Row] = {}
        for row in self._library.rows(self._fingerprint, ids=ids):
            first.setdefault(row.id, row)
        mine, *theirs = (first[id] for id in ids)
        comparable = [j for j, row in zip(near, theirs, strict=True) if _comparable(mine, row)]
        if not comparable:
            return []
        x = self._fragments(i)
        return sorted(j for j in comparable if _likeness(x, self._fragments(j)) >= SAME_SOUND)

    def _fragments(self, i: int) -> Vectors:
        ids = [int(self._candidates.ids[i])]
        ((_, features),) = self._library.features(ids, self._fingerprint)
        return unit(features, self._places.scale)


def best_first(
    scores: NDArray[np.float64],
    doubles: Callable[[int], Sequence[int]],
    qualities: NDArray[np.float64],
    n_candidates: int,
) -> Iterator[list[int]]:
    """Yield recordings, the best score first: the numbers of the tracks that are the same one.

    Only what is asked for is compared with the rest.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        NaN: not among the best; such tracks come only as doubles of others.
    doubles : callable
        Tells which tracks are the same recording as one; the scores of these are there then.
    qualities : ndarray, shape (n,)
        The track with the highest comes first in its list, and its score counts for all.
    n_candidates : int
        Tracks from this number on are no candidates, nor are their doubles.
    """
    best = np.flatnonzero(~np.isnan(scores[:n_candidates]))
    queue = [(-score, i) for score, i in zip(scores[best].tolist(), best.tolist(), strict=True)]
    heapq.heapify(queue)  # ties stay as they are listed
    taken: set[int] = set()
    groups: dict[int, list[int]] = {}
    while queue:
        _, i = heapq.heappop(queue)
        if i in groups:
            yield groups.pop(i)
        elif i not in taken:
            group = [i, *(j for j in doubles(i) if j not in taken)]
            taken.update(group)
            if max(group) < n_candidates:
                group.sort(key=lambda j: (-qualities[j], j))
                first = group[0]
                groups[first] = group
                heapq.heappush(queue, (-float(scores[first]), first))


def _comparable(a: Row, b: Row) -> bool:
    """Tell whether two files hold them, and fragments with the same number are of the same time."""
    return a.path != b.path and a.fast == b.fast and abs(a.n_fragments - b.n_fragments) <= 1


def _likeness(a: Vectors, b: Vectors) -> float:
    n = min(len(a), len(b))
    return float(np.einsum("ij,ij->i", a[:n], b[:n]).mean())
