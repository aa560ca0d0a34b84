"""The order in which chosen tracks are heard: varied, or flowing."""

import numpy as np
from numpy.typing import NDArray

from recommender.ranking.places import Vectors

MOST = 1000
"""So many tracks are put in order; what follows them stays as it is. Nobody hears further."""

POOL = 10
"""Diversity chooses among so many times as many tracks as are wanted."""

_LONGEST_MOVE = 3  # tracks in a row, as Or had it
_GAIN = 1e-9


def diversify(scores: NDArray[np.float64], places: Vectors, diversity: float) -> list[int]:
    """Order tracks so that each is both good and unlike those before it.

    Maximal marginal relevance (Carbonell and Goldstein, "The use of MMR, diversity-based reranking
    for reordering documents and producing summaries", SIGIR 1998): next comes the track with the
    highest ``(1 - diversity) * score - diversity * c``, where c is its largest cosine with any
    track before it.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        In [0, 1], the best first; the best stays first.
    places : ndarray of float32, shape (n, n_features)
        Unit vectors.
    diversity : float
        In [0, 1]; with 0 the order stays, with 1 scores count no more.

    Returns
    -------
    list of int
        Numbers of all tracks. From the 1,001st on they are in the order of their scores.
    """
    n = len(scores)
    left = np.ones(n, bool)
    nearest = np.zeros(n)
    chosen: list[int] = []
    for _ in range(min(n, MOST)):
        worth = (1 - diversity) * scores - diversity * nearest
        i = int(np.where(left, worth, -np.inf).argmax())
        left[i] = False
        cosines = places @ places[i]
        nearest = np.maximum(nearest, cosines) if chosen else cosines.astype(np.float64)
        chosen.append(i)
    return chosen + np.flatnonzero(left).tolist()


def flow(starts: Vectors, ends: Vectors) -> list[int]:
    """Order tracks so that the end of each is near the beginning of the next; the first stays.

    Nearest neighbours in a chain, then tracks are moved, up to three in a row, as long as the sum
    of the steps ``1 - cosine`` shrinks (Or, "Traveling salesman-type combinatorial problems",
    1976). Rows of tracks are never turned round, for a step back is another than a step forth.

    Parameters
    ----------
    starts, ends : ndarray of float32, shape (n, n_features)
        Unit vectors of the first and the last fragment of each track.

    Returns
    -------
    list of int
        Numbers of all tracks. From the 1,001st on they stay as they are.
    """
    n = min(len(starts), MOST)
    if n == 0:
        return []
    steps = np.zeros((n + 1, n + 1))  # from all to the last, which is no track, it is no step
    steps[:n, :n] = 1.0 - ends[:n] @ starts[:n].T
    path = [*_chain(steps[:n, :n]), n]
    while (better := _moved(path, steps)) is not None:
        path = better
    return [*path[:-1], *range(n, len(starts))]


def _chain(steps: NDArray[np.float64]) -> list[int]:
    """Go on to the nearest track that has not been there."""
    left = np.ones(len(steps), bool)
    path = [0]
    for _ in range(len(steps) - 1):
        left[path[-1]] = False
        path.append(int(np.where(left, steps[path[-1]], np.inf).argmin()))
    return path


def _moved(path: list[int], steps: NDArray[np.float64]) -> list[int] | None:
    """Make the first moves that pay, one pass over the path; ``None`` if none does."""
    has_moved = False
    for length in range(1, _LONGEST_MOVE + 1):
        for first in range(1, len(path) - length):
            row = path[first : first + length]
            rest = np.array(path[:first] + path[first + length :])
            before, after = rest[:-1], rest[1:]
            added = steps[before, row[0]] + steps[row[-1], after] - steps[before, after]
            where = int(added.argmin())
            if added[where] < added[first - 1] - _GAIN:
                path = [*rest[: where + 1].tolist(), *row, *rest[where + 1 :].tolist()]
                has_moved = True
    return path if has_moved else None
