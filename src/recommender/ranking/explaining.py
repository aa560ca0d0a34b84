"""Why a track has its score: fragment by fragment, beside what is liked and what is not."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.library import Library, Track
from recommender.profile import Features, Profile, TrackRef
from recommender.profile.building import build, recall, recipe_of, ref_of
from recommender.ranking.choosing import columns
from recommender.ranking.listening import spans
from recommender.ranking.neighbours import Alike, Compared, Neighbour, compare
from recommender.ranking.scoring import Scorer

N_TOP = 20
"""Places at the top of a ranking that a listener looks at."""

_N_MARKED = 3  # best fragments, worst fragments


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """A fragment of the track in question.

    Attributes
    ----------
    start_s, end_s : float
        Where it lies in its file, in seconds.
    score : float
        In [0, 1].
    """

    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a track has its score.

    Attributes
    ----------
    track : Track
    is_liked : bool
        Whether the profile learned from it as liked.
    disliked : frozenset of str
        Content hashes of what it learned from as disliked.
    fragments : tuple of Fragment
        All that were heard, in the order of time.
    best, worst : dict of int to tuple of Neighbour
        Numbers of the best fragments, the best first, with those of liked tracks that are nearest
        to them; and of the worst fragments, the worst first, with those of other music. Each track
        is named once for a fragment, the nearest first.
    liked : tuple of Alike
        The other liked tracks that the library holds, the nearest first.
    others : tuple of Alike
        The other music that is nearest, the nearest first; disliked tracks among it.
    of_the_best : ndarray, shape (n_fragments,)
        Score that the track would have if it had only its best fragment, its best two, ...
    other_scores : ndarray, shape (n_others,)
        Of all other tracks that are neither liked nor disliked, falling.
    """

    track: Track
    is_liked: bool
    disliked: frozenset[str]
    fragments: tuple[Fragment, ...]
    best: dict[int, tuple[Neighbour, ...]]
    worst: dict[int, tuple[Neighbour, ...]]
    liked: tuple[Alike, ...]
    others: tuple[Alike, ...]
    of_the_best: NDArray[np.float64]
    other_scores: NDArray[np.float64]

    @property
    def is_disliked(self) -> bool:
        """Whether the profile learned from it as disliked."""
        return self.track.content_hash in self.disliked

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores of the fragments in the order of time."""
        return np.array([fragment.score for fragment in self.fragments])

    @property
    def score(self) -> float:
        """Of the track."""
        return float(self.of_the_best[-1])

    @property
    def place(self) -> int:
        """Place in a ranking of this track and all others, counted from 1."""
        return 1 + int((self.other_scores > self.score).sum())

    @property
    def n_ranked(self) -> int:
        """Tracks in that ranking."""
        return 1 + len(self.other_scores)

    @property
    def share_below(self) -> float:
        """Share of the other tracks whose score is lower, in [0, 1]; NaN without any."""
        below = self.other_scores < self.score
        return float(below.mean()) if len(below) else math.nan

    @property
    def score_for_top(self) -> float | None:
        """Score of the last track in the first 20 places; ``None`` if this track is there."""
        return None if self.place <= N_TOP else float(self.other_scores[N_TOP - 1])

    @property
    def score_without_worst(self) -> float | None:
        """Score without the worst fragments; ``None`` if there are none to speak of."""
        return float(self.of_the_best[-1 - len(self.worst)]) if self.worst else None

    def n_to_leave_out(self, goal: float) -> int | None:
        """Count the worst fragments without which the score would be above a goal.

        Returns
        -------
        int or None
            0: it is above as it is; ``None``: not even the best fragment is.
        """
        enough = np.flatnonzero(self.of_the_best > goal)
        return len(self.of_the_best) - 1 - int(enough[-1]) if len(enough) else None


def explain(
    profile: Profile,
    library: Library,
    track: Track,
    fragment_s: float,
    *,
    on_track: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Explain the score of a track.

    Parameters
    ----------
    profile : Profile
    library : Library
        Has features of the track; the more it has of what is liked and of other music, the more can
        be said.
    track : Track
        Of this library.
    fragment_s : float
        Distance between the starts of two fragments of the profile's preprocessor, in seconds.
    on_track : callable, optional
        Called with (done, total) while other tracks are scored.
    """
    features = _features(library, profile, track)
    scores = profile.scores(features, track.content_hash)
    fragments = [
        Fragment(start_s=start_s, end_s=end_s, score=score)
        for (start_s, end_s), score in zip(
            spans(track, fragment_s), scores.astype(np.float64).tolist(), strict=True
        )
    ]
    falling = np.argsort(-scores, kind="stable").tolist()
    best = falling[: min(_N_MARKED, math.ceil(len(falling) / 2))]
    worst = falling[::-1][: min(_N_MARKED, len(falling) - len(best))]

    liked_hashes = {ref.content_hash for ref in profile.liked}
    disliked = frozenset(ref.content_hash for ref in profile.disliked)
    candidates = columns(b for b in library.briefs(profile.fingerprint) if b.id != track.id)
    scorer = Scorer([(profile, 1.0)], library, candidates, on_track=on_track)
    track_scores = scorer.all()

    def among(hashes: Collection[str]) -> NDArray[np.bool]:
        rows = library.rows(profile.fingerprint, content_hashes=hashes)
        return np.isin(candidates.ids, [row.id for row in rows])

    def near(chosen: NDArray[np.bool], fragments: Sequence[int]) -> Compared:
        return compare(
            library,
            profile.fingerprint,
            candidates[chosen],
            track_scores[chosen],
            features,
            fragments,
        )

    is_liked = among(liked_hashes)
    near_liked, near_others = near(is_liked, best), near(~is_liked, worst)
    return Explanation(
        track=track,
        is_liked=track.content_hash in liked_hashes,
        disliked=disliked,
        fragments=tuple(fragments),
        best={i: near_liked.neighbours(j, fragment_s) for j, i in enumerate(best)},
        worst={i: near_others.neighbours(j, fragment_s) for j, i in enumerate(worst)},
        liked=near_liked.alike(len(near_liked.ids)),
        others=near_others.alike(_N_MARKED),
        of_the_best=np.array(
            [profile.pooled(scores[falling[:n]], [n])[0] for n in range(1, len(falling) + 1)]
        ),
        other_scores=np.sort(track_scores[~is_liked & ~among(disliked)])[::-1],
    )


