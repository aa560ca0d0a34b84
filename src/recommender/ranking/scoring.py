"""Scores of tracks: of all, or first roughly of all and then exactly of those that matter."""

import functools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from recommender.errors import ParameterError, ProfileError
from recommender.library import Coded, Library, decode
from recommender.profile import Profile

Ids = NDArray[np.int64]
Scores = NDArray[np.float64]
Blend = Sequence[tuple[Profile, float]]
"""Profiles with their weights."""

MANY = 5_000
"""Of so many tracks without a score the best are looked for among those whose means are near."""

SHARE = 0.005
"""Of these, so many are looked at together."""

CHANGED = "the library changed meanwhile; run this again"

_BLOCK = 4096  # fragments, or means, that a thread scores at a time: a few megabytes


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Recordings that scores are asked for, as columns.

    Attributes
    ----------
    ids, features_ids : ndarray of int64, shape (n,)
        See `Row`.
    numbers : ndarray of int64, shape (n,)
        See `profile.tracks.number_of`.
    durations_s : ndarray, shape (n,)
    qualities : ndarray, shape (n,)
        Bytes of the first file, as far as it holds the recording.
    """

    ids: Ids
    features_ids: Ids
    numbers: Ids
    durations_s: NDArray[np.float64]
    qualities: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, chosen: NDArray[np.bool] | NDArray[np.intp]) -> "Candidates":
        return Candidates(
            ids=self.ids[chosen],
            features_ids=self.features_ids[chosen],
            numbers=self.numbers[chosen],
            durations_s=self.durations_s[chosen],
            qualities=self.qualities[chosen],
        )


class Means:
    """Means of the fragments of candidates, read at once.

    Parameters
    ----------
    library : Library
    candidates : Candidates
    """

    def __init__(self, library: Library, candidates: Candidates) -> None:
        rising = np.argsort(candidates.features_ids, kind="stable")
        self._row = np.empty_like(rising)
        self._row[rising] = np.arange(len(rising))
        values, scales = np.empty((len(rising), 0), np.int8), np.empty(len(rising), np.float32)
        n = 0
        for part in library.summaries(candidates.features_ids[rising], _BLOCK):
            if n == 0:
                values = np.empty((len(rising), part.values.shape[1]), np.int8)
            some = slice(n, n + len(part.scales))
            values[some], scales[some] = part.values, part.scales
            n = some.stop
        self._coded = Coded(values=values, scales=scales)

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, numbers: slice | NDArray[np.intp]) -> Coded:
        return self._coded[self._row[numbers]]


def check_blend(blend: Blend) -> None:
    """Refuse profiles that cannot be blended.

    Raises
    ------
    ParameterError
        If a weight is no positive number.
    ProfileError
        If they were trained on different features.
    """
    first = blend[0][0]
    for profile, weight in blend:
        if not 0 < weight < float("inf"):
            raise ParameterError(f"--blend {profile.name}: its weight must be above 0: {weight}")
        if profile.fingerprint != first.fingerprint:
            raise ProfileError(
                f"profiles {first.name!r} and {profile.name!r} cannot be blended: they were"
                f" trained on different features ({first.fingerprint}, {profile.fingerprint});"
                " build one of them again with the recipe or preprocessor of the other"
            )


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some candidates to score, anywhere: all that is needed for it.

    Attributes
    ----------
    profiles : tuple of Profile
    coded : Coded
        Fragments, one candidate after the other.
    lengths, numbers : ndarray of int64, shape (n,)
        See `Profile.joint_scores`.
    """

    profiles: tuple[Profile, ...]
    coded: Coded
    lengths: Ids
    numbers: Ids

    def __call__(self) -> Scores:
        """Return the scores, ``(n_profiles, n)``."""
        x = decode(self.coded)
        return np.stack([p.joint_scores(x, self.lengths, self.numbers) for p in self.profiles])


Run = Callable[[Iterable[Task]], Iterator[Scores]]
"""Yields the results of tasks in their order; a few are under way at a time."""


