"""Profiles as the API makes, shows and changes them."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from recommender import preprocessor as preprocessors
from recommender import profile as profiles
from recommender.errors import ProfileError
from recommender.library import Track, track_of
from recommender.parameters import RECIPES
from recommender.profile import Change, Profile, TrackRef
from recommender.web import schemas
from recommender.web.browsing import Browser
from recommender.web.common import unknown
from recommender.web.problems import Problem
from recommender.web.texts import path_of, shown

Opinion = Literal["liked", "disliked", "neither"]


def is_new(library: Browser, wanted: schemas.ProfileRequest) -> bool:
    """Tell whether a folder that is wanted was not analysed yet."""
    fingerprint = _network(wanted.recipe).fingerprint
    return any(
        next(library.rows(fingerprint, [path_of(text)]), None) is None for text in wanted.folders
    )


def make(library: Browser, home: Path, wanted: schemas.ProfileRequest) -> Profile:
    """Make and save a profile of tracks that the library has analysed."""
    fingerprint = _network(wanted.recipe).fingerprint
    folders = [path_of(text) for text in wanted.folders]
    liked = library.tracks(fingerprint, folders) if folders else []
    named = _tracks(library, fingerprint, [*wanted.tracks, *wanted.dislike])
    disliked = [named[i] for i in dict.fromkeys(wanted.dislike)]
    out = {track.id for track in disliked}
    by_id = {track.id: track for track in [*liked, *(named[i] for i in wanted.tracks)]}
    return _make(
        library,
        home,
        wanted.name,
        [track for track in by_id.values() if track.id not in out],
        disliked,
        wanted.recipe,
    )


def make_from(library: Browser, home: Path, name: str, liked: Sequence[Track]) -> Profile:
    """Make and save a profile of tracks that have features of the default preprocessor."""
    return _make(library, home, name, liked, [], "default")


def _make(
    library: Browser,
    home: Path,
    name: str,
    liked: Sequence[Track],
    disliked: Sequence[Track],
    recipe: str,
) -> Profile:
    if not liked:
        raise ProfileError("no track there that can be used; name music that you like")
    network = _network(recipe)
    profile = profiles.build(
        library,
        name,
        RECIPES[recipe].suited(whitened=network.fusion is not None),
        network.fingerprint,
        liked,
        disliked=disliked,
    )
    profiles.replace(profiles.path_of(name, home), profile)
    return profile


def give(
    library: Browser, path: Path, profile: Profile, given: schemas.Feedback
) -> schemas.FeedbackAnswer:
    """Have a profile learn from opinions, save it, and tell what changed."""
    ids = [*given.like, *given.dislike, *given.forget]
    if len(set(ids)) < len(ids):
        raise Problem(422, "a track is named twice; decide on one opinion")
    if not ids:
        raise Problem(422, "no track is named")
    tracks = _tracks(library, profile.fingerprint, ids)
    now, told = profile, list[schemas.Changed]()
    forgotten = profiles.find_known(profile, [], [tracks[i] for i in given.forget])
    liked, disliked = ([tracks[i] for i in some] for some in (given.like, given.dislike))
    # What is liked first: a profile that likes nothing is none.
    changes: list[tuple[Opinion, Callable[[Profile], Change]]] = [
        ("liked", lambda now: profiles.like(library, now, liked)),
        ("disliked", lambda now: profiles.dislike(library, now, disliked)),
        ("neither", lambda now: profiles.forget(library, now, forgotten)),
    ]
    for opinion, change in changes:
        found = change(now)
        now = found.profile
        numbers = {track.content_hash: track.id for track in tracks.values()}
        told += [
            schemas.Changed(
                id=numbers.get(ref.content_hash),
                path=shown(ref.path),
                opinion=opinion,
                score_before=before,
                score_after=after,
            )
            for ref, before, after in zip(
                found.tracks, found.scores_before, found.scores_after, strict=True
            )
        ]
    if told:
        try:
            profiles.replace(path, now, before=profile)
        except ProfileError as error:
            raise Problem(409, str(error)) from None
    return schemas.FeedbackAnswer(profile=summary(path.stem, now), changes=told)


def summary(name: str, profile: Profile) -> schemas.ProfileSummary:
    """Return a profile as it is listed."""
    return schemas.ProfileSummary(
        name=name,
        created_at=profile.created,
        recipe=profile.recipe,
        n_liked=len(profile.liked),
        n_disliked=len(profile.disliked),
    )


def details(library: Browser, path: Path, profile: Profile) -> schemas.ProfileDetails:
    """Return all that is known of a profile."""
    heard_others = profile.negatives != "shipped pool"
    return schemas.ProfileDetails(
        name=path.stem,
        created_at=profile.created,
        recipe=profile.recipe,
        fingerprint=profile.fingerprint,
        n_liked=len(profile.liked),
        n_disliked=len(profile.disliked),
        n_others=profile.n_negative_tracks,
        others_from=profile.negatives,
        liked_score=profile.liked_score,
        other_score=profile.other_score if heard_others else None,
        n_earlier=len(profiles.earlier(path)),
        sentences=_sentences(path.stem, profile),
        liked=_known(library, profile, profile.liked),
        disliked=_known(library, profile, profile.disliked),
    )


def quality(library: Browser, profile: Profile) -> schemas.Quality:
    """Judge a profile by hiding what is liked; remembered while nothing changes."""
    key = (profile.digest, library.path, library.state())
    if (found := _judged.get(key)) is not None:
        return found
    judgement = profiles.judge(library, profile)
    n, n_others = len(judgement.tracks), judgement.n_others
    answer = schemas.Quality(
        auc=judgement.auc,
        n_hidden=n,
        n_found=judgement.n_found,
        n_first=judgement.n_first,
        n_others=n_others,
        n_found_by_chance=judgement.n_found_by_chance,
        sentences=[
            f"{n} liked tracks were hidden in turn, then looked for among {n_others} others.",
            f"{judgement.n_found} of {n} would be in the first {judgement.n_first} of"
            f" {n_others + 1}; by chance it would be {judgement.n_found_by_chance:.1f}.",
            f"On average a hidden track scores above {judgement.auc:.0%} of the others; by chance"
            " it would be 50 %.",
        ],
        outliers=[
            schemas.HiddenTrack(
                path=shown(judged.track.path), score=judged.score, share_below=judged.share_below
            )
            for judged in judgement.outliers
        ],
    )
    while len(_judged) >= _N_JUDGED:
        _judged.pop(next(iter(_judged)), None)
    _judged[key] = answer
    return answer


_N_JUDGED = 100
_judged: dict[object, schemas.Quality] = {}


def _sentences(name: str, profile: Profile) -> list[str]:
    n, n_disliked = len(profile.liked), len(profile.disliked)
    heard_others = profile.negatives != "shipped pool"
    said = [
        f"{name} likes {_counted(n, 'track')}"
        + (f" and dislikes {n_disliked}" if n_disliked else "")
        + f"; it learned what sets them apart from {_counted(profile.n_negative_tracks, 'other')}.",
        f"The liked tracks score {profile.liked_score:.2f} on average"
        + (f", the others {profile.other_score:.2f}." if heard_others else ".")
        + " 0.5 says nothing, towards 1 is liked.",
    ]
    if profile.negatives != "library":
        said.append(
            "There was little other music in the library, so music that the program brings along"
            " stood in; scan more, and like something again."
        )
    return said


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n:,} {what}s"


def _known(library: Browser, profile: Profile, refs: Sequence[TrackRef]) -> list[schemas.Known]:
    rows = list(
        library.rows(profile.fingerprint, content_hashes={ref.content_hash for ref in refs})
    )
    tracks = {track.content_hash: track for track in map(track_of, reversed(rows))}
    held = [tracks[ref.content_hash] for ref in refs if ref.content_hash in tracks]
    features = library.features([track.id for track in held], profile.fingerprint)
    scores = profile.track_scores(
        [(track.content_hash, x) for track, (_, x) in zip(held, features, strict=True)]
    )
    by_hash = dict(zip((track.content_hash for track in held), scores.tolist(), strict=True))
    return [
        schemas.Known(
            id=track.id if (track := tracks.get(ref.content_hash)) else None,
            path=shown(ref.path),
            title=track.title if track else None,
            artist=track.artist if track else None,
            start_s=ref.start_s,
            end_s=ref.end_s,
            score=by_hash.get(ref.content_hash),
        )
        for ref in refs
    ]


def _tracks(library: Browser, fingerprint: str, ids: Sequence[int]) -> dict[int, Track]:
    """Return tracks by their numbers; 404 if there is none with features of the fingerprint."""
    rows = reversed(list(library.rows(fingerprint, ids=set(ids))))
    found = {row.id: track_of(row) for row in rows}
    unknown(ids, list(found))
    return found


@lru_cache
def _network(recipe: str) -> preprocessors.Preprocessor:
    return preprocessors.load(RECIPES[recipe].preprocessor)