@dataclass(frozen=True, kw_only=True)
class Without:
    """What a profile that learned from fewer tracks would say.

    Attributes
    ----------
    tracks : tuple of Track
        Liked tracks that were left out.
    score, score_with_all : float
        Of the track in question, if the profile learns anew without them, and with them.
    """

    tracks: tuple[Track, ...]
    score: float
    score_with_all: float


def learn_without(
    profile: Profile, library: Library, explanation: Explanation, n_most: int
) -> Without | None:
    """Train a profile again as if it had never met the liked tracks that are nearest to a track.

    They count neither as liked nor as other music. For comparison the profile is also trained again
    with all, since the library may have changed.

    Parameters
    ----------
    profile, library
    explanation : Explanation
        Of the track.
    n_most : int
        Leave out so many, but at most half of what is liked.

    Returns
    -------
    Without or None
        ``None`` if too little is liked to leave any out.
    """
    known = recall(library, profile)
    tracks = tuple(near.track for near in explanation.liked[: min(n_most, len(known.liked) // 2)])
    if not tracks:
        return None
    gone = {track.id for track in tracks}
    features = _features(library, profile, explanation.track)

    def score(liked: Sequence[Track], missing: Sequence[TrackRef]) -> float:
        trained = build(
            library,
            profile.name,
            recipe_of(profile),
            profile.fingerprint,
            liked,
            disliked=known.disliked,
            missing=missing,
        )
        return trained.track_score(features, explanation.track.content_hash)

    rest = [track for track in known.liked if track.id not in gone]
    return Without(
        tracks=tracks,
        score=score(rest, [*known.missing, *map(ref_of, tracks)]),
        score_with_all=score(known.liked, known.missing),
    )


def _features(library: Library, profile: Profile, track: Track) -> Features:
    ((_, features),) = library.features([track.id], profile.fingerprint)
    return features
