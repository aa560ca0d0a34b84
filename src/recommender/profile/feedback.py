"""Feedback: tracks become liked or disliked, or neither, and the profile learns again at once."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.errors import ProfileError
from recommender.library import Library, Track
from recommender.profile.building import rebuild, recall, ref_of
from recommender.profile.judging import track_scores
from recommender.profile.model import Profile
from recommender.profile.network import ProfileEpoch
from recommender.profile.tracks import TrackRef

OnEpoch = Callable[[ProfileEpoch], None]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What feedback changed.

    Attributes
    ----------
    profile : Profile
        Not saved yet; the one that was given, if nothing changed.
    tracks : tuple of TrackRef
        Those that are now what they were not before.
    scores_before, scores_after : tuple of (float or None)
        Scores of these tracks; ``None``: the library does not hold the track.
    missing : tuple of TrackRef
        Tracks of the profile that it could not learn from, since the library does not hold them.
    """

    profile: Profile
    tracks: tuple[TrackRef, ...]
    scores_before: tuple[float | None, ...] = ()
    scores_after: tuple[float | None, ...] = ()
    missing: tuple[TrackRef, ...] = ()

    @property
    def score_before(self) -> float | None:
        """Mean score of the tracks before; ``None`` without any."""
        return _mean(self.scores_before)

    @property
    def score_after(self) -> float | None:
        """Mean score of the tracks after; ``None`` without any."""
        return _mean(self.scores_after)


def like(
    library: Library, profile: Profile, tracks: Sequence[Track], *, on_epoch: OnEpoch | None = None
) -> Change:
    """Add tracks to what is liked; disliked ones are no longer so.

    The profile is the same as one that is built from all its tracks at once.

    Parameters
    ----------
    library : Library
    profile : Profile
    tracks : sequence of Track
        Of the library, with features of the profile's fingerprint.
    on_epoch : callable, optional

    Raises
    ------
    ProfileError
        If none of the liked tracks is in the library.
    """
    new = _without(map(ref_of, tracks), profile.liked)
    return _learn(
        library, profile, [*profile.liked, *new], _without(profile.disliked, new), new, on_epoch
    )


def dislike(
    library: Library, profile: Profile, tracks: Sequence[Track], *, on_epoch: OnEpoch | None = None
) -> Change:
    """Add tracks to what is disliked; liked ones are no longer so. See `like`.

    Raises
    ------
    ProfileError
        If nothing would be left that is liked.
    """
    new = _without(map(ref_of, tracks), profile.disliked)
    return _learn(
        library, profile, _without(profile.liked, new), [*profile.disliked, *new], new, on_epoch
    )


def forget(
    library: Library,
    profile: Profile,
    tracks: Sequence[TrackRef],
    *,
    on_epoch: OnEpoch | None = None,
) -> Change:
    """Take tracks out of what is liked or disliked: they are other music again. See `like`.

    Parameters
    ----------
    library : Library
    profile : Profile
    tracks : sequence of TrackRef
        Of the profile, see `find_known`.
    on_epoch : callable, optional

    Raises
    ------
    ProfileError
        If nothing would be left that is liked.
    """
    return _learn(
        library,
        profile,
        _without(profile.liked, tracks),
        _without(profile.disliked, tracks),
        tracks,
        on_epoch,
    )


def _learn(
    library: Library,
    profile: Profile,
    liked: Sequence[TrackRef],
    disliked: Sequence[TrackRef],
    changed: Sequence[TrackRef],
    on_epoch: OnEpoch | None,
) -> Change:
    if not changed:
        return Change(profile=profile, tracks=())
    if not liked:
        raise ProfileError(
            f"profile {profile.name!r}: nothing that is liked would be left; like something else"
            " first, or delete the profile"
        )
    asked = dataclasses.replace(profile, liked=tuple(liked), disliked=tuple(disliked))
    after = rebuild(library, asked, on_epoch=on_epoch)
    scores = [track_scores(library, version, changed) for version in (profile, after)]
    return Change(
        profile=after,
        tracks=tuple(changed),
        scores_before=tuple(scores[0]),
        scores_after=tuple(scores[1]),
        missing=recall(library, after).missing,
    )


def _without(refs: Iterable[TrackRef], others: Sequence[TrackRef]) -> list[TrackRef]:
    hashes = {ref.content_hash for ref in others}
    return [ref for ref in refs if ref.content_hash not in hashes]


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if known else None
