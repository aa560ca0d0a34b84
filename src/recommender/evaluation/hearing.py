"""Tracks in memory as one recipe hears them; profiles learned from some, and scores of others."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender import profile as profiles
from recommender.evaluation.clips import Indices
from recommender.library import Library, Track
from recommender.parameters import Recipe
from recommender.profile import Features, Profile, ProfileEpoch, TrackRef

Floats = NDArray[np.float64]

MAX_TRACKS = 4_000
"""Of more other music this many are drawn, so that memory stays bounded (1 GB)."""

N_NEIGHBOURS = 3


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """Tracks as one recipe hears them.

    Attributes
    ----------
    recipe : Recipe
    fingerprint : str
        Of the features.
    tracks : tuple of TrackRef
    features : tuple of ndarray, each of shape (n_fragments, n_features)
    """

    recipe: Recipe
    fingerprint: str
    tracks: tuple[TrackRef, ...]
    features: tuple[Features, ...]

    def learn(
        self,
        liked: Indices,
        others: Indices,
        *,
        seed: int,
        on_epoch: Callable[[ProfileEpoch], None] | None = None,
    ) -> Profile:
        """Train a profile from some tracks against others."""
        named = [
            [(self.tracks[i], self.features[i]) for i in indices] for indices in (liked, others)
        ]
        return profiles.train(
            "evaluated",
            self.recipe.with_seed(seed),
            self.fingerprint,
            named[0],
            named[1],
            on_epoch=on_epoch,
        )

    def scores(self, profile: Profile, indices: Indices) -> Floats:
        """Score tracks as a ranking does, shape ``(n_indices,)``."""
        return profile.track_scores(
            [(self.tracks[i].content_hash, self.features[i]) for i in indices]
        )

    @functools.cached_property
    def means(self) -> Floats:
        """Mean features of each track, shape ``(n_tracks, n_features)``."""
        return np.array([features.mean(0, dtype=np.float64) for features in self.features])

    def directions(self, others: Indices) -> Floats:
        """Mean features of each track relative to those of the others, brought to length 1.

        Returns
        -------
        ndarray, shape (n_tracks, n_features)
            Products of its rows are cosines.
        """
        x = self.means - self.means[others].mean(0)
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        return np.asarray(x / np.maximum(norms, np.finfo(np.float64).tiny))


def hear(library: Library, tracks: Sequence[Track], recipe: Recipe, fingerprint: str) -> Hearing:
    """Read the features of tracks.

    Raises
    ------
    LibraryError
        If a track has none of this fingerprint.
    """
    refs = tuple(profiles.ref_of(track) for track in tracks)
    features = tuple(x for _, x in library.features([track.id for track in tracks], fingerprint))
    return Hearing(recipe=recipe, fingerprint=fingerprint, tracks=refs, features=features)


def at_most(
    tracks: Sequence[Track], others: Sequence[Track], *, seed: int = 0
) -> tuple[list[Track], list[str]]:
    """Put tracks and others together, of too many others a random part.

    Returns
    -------
    list of Track
        The tracks, then the others.
    notes : list of str
        What was left out, for the user.
    """
    if len(others) <= MAX_TRACKS:
        return [*tracks, *others], []
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(others), MAX_TRACKS, replace=False))
    note = f"of {len(others):,} tracks of other music {MAX_TRACKS:,} were drawn"
    return [*tracks, *(others[i] for i in chosen)], [note]


def centroid(directions: Floats, liked: Indices, candidates: Indices) -> Floats:
    """Baseline: mean cosine to the liked tracks, which orders as the cosine to their centroid."""
    return np.asarray(directions[candidates] @ directions[liked].mean(0))


def neighbours(directions: Floats, liked: Indices, candidates: Indices) -> Floats:
    """Baseline: mean cosine to the three liked tracks that are nearest to each candidate."""
    cosines = directions[candidates] @ directions[liked].T
    k = min(N_NEIGHBOURS, len(liked))
    return np.asarray(np.partition(cosines, -k, axis=1)[:, -k:].mean(1))
