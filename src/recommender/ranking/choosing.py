"""Which tracks are candidates, and which of the ranked ones are kept."""

import fnmatch
import functools
import itertools
import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from recommender.errors import ParameterError, ProfileError
from recommender.library import Brief, Library, Row
from recommender.profile import TrackRef
from recommender.ranking import never as never_lists
from recommender.ranking.never import Never, folded
from recommender.ranking.scoring import Candidates

AnyRow = TypeVar("AnyRow", Row, Brief)

_AT_ONCE = 4096  # rows


def check(
    *,
    top: int | None,
    share: float | None,
    min_score: float | None,
    max_per_artist: int | None,
    diversity: float,
) -> None:
    """Refuse numbers that make no sense.

    Raises
    ------
    ParameterError
    """
    if top is not None and top < 1:
        raise ParameterError(f"--top must be at least 1, not {top}")
    if share is not None and not 0 < share <= 1:
        raise ParameterError(f"--share must be above 0 and at most 1, not {share}")
    if min_score is not None and not 0 <= min_score <= 1:
        raise ParameterError(f"--min-score must lie in 0 to 1, not {min_score}")
    if max_per_artist is not None and max_per_artist < 1:
        raise ParameterError(f"--max-per-artist must be at least 1, not {max_per_artist}")
    if not 0 <= diversity <= 1:
        raise ParameterError(f"--diversity must lie in 0 to 1, not {diversity}")


class Choice:
    """The files and recordings that may be ranked.

    Parameters
    ----------
    library, fingerprint, paths, max_duration_s
        See `Library.rows`.
    known : sequence of TrackRef
        Recordings that are left out, also where their file is divided otherwise by now.
    never : Never
    exclude : sequence of str
        Shell patterns of files.
    """

    def __init__(
        self,
        library: Library,
        fingerprint: str,
        paths: Sequence[Path],
        *,
        known: Sequence[TrackRef],
        never: Never,
        exclude: Sequence[str],
        max_duration_s: float | None,
    ) -> None:
        self._all = functools.partial(
            library.briefs, fingerprint, paths, max_duration_s=max_duration_s
        )
        self._some = functools.partial(
            library.rows, fingerprint, paths, max_duration_s=max_duration_s
        )
        self._paths, self._longest_s = paths, max_duration_s
        self._out = never_lists.recordings(never, library, fingerprint)
        self._out |= _recordings_of(known, library, fingerprint)
        self._left_out = [
            *([never_lists.lies_below(never)] if never.folders else []),
            *([_matcher(exclude)] if exclude else []),
        ]

    def rows(self, ids: Collection[int]) -> Iterator[Row]:
        """Return the files of recordings that may be ranked, sorted by path."""
        return self._allowed(self._some(ids=ids))

    def _allowed(self, rows: Iterator[AnyRow]) -> Iterator[AnyRow]:
        rows = (row for row in rows if row.id not in self._out)
        if not self._left_out:
            return rows
        return (row for row in rows if not any(test(row.path) for test in self._left_out))

    def artist_of(self, candidates: Candidates) -> Callable[[int], str | None]:
        """Return what tells the artist of a candidate, by the tags of its first file."""
        ids = candidates.ids

        def artist(i: int) -> str | None:
            row = next(self.rows([int(ids[i])]), None)
            return row.artist if row else None

        return artist

    def candidates(self) -> Candidates:
        """List the recordings, in the order of their first files.

        Raises
        ------
        ProfileError
            If there is nothing there at all.
        """
        found = columns(self._allowed(self._all()))
        if not len(found) and next(self._all(), None) is None:
            where = ", ".join(str(path) for path in self._paths) or "the library"
            raise ProfileError(
                f"nothing to rank: {where} holds no track that could be analysed"
                + ("" if self._longest_s is None else " and is not too long")
            )
        return found


def columns(rows: Iterable[Row | Brief]) -> Candidates:
    """Put recordings together as columns, each once; they may have several files."""
    left = iter(rows)
    parts = [_part([])]
    while some := list(itertools.islice(left, _AT_ONCE)):
        parts.append(_part(some))
    found = joined(*parts)
    _, first = np.unique(found.ids, return_index=True)
    return found[np.sort(first)]


