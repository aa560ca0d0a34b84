"""Job two: score the tracks of a library for one profile, and choose among them."""

import fnmatch
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recommender.errors import ParameterError, ProfileError
from recommender.library import Library, Track
from recommender.profile import Features, Profile, TrackRef, part_of

_BATCH = 2048  # fragments that are scored at a time


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A track's place in a ranking.

    Attributes
    ----------
    score : float
        A probability in [0, 1].
    start_s, end_s : float or None
        Where the track lies in its file; both ``None``: it is the whole file; the end ``None``: it
        reaches to the file's end.
    fast : bool
        Whether it was analysed from a few windows only.
    """

    rank: int
    path: Path
    score: float
    artist: str | None
    title: str | None
    album: str | None
    duration_s: float
    n_fragments: int
    start_s: float | None = None
    end_s: float | None = None
    fast: bool = False


def rank(
    profile: Profile,
    library: Library,
    candidates: Sequence[Path],
    *,
    include_liked: bool = False,
    exclude: Sequence[str] = (),
    top: int | None = None,
    share: float | None = None,
    min_score: float | None = None,
    max_per_artist: int | None = None,
    max_duration_s: float | None = None,
    on_track: Callable[[int, int], None] | None = None,
) -> list[Ranked]:
    """Rank tracks by the mean score of their fragments, best first.

    Parameters
    ----------
    profile : Profile
    library : Library
        Has features of the candidates.
    candidates : sequence of Path
        Folders and files.
    include_liked : bool
        Keep tracks that the profile was trained on as liked; disliked ones are always left out.
    exclude : sequence of str
        Shell patterns; a track is left out if its path, or a folder above it, matches one, whole or
        from some folder on: ``rock``, ``Music/rock``, ``~/Music/*live*``.
    top : int, optional
        Keep at most so many.
    share : float, optional
        Keep this share of the candidates, in (0, 1].
    min_score : float, optional
        Keep tracks with at least this score, in [0, 1].
    max_per_artist : int, optional
        Keep at most so many of one artist; tracks without an artist's tag are not counted.
    max_duration_s : float, optional
        Leave out tracks of longer files; of a CUE sheet's tracks each counts by itself.
    on_track : callable, optional
        Called with (done, total).

    Raises
    ------
    ParameterError
        If an option makes no sense.
    ProfileError
        If no candidate has features that fit the profile.
    """
    _check(top, share, min_score, max_per_artist)
    tracks = library.tracks(profile.fingerprint, candidates, max_duration_s=max_duration_s)
    if not tracks:
        where = ", ".join(str(path) for path in candidates)
        raise ProfileError(
            f"nothing to rank: {where} holds no track that could be analysed"
            + ("" if max_duration_s is None else " and is not too long")
        )
    known = profile.disliked if include_liked else profile.disliked + profile.liked
    tracks = [t for t in _unknown(tracks, known) if not _matches(t.path, exclude)]
    n_candidates = len(tracks)
    scores = _score(profile, library, tracks, on_track)
    order = sorted(range(n_candidates), key=lambda i: -scores[i])  # ties stay as they are listed
    best: Iterable[tuple[Track, float]] = ((tracks[i], scores[i]) for i in order)
    if min_score is not None:
        best = ((track, score) for track, score in best if score >= min_score)
    if max_per_artist is not None:
        best = _few_per_artist(best, max_per_artist)
    limits = [top] if top is not None else []
    if share is not None:
        limits.append(math.ceil(share * n_candidates - 1e-9))  # 0.07 * 100 is above 7
    kept = list(best)[: min(limits, default=None)]
    return [
        Ranked(
            rank=place,
            path=track.path,
            score=score,
            artist=track.artist,
            title=track.title,
            album=track.album,
            duration_s=track.duration_s,
            n_fragments=track.n_fragments,
            start_s=track.start_s,
            end_s=track.end_s,
            fast=track.fast,
        )
        for place, (track, score) in enumerate(kept, 1)
    ]


def _check(
    top: int | None, share: float | None, min_score: float | None, max_per_artist: int | None
) -> None:
    if top is not None and top < 1:
        raise ParameterError(f"--top must be at least 1, not {top}")
    if share is not None and not 0 < share <= 1:
        raise ParameterError(f"--share must be above 0 and at most 1, not {share}")
    if min_score is not None and not 0 <= min_score <= 1:
        raise ParameterError(f"--min-score must lie in 0 to 1, not {min_score}")
    if max_per_artist is not None and max_per_artist < 1:
        raise ParameterError(f"--max-per-artist must be at least 1, not {max_per_artist}")


def _unknown(tracks: Iterable[Track], known: Sequence[TrackRef]) -> Iterator[Track]:
    """Leave out known recordings, also where their file is divided otherwise by now."""
    hashes = {ref.content_hash for ref in known}
    refs: dict[str, list[TrackRef]] = {}
    for ref in known:
        refs.setdefault(ref.path, []).append(ref)
    for track in tracks:
        there = refs.get(str(track.path), [])
        if track.content_hash not in hashes and not any(_overlap(track, ref) for ref in there):
            yield track


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


def _score(
    profile: Profile,
    library: Library,
    tracks: Sequence[Track],
    on_track: Callable[[int, int], None] | None,
) -> list[float]:
    """Score tracks in the order given, part by part since each part has its own network."""
    scores: dict[int, float] = {}
    for part in range(profile.n_networks):
        ids = [t.id for t in tracks if part_of(t.content_hash, profile.n_networks) == part]
        for batch in _batches(library.features(ids, profile.fingerprint)):
            lengths = [len(values) for _, values in batch]
            fragments = profile.scores(np.concatenate([values for _, values in batch]), part)
            starts = np.cumsum([0, *lengths[:-1]])
            means = np.add.reduceat(fragments, starts, dtype=np.float64) / lengths
            scores |= zip((i for i, _ in batch), means.tolist(), strict=True)
            if on_track is not None:
                on_track(len(scores), len(tracks))
    return [scores[track.id] for track in tracks]


def _batches(features: Iterable[tuple[int, Features]]) -> Iterator[list[tuple[int, Features]]]:
    batch: list[tuple[int, Features]] = []
    n_fragments = 0
    for item in features:
        batch.append(item)
        n_fragments += len(item[1])
        if n_fragments >= _BATCH:
            yield batch
            batch, n_fragments = [], 0
    if batch:
        yield batch


def _few_per_artist(
    best: Iterable[tuple[Track, float]], n_most: int
) -> Iterator[tuple[Track, float]]:
    counts: Counter[str] = Counter()
    for track, score in best:
        artist = (track.artist or "").casefold()
        if not artist or counts[artist] < n_most:
            counts[artist] += 1
            yield track, score