class Scorer:
    """Scores candidates as they are asked for; the library remembers what was computed.

    The score is the weighted mean of the profiles' scores, a linear opinion pool (Stone, "The
    opinion pool", 1961): the probability that a track is liked by the one whose turn it is, if
    turns are as frequent as the weights say. A track's score depends on the profiles and the track
    alone: not on the other candidates, on threads, or on what was remembered.

    Parameters
    ----------
    blend : sequence of (Profile, float)
        Of one fingerprint.
    library : Library
    candidates : Candidates
    means : Means, optional
        Of these candidates, and of others after them perhaps, if they are read already.
    threads : int, optional
        By default one for each processor.
    run : callable, optional
        Does the work; by default threads of this process.
    on_track : callable, optional
        Called with (done, total) while tracks are scored.
    """

    def __init__(
        self,
        blend: Blend,
        library: Library,
        candidates: Candidates,
        *,
        means: Means | None = None,
        threads: int | None = None,
        run: Run | None = None,
        on_track: Callable[[int, int], None] | None = None,
    ) -> None:
        weights = np.array([weight for _, weight in blend])
        self._shares = weights / weights.sum()
        self._profiles = tuple(profile for profile, _ in blend)
        self._library, self._candidates, self._means = library, candidates, means
        self._run = run or functools.partial(_in_threads, n_threads=threads or os.cpu_count() or 1)
        self._on_track = on_track or (lambda *_: None)
        # One row a profile; NaN where nothing is known yet.
        self._known = np.stack(
            [library.scores(profile.digest, candidates.features_ids) for profile in self._profiles]
        )

    def all(self) -> Scores:
        """Return the scores of all candidates."""
        self._score(self._missing)
        return self._blended()

    def best(self, k: int) -> Scores:
        """Return scores among which the best `k` are; those of candidates that seem worse are NaN.

        Where many have no score yet, the means of their fragments are scored first, as if they were
        fragments. In the order of these scores candidates are scored exactly, half a per cent
        at a time, until none of the last ones belongs to the best. How often that misses one was
        measured: docs/scaling.md.
        """
        missing = self._missing
        if len(missing) < MANY:
            return self.all()
        order = missing[np.argsort(-self._roughly(missing), kind="stable")]
        n_at_once = max(2 * k, int(SHARE * len(missing)))
        for start in range(0, len(order), n_at_once):
            some = order[start : start + n_at_once]
            self._score(some, len(order))
            scores = self._blended()
            known = scores[~np.isnan(scores)]
            if len(known) > k and np.nanmax(scores[some]) < np.partition(known, -k)[-k]:
                break
        return self._blended()

    def of(self, numbers: Sequence[int]) -> Scores:
        """Return the scores of some candidates."""
        wanted = np.array(numbers, np.intp)
        self._score(wanted[np.isnan(self._known[:, wanted]).any(0)])
        return np.asarray(self._shares @ self._known[:, wanted])

    @property
    def _missing(self) -> NDArray[np.intp]:
        return np.flatnonzero(np.isnan(self._known).any(0))

    def _blended(self) -> Scores:
        return np.asarray(self._shares @ self._known)

    def _score(self, wanted: NDArray[np.intp], n_total: int | None = None) -> None:
        """Score candidates from all their fragments."""
        if not len(wanted):
            return
        ids = self._candidates.features_ids
        # In the order in which they lie in the library.
        wanted = wanted[np.argsort(ids[wanted], kind="stable")]
        blocks = self._library.blocks(ids[wanted], _BLOCK)

        def tasks() -> Iterator[Task]:
            n_given = 0
            for block in blocks:
                numbers = self._candidates.numbers[wanted[n_given : n_given + len(block.lengths)]]
                n_given += len(block.lengths)
                yield self._task(block.coded, block.lengths, numbers)

        n_done = 0
        for scores in self._run(tasks()):
            here = wanted[n_done : n_done + scores.shape[1]]
            self._known[:, here] = scores
            n_done += scores.shape[1]
            self._on_track(n_done, n_total or len(wanted))
        if n_done < len(wanted):
            raise ProfileError(CHANGED)
        for profile, known in zip(self._profiles, self._known, strict=True):
            self._library.remember_scores(profile.digest, ids[wanted], known[wanted])

    def _roughly(self, wanted: NDArray[np.intp]) -> Scores:
        """Score the means of candidates."""
        # All are read before: rows and scores at the same time would wait for each other's lock.
        means = self._means or Means(self._library, self._candidates)

        def tasks() -> Iterator[Task]:
            for start in range(0, len(wanted), _BLOCK):
                some = wanted[start : start + _BLOCK]
                ones = np.ones(len(some), np.int64)
                yield self._task(means[some], ones, self._candidates.numbers[some])

        return np.concatenate([self._shares @ scores for scores in self._run(tasks())])

    def _task(self, coded: Coded, lengths: Ids, numbers: Ids) -> Task:
        return Task(profiles=self._profiles, coded=coded, lengths=lengths, numbers=numbers)


def _in_threads(tasks: Iterable[Task], n_threads: int) -> Iterator[Scores]:
    """Yield results in the order of the tasks, of which only a few wait."""
    with (
        threadpoolctl.threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(n_threads, thread_name_prefix="score") as pool,
    ):
        running: deque[Future[Scores]] = deque()
        for task in tasks:
            running.append(pool.submit(task))
            if len(running) > 2 * n_threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
