"""Dealing groups of labelled tracks out to parts, so that each genre is in all of them."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

_ATTEMPTS = 20


def deal(
    group: NDArray[np.intp], y: NDArray[np.intp], shares: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.intp], list[int]]:
    """Give each group of tracks to one part, each genre in about the same shares.

    First every genre gets one group in every part: rare genres first, and groups that spoil least
    for others, those of few genres and few tracks. Then the others follow, great ones first, each
    to where it lessens most the chi-square distance between the tracks that genres have in the
    parts and those that they should have. Where the first step fails (whether a way exists is hard
    to tell), it is tried again in some random orders.

    Parameters
    ----------
    group : ndarray of intp, shape (n_tracks,)
        0 to ``n_groups - 1``.
    y : ndarray of intp, shape (n_tracks,)
        Genres, 0 to ``n_genres - 1``; a group may have several.
    shares : ndarray of float64, shape (n_parts,)
        Above 0, with the sum 1.
    seed : int

    Returns
    -------
    part : ndarray of intp, shape (n_tracks,)
    lacking : list of int
        Genres that have too few groups to be in all parts; if there are any, `part` is no use.
    """
    n_groups, n_genres = int(group.max()) + 1, int(y.max()) + 1
    content = [Counter[int]() for _ in range(n_groups)]
    for i, genre in zip(group.tolist(), y.tolist(), strict=True):
        content[i][genre] += 1
    members: list[list[int]] = [[] for _ in range(n_genres)]
    for i, count in enumerate(content):
        for genre in count:
            members[genre].append(i)
    lacking = [genre for genre, groups in enumerate(members) if len(groups) < len(shares)]
    if lacking:
        return np.zeros_like(group), lacking
    rng = np.random.default_rng(seed)
    target = shares[:, None] * np.bincount(y)
    first: int | None = None
    for attempt in range(_ATTEMPTS):
        place = rng.permutation(n_groups).tolist()
        by_size = sorted(range(n_groups), key=lambda i: (content[i].total(), place[i]))
        spare = sorted(by_size, key=lambda i: len(content[i])) if attempt == 0 else place
        part, genre = _cover(content, members, shares, spare)
        if genre is None:
            _fill(content, part, target, by_size[::-1])
            return part[group], []
        first = genre if first is None else first
    assert first is not None
    return np.zeros_like(group), [first]


def _cover(
    content: list[Counter[int]],
    members: list[list[int]],
    shares: NDArray[np.float64],
    spare: list[int],
) -> tuple[NDArray[np.intp], int | None]:
    """Put groups, in the order of `spare`, until each genre is everywhere; or say which is not."""
    rank = np.argsort(spare)
    part = np.full(len(content), -1, np.intp)
    present: list[set[int]] = [set() for _ in shares]
    for genre in sorted(range(len(members)), key=lambda g: len(members[g])):
        free = sorted((i for i in members[genre] if part[i] < 0), key=lambda i: -rank[i])
        for where in np.argsort(shares, kind="stable").tolist():
            if genre not in present[where]:
                if not free:
                    return part, genre
                part[chosen := free.pop()] = where
                present[where].update(content[chosen])
    return part, None


def _fill(
    content: list[Counter[int]],
    part: NDArray[np.intp],
    target: NDArray[np.float64],
    order: list[int],
) -> None:
    """Put the groups that have no part yet."""
    have = np.zeros_like(target)

    def put(i: int, where: int) -> None:
        part[i] = where
        have[where, list(content[i])] += list(content[i].values())

    for i in np.flatnonzero(part >= 0).tolist():
        put(i, part[i])
    for i in (i for i in order if part[i] < 0):
        genres, n = np.array(list(content[i])), np.array(list(content[i].values()))
        gap = have[:, genres] - target[:, genres]
        put(i, int(((2 * gap + n) * n / target[:, genres]).sum(axis=1).argmin()))
