"""Job two as a whole: candidates, scores, recordings, a choice, an order."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from recommender.library import Library, Track, track_of
from recommender.profile import Profile
from recommender.ranking.choosing import Choice, check, columns, few_per_artist, joined, n_wanted
from recommender.ranking.duplicates import Index, best_first
from recommender.ranking.never import Never
from recommender.ranking.ordering import MOST, POOL, diversify, flow
from recommender.ranking.places import Places, unit
from recommender.ranking.scoring import Candidates, Means, Run, Scorer, Scores, check_blend

Order = Literal["score", "flow"]

_SMALLEST_POOL = 100


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
    duplicates : tuple of Path
        Other files with the same recording, the best first.
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
    duplicates: tuple[Path, ...] = ()


def rank(
    profile: Profile,
    library: Library,
    candidates: Sequence[Path],
    *,
    blend: Sequence[tuple[Profile, float]] = (),
    never: Never | None = None,
    include_liked: bool = False,
    exclude: Sequence[str] = (),
    max_duration_s: float | None = None,
    duplicates: bool = False,
    min_score: float | None = None,
    max_per_artist: int | None = None,
    top: int | None = None,
    share: float | None = None,
    diversity: float = 0.0,
    order: Order = "score",
    exact: bool = False,
    threads: int | None = None,
    run: Run | None = None,
    on_track: Callable[[int, int], None] | None = None,
) -> list[Ranked]:
    """Rank tracks by the mean score of their fragments, best first.

    The options work one after the other, in the order in which they are listed here.

    Parameters
    ----------
    profile : Profile
    library : Library
        Has features of the candidates.
    candidates : sequence of Path
        Folders and files; none: all that the library knows.
    blend : sequence of (Profile, float)
        More profiles, and how much each counts; `profile` itself counts 1. The score is the
        weighted mean of all their scores.
    never : Never, optional
        What is left out of every ranking.
    include_liked : bool
        Keep tracks that the profiles were trained on as liked; disliked ones are always left out.
    exclude : sequence of str
        Shell patterns; a file is left out if its path, or a folder above it, matches one, whole or
        from some folder on: ``rock``, ``Music/rock``, ``~/Music/*live*``.
    max_duration_s : float, optional
        Leave out tracks of longer files; of a CUE sheet's tracks each counts by itself.
    duplicates : bool
        List a recording once for each sound that its files have. By default files of the same
        length that sound the same are one recording, of which the best file is listed, and doubles
        of what is left out are left out too. Needs features whose cosines tell sounds apart, as
        those of the default preprocessor do. Files with the same audio packets are one in any case.
    min_score : float, optional
        Keep tracks with at least this score, in [0, 1].
    max_per_artist : int, optional
        Keep at most so many of one artist, the best; tracks without an artist's tag do not count.
    top : int, optional
        Keep at most so many.
    share : float, optional
        Keep this share of the candidates, in (0, 1], of which each file with its own sound counts.
    diversity : float
        In [0, 1]; above 0 the tracks that are kept are chosen for being unlike each other too, see
        `diversify`, among the ten times as many, or 100, that are best.
    order : {"score", "flow"}
        How those that are kept are listed: as they were chosen, or so that each goes over smoothly
        into the next, see `flow`.
    exact : bool
        Score every candidate exactly. By default, where few of very many are wanted, those that
        are far from being among the best are scored roughly, see `Scorer.best`.
    threads : int, optional
        By default one for each processor; the result does not depend on it.
    run : callable, optional
        Does the work; by default these threads.
    on_track : callable, optional
        Called with (done, total).

    Raises
    ------
    ParameterError
        If an option makes no sense.
    ProfileError
        If no candidate has features that fit the profile, or profiles that are blended were trained
        on different ones.
    """
    check(
        top=top,
        share=share,
        min_score=min_score,
        max_per_artist=max_per_artist,
        diversity=diversity,
    )
    profiles = [(profile, 1.0), *blend]
    check_blend(profiles)
    known = [
        ref
        for each, _ in profiles
        for ref in (each.disliked if include_liked else each.disliked + each.liked)
    ]
    never = never or Never()
    choice = Choice(
        library,
        profile.fingerprint,
        candidates,
        known=known,
        never=never,
        exclude=exclude,
        max_duration_s=max_duration_s,
    )
    tracks = choice.candidates()
    n = len(tracks)
    if not n:
        return []
    all_tracks = tracks
    if not duplicates:
        hashes = {ref.content_hash for ref in known}
        hashes |= {name for file in never.files for name in file.content_hashes}
        unwanted = columns(library.rows(profile.fingerprint, content_hashes=hashes))
        all_tracks = joined(tracks, unwanted)
    means, places, index = None, None, None
    if not duplicates or diversity > 0 or order == "flow":
        means = Means(library, all_tracks)
        places = Places(library, all_tracks, means)
        if not duplicates:
            index = Index(library, profile.fingerprint, all_tracks, places)
    scorer = Scorer(
        profiles, library, tracks, means=means, threads=threads, run=run, on_track=on_track
    )
    wanted = n_wanted(top, share, n)
    groups: dict[int, list[int]] = {}

    def choose(scores: Scores) -> list[int]:
        def doubles(i: int) -> list[int]:
            found = index.doubles(i) if index else []
            scores[[j for j in found if j < n]] = scorer.of([j for j in found if j < n])
            return found

        def best() -> Iterator[int]:
            for group in best_first(scores, doubles, tracks.qualities, n):
                if min_score is not None and scores[group[0]] < min_score:
                    return
                groups[group[0]] = group
                yield group[0]

        chosen = best()
        if max_per_artist is not None:
            chosen = few_per_artist(chosen, choice.artist_of(tracks), max_per_artist)
        if diversity and places:
            chosen = _varied(chosen, scores, places, wanted, diversity)
        return list(itertools.islice(chosen, wanted))

    if exact or wanted is None:
        numbers = choose(scores := scorer.all())
    else:
        few = wanted * (POOL if diversity or max_per_artist is not None else 2)
        numbers = choose(scores := scorer.best(max(_SMALLEST_POOL, few)))
        if len(numbers) < wanted and np.isnan(scores).any():
            numbers = choose(scores := scorer.all())
    if order == "flow" and places:
        numbers = _flowing(numbers, library, profile.fingerprint, tracks, places)
    files: dict[int, list[Track]] = {}
    for row in choice.rows([int(tracks.ids[j]) for i in numbers for j in groups[i]]):
        files.setdefault(row.id, []).append(track_of(row))
    return [
        _ranked(place, float(scores[i]), [f for j in groups[i] for f in files[int(tracks.ids[j])]])
        for place, i in enumerate(numbers, 1)
    ]


def _varied(
    chosen: Iterator[int], scores: Scores, places: Places, wanted: int | None, diversity: float
) -> Iterator[int]:
    n_pool = None if wanted is None else max(_SMALLEST_POOL, POOL * wanted)
    pool = np.array(list(itertools.islice(chosen, n_pool)), np.intp)
    order = diversify(scores[pool], places.of(pool), diversity)
    return iter(pool[order].tolist())


def _flowing(
    numbers: list[int], library: Library, fingerprint: str, tracks: Candidates, places: Places
) -> list[int]:
    ids = tracks.ids[numbers[:MOST]].tolist()
    ends = [features[[0, -1]] for _, features in library.features(ids, fingerprint)]
    if not ends:
        return numbers
    x = unit(np.stack(ends), places.scale)
    order = flow(x[:, 0], x[:, 1])
    return [numbers[i] for i in order] + numbers[MOST:]


def _ranked(place: int, score: float, files: Sequence[Track]) -> Ranked:
    track = files[0]
    return Ranked(
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
        duplicates=tuple(file.path for file in files[1:]),
    )