def _part(rows: Sequence[Row | Brief]) -> Candidates:
    durations_s = np.array([row.duration_s for row in rows], np.float64)
    hashes = b"".join([row.content_hash[:4] for row in rows])
    return Candidates(
        ids=np.array([row.id for row in rows], np.int64),
        features_ids=np.array([row.features_id for row in rows], np.int64),
        numbers=np.frombuffer(hashes, ">u4").astype(np.int64),
        durations_s=durations_s,
        qualities=np.array([row.bytes_per_s for row in rows], np.float64) * durations_s,
    )


def joined(*parts: Candidates) -> Candidates:
    """Append recordings to others."""
    return Candidates(
        ids=np.concatenate([part.ids for part in parts]),
        features_ids=np.concatenate([part.features_ids for part in parts]),
        numbers=np.concatenate([part.numbers for part in parts]),
        durations_s=np.concatenate([part.durations_s for part in parts]),
        qualities=np.concatenate([part.qualities for part in parts]),
    )


def few_per_artist(
    best: Iterable[int], artist_of: Callable[[int], str | None], n_most: int
) -> Iterator[int]:
    """Leave out the numbers of tracks whose artist has been there often enough."""
    counts: Counter[str] = Counter()
    for i in best:
        artist = folded(artist_of(i))
        if not artist or counts[artist] < n_most:
            counts[artist] += 1
            yield i


def n_wanted(top: int | None, share: float | None, n_candidates: int) -> int | None:
    """Return how many tracks are kept at most; ``None``: all."""
    limits = [] if top is None else [top]
    if share is not None:
        limits.append(math.ceil(share * n_candidates - 1e-9))  # 0.07 * 100 is above 7
    return min(limits, default=None)


def _recordings_of(known: Sequence[TrackRef], library: Library, fingerprint: str) -> set[int]:
    """Ids of known recordings, also where their file is divided otherwise by now."""
    refs: dict[bytes, list[TrackRef]] = {}
    for ref in known:
        refs.setdefault(os.fsencode(ref.path), []).append(ref)
    hashes = {ref.content_hash for ref in known}
    found = {row.id for row in library.rows(fingerprint, content_hashes=hashes)}
    for row in library.rows(fingerprint, paths=[Path(ref.path) for ref in known]):
        if any(_overlap(row, ref) for ref in refs[row.path]):
            found.add(row.id)
    return found


def _overlap(track: Row, ref: TrackRef) -> bool:
    """Tell whether half of a track lies in what was known of its file, or half of that in it."""
    if track.start_s is None and ref.start_s is None:
        return False  # another recording took the file's place
    starts_s = (track.start_s or 0.0, ref.start_s or 0.0)
    ends_s = (
        starts_s[0] + track.duration_s if track.end_s is None else track.end_s,
        math.inf if ref.end_s is None else ref.end_s,
    )
    shorter_s = min(end_s - start_s for start_s, end_s in zip(starts_s, ends_s, strict=True))
    return min(ends_s) - max(starts_s) >= 0.5 * shorter_s - 1e-3


def _matcher(patterns: Sequence[str]) -> Callable[[bytes], bool]:
    """Return a test whether a path or a folder above it matches, whole or from some folder on."""
    if not patterns:
        return lambda _: False
    wanted = [os.path.expanduser(pattern).rstrip(os.sep) for pattern in patterns]  # noqa: PTH111
    wanted += [f"*{os.sep}{pattern}" for pattern in wanted]

    def fits(name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)

    @functools.cache  # many files lie in few folders
    def folder_fits(folder: str) -> bool:
        above = os.path.dirname(folder)  # noqa: PTH120 (names, not paths)
        return fits(folder) or (above != folder and folder_fits(above))

    def excluded(path: bytes) -> bool:
        name = os.fsdecode(path)
        return fits(name) or folder_fits(os.path.dirname(name))  # noqa: PTH120

    return excluded
