"""Job two as a whole: candidates, scores, recordings, a choice, an order."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from recommender.library import Library, Track
from recommender.profile import Profile, TrackRef
from recommender.ranking.choosing import candidates as choose_candidates
from recommender.ranking.choosing import check, few_per_artist, n_wanted
from recommender.ranking.duplicates import Index, best_first
from recommender.ranking.never import Never
from recommender.ranking.ordering import MOST, POOL, diversify, flow
from recommender.ranking.scoring import Heard, check_blend, hear, unit

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
        Folders and files.
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
    recordings = choose_candidates(
        library,
        profile.fingerprint,
        candidates,
        known=known,
        never=never,
        exclude=exclude,
        max_duration_s=max_duration_s,
    )
    if not recordings:
        return []
    n = len(recordings)
    tracks = [files[0] for files in recordings]
    if not duplicates:
        tracks += _unwanted(library, profile.fingerprint, known, never)
    places = not duplicates or diversity > 0 or order == "flow"
    heard = hear(profiles, library, tracks, places=places, on_track=on_track)
    index = None if duplicates else Index(library, profile.fingerprint, tracks, heard)
    qualities = [track.bytes_per_s * track.duration_s for track in tracks]
    groups: dict[int, list[int]] = {}

    def best() -> Iterator[int]:
        for group in best_first(
            heard.scores, index.doubles if index else lambda _: (), qualities, n
        ):
            if min_score is not None and heard.scores[group[0]] < min_score:
                return
            groups[group[0]] = group
            yield group[0]

    chosen = best()
    if max_per_artist is not None:
        chosen = few_per_artist(chosen, [track.artist for track in tracks], max_per_artist)
    wanted = n_wanted(top, share, n)
    kept = _varied(chosen, heard, wanted, diversity) if diversity else chosen
    numbers = list(itertools.islice(kept, wanted))
    if order == "flow":
        numbers = _flowing(numbers, library, profile.fingerprint, tracks, heard)
    return [
        _ranked(place, float(heard.scores[i]), [file for j in groups[i] for file in recordings[j]])
        for place, i in enumerate(numbers, 1)
    ]


def _unwanted(
    library: Library, fingerprint: str, known: Sequence[TrackRef], never: Never
) -> list[Track]:
    """List the recordings whose doubles are left out, as far as the library has them."""
    hashes = {ref.content_hash for ref in known}
    hashes.update(content_hash for file in never.files for content_hash in file.content_hashes)
    if not hashes:
        return []
    return [track for track in library.tracks(fingerprint) if track.content_hash in hashes]


def _varied(
    chosen: Iterator[int], heard: Heard, wanted: int | None, diversity: float
) -> Iterator[int]:
    n_pool = None if wanted is None else max(_SMALLEST_POOL, POOL * wanted)
    pool = np.array(list(itertools.islice(chosen, n_pool)), np.intp)
    order = diversify(heard.scores[pool], heard.places[pool], diversity)
    return iter(pool[order].tolist())


def _flowing(
    numbers: list[int],
    library: Library,
    fingerprint: str,
    tracks: Sequence[Track],
    heard: Heard,
) -> list[int]:
    ids = [tracks[i].id for i in numbers[:MOST]]
    ends = [features[[0, -1]] for _, features in library.features(ids, fingerprint)]
    if not ends:
        return numbers
    x = unit(np.stack(ends), heard.scale)
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
