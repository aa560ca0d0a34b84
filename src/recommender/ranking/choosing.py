"""Which tracks are candidates, and which of the ranked ones are kept."""

import fnmatch
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from recommender.errors import ParameterError, ProfileError
from recommender.library import Library, Track
from recommender.profile import TrackRef
from recommender.ranking.never import Never, allowed, folded


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


def candidates(
    library: Library,
    fingerprint: str,
    paths: Sequence[Path],
    *,
    known: Sequence[TrackRef],
    never: Never,
    exclude: Sequence[str],
    max_duration_s: float | None,
) -> list[list[Track]]:
    """List the recordings to choose from, each with all its files that may be played.

    Parameters
    ----------
    library, fingerprint, paths, max_duration_s
        See `Library.tracks`.
    known : sequence of TrackRef
        Recordings that are left out, also where their file is divided otherwise by now.
    never : Never
    exclude : sequence of str
        Shell patterns of files.

    Raises
    ------
    ProfileError
        If there is nothing there at all.
    """
    files = library.tracks(fingerprint, paths, max_duration_s=max_duration_s, every_file=True)
    if not files:
        where = ", ".join(str(path) for path in paths)
        raise ProfileError(
            f"nothing to rank: {where} holds no track that could be analysed"
            + ("" if max_duration_s is None else " and is not too long")
        )
    recordings: dict[int, list[Track]] = {}
    for track in allowed(_unknown(files, known), never):
        if not _matches(track.path, exclude):
            recordings.setdefault(track.id, []).append(track)
    return list(recordings.values())


def few_per_artist(
    best: Iterable[int], artists: Sequence[str | None], n_most: int
) -> Iterator[int]:
    """Leave out the numbers of tracks whose artist has been there often enough."""
    counts: Counter[str] = Counter()
    for i in best:
        artist = folded(artists[i])
        if not artist or counts[artist] < n_most:
            counts[artist] += 1
            yield i


def n_wanted(top: int | None, share: float | None, n_candidates: int) -> int | None:
    """Return how many tracks are kept at most; ``None``: all."""
    limits = [] if top is None else [top]
    if share is not None:
        limits.append(math.ceil(share * n_candidates - 1e-9))  # 0.07 * 100 is above 7
    return min(limits, default=None)


def _unknown(tracks: Sequence[Track], known: Sequence[TrackRef]) -> list[Track]:
    """Leave out known recordings, also where their file is divided otherwise by now."""
    hashes = {ref.content_hash for ref in known}
    refs: dict[str, list[TrackRef]] = {}
    for ref in known:
        refs.setdefault(ref.path, []).append(ref)

    def is_known(track: Track) -> bool:
        there = refs.get(str(track.path), [])
        return track.content_hash in hashes or any(_overlap(track, ref) for ref in there)

    out = {track.id for track in tracks if is_known(track)}
    return [track for track in tracks if track.id not in out]


def _overlap(track: Track, ref: TrackRef) -> bool:
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


def _matches(path: Path, patterns: Iterable[str]) -> bool:
    """Tell whether a path or a folder above it matches, whole or from some folder on."""
    names = [str(folder) for folder in (path, *path.parents)]
    wanted = [os.path.expanduser(pattern).rstrip(os.sep) for pattern in patterns]  # noqa: PTH111
    return any(
        fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, f"*{os.sep}{pattern}")
        for pattern in wanted
        for name in names
    )
