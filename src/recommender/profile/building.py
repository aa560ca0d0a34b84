"""Job one: from tracks of a library to a profile."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from recommender.errors import ProfileError
from recommender.library import Library, Row, Track, track_of
from recommender.parameters import RECIPES, NearnessParams, Recipe
from recommender.profile.learning import train
from recommender.profile.model import Profile
from recommender.profile.negatives import load_shipped
from recommender.profile.network import ProfileEpoch
from recommender.profile.tracks import Features, TrackRef, draw

MIN_OTHER_TRACKS = 20
"""With fewer other tracks in the library, the shipped pool joins the negatives."""

ENOUGH_OTHER_TRACKS = 200
"""With fewer, a profile learns anew once the library has grown to twice as many."""

MAX_OTHER_TRACKS = 4000
"""Of a larger library networks hear so many at random, so that memory stays bounded (1 GB)."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a profile learns from: tracks with their features ``(n_fragments, n_features)``.

    Attributes
    ----------
    liked, disliked, others : list of (TrackRef, ndarray)
        Others are a random choice, if the library holds very many.
    pool : list of ndarray
        Features of the shipped pool, if there are few others.
    """

    liked: list[tuple[TrackRef, Features]]
    disliked: list[tuple[TrackRef, Features]]
    others: list[tuple[TrackRef, Features]]
    pool: list[Features]


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """A profile's tracks in the library as it is now.

    Attributes
    ----------
    liked, disliked : list of Track
        In the library's order.
    missing : tuple of TrackRef
        Those of both that the library does not hold: gone, or divided otherwise by now.
    """

    liked: list[Track]
    disliked: list[Track]
    missing: tuple[TrackRef, ...]


def build(
    library: Library,
    name: str,
    recipe: Recipe,
    fingerprint: str,
    liked: Sequence[Track],
    *,
    disliked: Sequence[Track] = (),
    missing: Sequence[TrackRef] = (),
    on_epoch: Callable[[ProfileEpoch], None] | None = None,
) -> Profile:
    """Train a profile on tracks that the library has analysed.

    Parameters
    ----------
    library : Library
        All its tracks but the liked ones are the negatives.
    name : str
    recipe : Recipe
    fingerprint : str
        Of the features to use.
    liked, disliked : sequence of Track
        Of this library. Disliked tracks are negatives in every epoch.
    missing : sequence of TrackRef, optional
        Tracks that are known, but not in the library as they were: what lies in their files now is
        no negative either.
    on_epoch : callable, optional

    Returns
    -------
    Profile
        Not saved yet.

    Raises
    ------
    ProfileError
        If nothing is liked, or a track is both liked and disliked.
    """
    material = gather(
        library,
        fingerprint,
        liked,
        disliked=disliked,
        missing=missing,
        recipe=recipe,
    )
    return train(
        name,
        recipe,
        fingerprint,
        material.liked,
        material.others,
        disliked=material.disliked,
        pool=material.pool,
        on_epoch=on_epoch,
    )


def gather(
    library: Library,
    fingerprint: str,
    liked: Sequence[Track],
    *,
    recipe: Recipe,
    disliked: Sequence[Track] = (),
    missing: Sequence[TrackRef] = (),
) -> Material:
    """Read what a profile learns from; for parameters and errors see `build`."""
    liked_ids, disliked_ids = {t.id for t in liked}, {t.id for t in disliked}
    if both := [track for track in liked if track.id in disliked_ids]:
        raise ProfileError(f"{both[0].path}: is both liked and disliked; decide on one")
    known, places = liked_ids | disliked_ids, {ref.path for ref in missing}
    learner = recipe.learner
    n_most = learner.n_others if isinstance(learner, NearnessParams) else MAX_OTHER_TRACKS
    candidates = (
        (row.content_hash.hex(), row)
        for row in _recordings(library.rows(fingerprint))
        if row.id not in known and os.fsdecode(row.path) not in places
    )
    others = [track_of(row) for row in draw(candidates, n_most, learner.seed)]
    return Material(
        liked=_features(library, liked, fingerprint),
        disliked=_features(library, disliked, fingerprint),
        others=_features(library, others, fingerprint),
        pool=load_shipped(fingerprint) if len(others) < MIN_OTHER_TRACKS else [],
    )


def n_others(recipe: Recipe) -> int:
    """Return how many tracks of the other music are heard at most."""
    learner = recipe.learner
    return learner.n_others if isinstance(learner, NearnessParams) else MAX_OTHER_TRACKS


def should_relearn(library: Library, profile: Profile) -> bool:
    """Tell whether a profile knew too little other music, and the library now holds more.

    Too little is the shipped pool, or fewer than 200 tracks where there are now twice as many.
    """
    if profile.negatives == "library" and profile.n_negative_tracks >= ENOUGH_OTHER_TRACKS:
        return False
    known = recall(library, profile)
    n_known = len(known.liked) + len(known.disliked)
    n_others = sum(1 for _ in _recordings(library.rows(profile.fingerprint))) - n_known
    n_before = profile.n_negative_tracks if profile.negatives == "library" else 0
    has_more = n_others >= max(MIN_OTHER_TRACKS, 2 * n_before)
    return len(known.liked) == len(profile.liked) and has_more


def rebuild(
    library: Library, profile: Profile, *, on_epoch: Callable[[ProfileEpoch], None] | None = None
) -> Profile:
    """Train a profile again from its tracks, against the library as it is now.

    Tracks that are not in the library are not learned from, but stay the profile's. The order in
    which tracks became liked or disliked makes no difference.

    Raises
    ------
    ProfileError
        If none of the liked tracks is in the library.
    """
    known = recall(library, profile)
    if not known.liked:
        raise ProfileError(
            f"profile {profile.name!r}: none of its liked tracks is in the library; scan the"
            " folders that they are in, or build it again"
        )
    found = build(
        library,
        profile.name,
        recipe_of(profile),
        profile.fingerprint,
        known.liked,
        disliked=known.disliked,
        missing=known.missing,
        on_epoch=on_epoch,
    )
    missing = {ref.content_hash for ref in known.missing}
    kept = [
        tuple(sorted([*now, *(r for r in before if r.content_hash in missing)], key=_place))
        for now, before in ((found.liked, profile.liked), (found.disliked, profile.disliked))
    ]
    return dataclasses.replace(found, liked=kept[0], disliked=kept[1])


def recipe_of(profile: Profile) -> Recipe:
    """Return the recipe that a profile was trained by."""
    return dataclasses.replace(RECIPES[profile.recipe], learner=profile.learner)


def recall(library: Library, profile: Profile) -> Recalled:
    """Find a profile's liked and disliked tracks in the library."""
    liked = {ref.content_hash for ref in profile.liked}
    disliked = {ref.content_hash for ref in profile.disliked}
    # What was heard of a file can be learned from while its drive is away.
    rows = library.rows(profile.fingerprint, content_hashes=liked | disliked, missing=True)
    tracks = [track_of(row) for row in _recordings(rows)]
    held = {track.content_hash for track in tracks}
    return Recalled(
        liked=[track for track in tracks if track.content_hash in liked],
        disliked=[track for track in tracks if track.content_hash in disliked],
        missing=tuple(
            ref for ref in profile.liked + profile.disliked if ref.content_hash not in held
        ),
    )


def ref_of(track: Track) -> TrackRef:
    """Name a track of the library as profiles do."""
    return TrackRef(
        content_hash=track.content_hash,
        path=str(track.path),
        start_s=track.start_s,
        end_s=track.end_s,
    )


def _recordings(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield each recording once, with its first file."""
    seen: set[int] = set()
    for row in rows:
        if row.id not in seen:
            seen.add(row.id)
            yield row


def _place(ref: TrackRef) -> tuple[bytes, float]:
    return os.fsencode(ref.path), ref.start_s or 0.0


def _features(
    library: Library, tracks: Sequence[Track], fingerprint: str
) -> list[tuple[TrackRef, Features]]:
    refs = {track.id: ref_of(track) for track in tracks}
    return [(refs[i], features) for i, features in library.features(list(refs), fingerprint)]
