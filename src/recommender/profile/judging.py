"""How well a profile finds tracks that it does not know, told from its own tracks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.errors import ProfileError
from recommender.library import Library
from recommender.profile.building import MIN_OTHER_TRACKS, gather, recall, recipe_of
from recommender.profile.learning import train
from recommender.profile.model import Profile
from recommender.profile.tracks import TrackRef

MIN_LIKED_TRACKS = 4
"""Fewer cannot be judged: too little would be left to learn from."""

N_FOLDS = 5
"""So often a profile is trained to judge it, or once for each liked track if there are fewer."""

N_FIRST = 20
"""Length of the list in which hidden tracks are looked for: a fifth of fewer than 100 tracks."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How a liked track fared while it was hidden.

    Attributes
    ----------
    track : TrackRef
    score : float
        By the profile that did not know that it is liked.
    share_below : float
        Share of the other music that scores lower, in [0, 1]; equal scores count half.
    """

    track: TrackRef
    score: float
    share_below: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """How well a profile finds what is liked.

    Attributes
    ----------
    tracks : tuple of Judged
        All liked tracks that the library holds, in the profile's order.
    n_others : int
        Tracks of other music that they were hidden among.
    """

    tracks: tuple[Judged, ...]
    n_others: int

    @property
    def auc(self) -> float:
        """Probability that a hidden track is above other music, in [0, 1]; chance is 0.5."""
        return float(np.mean([judged.share_below for judged in self.tracks]))

    @property
    def n_first(self) -> int:
        """Length of the list in which hidden tracks are looked for, see `N_FIRST`."""
        return min(N_FIRST, (self.n_others + 1) // 5)

    @property
    def n_found(self) -> int:
        """How many hidden tracks would be in that list, each alone among the other music."""
        ranks = [1 + (1 - judged.share_below) * self.n_others for judged in self.tracks]
        return sum(rank <= self.n_first + 1e-9 for rank in ranks)

    @property
    def n_found_by_chance(self) -> float:
        """How many would be in a list that was drawn by lot."""
        return len(self.tracks) * self.n_first / (self.n_others + 1)

    @property
    def outliers(self) -> tuple[Judged, ...]:
        """Liked tracks below the median of the other music, the lowest first."""
        low = [judged for judged in self.tracks if judged.share_below < 0.5]
        return tuple(sorted(low, key=lambda judged: judged.share_below))


def judge(
    library: Library, profile: Profile, *, on_fold: Callable[[int, int], None] | None = None
) -> Judgement:
    """Hide the liked tracks in turn among the other music, and see whether they are found.

    For each fold, a profile is trained by the same recipe from the liked tracks of the other folds
    (cross-validation). It takes the hidden ones for other music, as it would any track of the
    library that nobody has spoken of yet, and scores both in the same way.

    Parameters
    ----------
    library : Library
    profile : Profile
    on_fold : callable, optional
        Called with (done, total).

    Raises
    ------
    ProfileError
        If the library holds fewer than 4 of the liked tracks, or fewer than 20 others.
    """
    known, recipe = recall(library, profile), recipe_of(profile)
    material = gather(
        library,
        profile.fingerprint,
        known.liked,
        disliked=known.disliked,
        missing=known.missing,
        recipe=recipe,
    )
    liked, others = material.liked, material.others
    if len(liked) < MIN_LIKED_TRACKS or len(others) < MIN_OTHER_TRACKS:
        raise ProfileError(
            f"profile {profile.name!r} cannot be judged: that takes at least {MIN_LIKED_TRACKS}"
            f" liked tracks and {MIN_OTHER_TRACKS} others in the library, not {len(liked)} and"
            f" {len(others)}; like more, or scan more music"
        )
    n_folds = min(N_FOLDS, len(liked))
    order = np.random.default_rng(recipe.learner.seed).permutation(len(liked))
    found: dict[int, Judged] = {}
    for fold in range(n_folds):
        hidden = sorted(order[fold::n_folds].tolist())
        rest = [named for i, named in enumerate(liked) if i not in hidden]
        judging = train(
            profile.name,
            recipe,
            profile.fingerprint,
            rest,
            [*others, *(liked[i] for i in hidden)],
            disliked=material.disliked,
        )
        below = judging.track_scores([(ref.content_hash, x) for ref, x in others])
        for i in hidden:
            ref, x = liked[i]
            score = judging.track_score(x, ref.content_hash)
            share = np.mean((below < score) + 0.5 * (below == score))
            found[i] = Judged(track=ref, score=score, share_below=float(share))
        if on_fold is not None:
            on_fold(fold + 1, n_folds)
    return Judgement(tracks=tuple(found[i] for i in range(len(liked))), n_others=len(others))


def track_scores(
    library: Library, profile: Profile, tracks: Sequence[TrackRef]
) -> list[float | None]:
    """Score tracks that a profile knows; ``None``: the library does not hold the track."""
    hashes = {ref.content_hash for ref in tracks}
    rows = library.rows(profile.fingerprint, content_hashes=hashes, missing=True)
    ids = {row.content_hash.hex(): row.id for row in rows}
    held = [ref for ref in tracks if ref.content_hash in ids]
    features = library.features((ids[ref.content_hash] for ref in held), profile.fingerprint)
    scores = {
        ref.content_hash: profile.track_score(x, ref.content_hash)
        for ref, (_, x) in zip(held, features, strict=True)
    }
    return [scores.get(ref.content_hash) for ref in tracks]
