"""From liked, disliked and other tracks to a profile, by any recipe."""

import dataclasses
import datetime
from collections.abc import Callable, Sequence

import threadpoolctl

from recommender.errors import ProfileError
from recommender.parameters import NearnessParams, Recipe
from recommender.profile import nearness, network
from recommender.profile.model import Negatives, Profile, mean_score
from recommender.profile.network import ProfileEpoch
from recommender.profile.tracks import Features, Named


def train(
    name: str,
    recipe: Recipe,
    fingerprint: str,
    liked: Sequence[Named],
    others: Sequence[Named],
    *,
    disliked: Sequence[Named] = (),
    pool: Sequence[Features] = (),
    on_epoch: Callable[[ProfileEpoch], None] | None = None,
) -> Profile:
    """Learn what somebody likes.

    Parameters
    ----------
    name : str
    recipe : Recipe
    fingerprint : str
        Of all features given here.
    liked : sequence of (TrackRef, ndarray)
        Tracks of the playlist with their features.
    others : sequence of (TrackRef, ndarray)
        Other tracks, none of them in the playlist.
    disliked : sequence of (TrackRef, ndarray), optional
    pool : sequence of ndarray, optional
        Features of the shipped pool, if it is needed.
    on_epoch : callable, optional
        Called after each epoch of a network.

    Returns
    -------
    Profile

    Raises
    ------
    ProfileError
        If there is nothing liked, or nothing else.
    """
    if not liked:
        raise ProfileError(f"profile {name!r}: no track of the playlist could be analysed")
    if not others and not pool:
        raise ProfileError(
            f"profile {name!r}: there is no other music to tell the playlist from; name some with"
            " --library"
        )
    history: list[ProfileEpoch] = []

    def report(epoch: ProfileEpoch) -> None:
        history.append(epoch)
        if on_epoch is not None:
            on_epoch(epoch)

    # The products are small: a second thread would wait more than it works.
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        return _train(name, recipe, fingerprint, liked, others, disliked, pool, history, report)


def _train(
    name: str,
    recipe: Recipe,
    fingerprint: str,
    liked: Sequence[Named],
    others: Sequence[Named],
    disliked: Sequence[Named],
    pool: Sequence[Features],
    history: list[ProfileEpoch],
    report: Callable[[ProfileEpoch], None],
) -> Profile:
    learner = recipe.learner
    if isinstance(learner, NearnessParams):
        tensors = nearness.learn(liked, others, disliked, pool, learner)
    else:
        tensors = network.learn(liked, others, disliked, pool, learner, report)
    profile = Profile(
        name=name,
        recipe=recipe.name,
        fingerprint=fingerprint,
        learner=learner,
        tensors=tensors,
        liked=tuple(track for track, _ in liked),
        disliked=tuple(track for track, _ in disliked),
        negatives=_origin(others, pool),
        n_negative_tracks=len(others) + len(pool),
        history=tuple(history),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return dataclasses.replace(
        profile,
        liked_score=mean_score(profile, liked),
        other_score=mean_score(profile, others),
    )


def _origin(others: Sequence[Named], pool: Sequence[Features]) -> Negatives:
    if not pool:
        return "library"
    return "library and shipped pool" if others else "shipped pool"
