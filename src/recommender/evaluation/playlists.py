"""How good recommendations are for somebody's own playlists: hide a part, see where it is found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ParameterError
from recommender.evaluation import hearing as baselines
from recommender.evaluation import metrics
from recommender.evaluation.clips import Indices
from recommender.evaluation.hearing import Floats, Hearing
from recommender.evaluation.results import Interval

MAX_FIRST = 20
"""How long the list is that is looked at, if there are five times as many candidates."""

MIN_OTHERS = 20
"""With less other music, being found among it would tell nothing."""

PROFILE: Final = "profile"
METHODS: Final = {
    PROFILE: "as a ranking with this recipe does",
    "centroid": "nearness to the middle of the known tracks, nothing learned",
    "nearest": "nearness to the three nearest known tracks, nothing learned",
    "random": "a random order",
}
"""Ways to score candidates, and what they do; all but the first are there to be beaten."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One playlist, one draw of what is hidden.

    Attributes
    ----------
    playlist : str
    seed : int
    liked, hidden, candidates : ndarray of int
        Sorted indices of tracks; the hidden ones are candidates, the liked ones are not.
    scores : dict of str to ndarray, shape (n_candidates,)
        By the names in `METHODS`.
    """

    playlist: str
    seed: int
    liked: Indices
    hidden: Indices
    candidates: Indices
    scores: Mapping[str, Floats]

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """Which candidates are hidden ones, shape ``(n_candidates,)``."""
        return np.isin(self.candidates, self.hidden)

    def found(self, k: int, method: str = PROFILE) -> float:
        """How many hidden tracks are in the first `k`; of equal scores the mean over orders."""
        return metrics.recall(self.scores[method], self.relevant, k) * len(self.hidden)

    def chance(self, k: int) -> float:
        """How many would be there in a random order."""
        return len(self.hidden) * min(1.0, k / len(self.candidates))

    def ranks(self) -> Floats:
        """Rank of each hidden track for the profile, from 1; equal scores share the middle one."""
        scores = self.scores[PROFILE]
        mine = scores[np.searchsorted(self.candidates, self.hidden)]
        above = (scores[None] > mine[:, None]).sum(1)
        equal = (scores[None] == mine[:, None]).sum(1)
        return np.asarray(above + (equal + 1) / 2)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All trials, those of a playlist one after another, as many for each."""

    trials: tuple[Trial, ...]

    @property
    def playlists(self) -> tuple[str, ...]:
        """Names, in the order in which they were given."""
        return tuple(dict.fromkeys(trial.playlist for trial in self.trials))

    @property
    def k(self) -> int:
        """Length of the list that is looked at: 20, or a fifth of the fewest candidates."""
        fewest = min(len(trial.candidates) for trial in self.trials)
        return max(1, min(MAX_FIRST, fewest // 5))

    def of(self, playlist: str) -> tuple[Trial, ...]:
        """Trials of one playlist."""
        return tuple(trial for trial in self.trials if trial.playlist == playlist)

    def values(self, metric: str, method: str = PROFILE) -> Floats:
        """One of `metrics_of` for every trial, shape ``(n_playlists, n_seeds)``."""
        measure = metrics_of(self.k)[metric]
        found = [measure(trial.scores[method], trial.relevant) for trial in self.trials]
        return np.array(found, np.float64).reshape(len(self.playlists), -1)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what is measured."""
        return tuple(metrics_of(self.k))

    def interval(self, metric: str, method: str = PROFILE) -> Interval:
        """Mean over playlists, and where it may lie; see `bootstrap_within`."""
        return bootstrap_within(self.values(metric, method))

    def found_shares(self, shares: Sequence[float], method: str = PROFILE) -> Floats:
        """Share of the hidden tracks that are in the first share of all candidates.

        Parameters
        ----------
        shares : sequence of float
            In (0, 1].
        method : str

        Returns
        -------
        ndarray, shape (n_shares,)
            Means over all trials.
        """
        return np.array(
            [
                np.mean(
                    [
                        metrics.recall(
                            trial.scores[method],
                            trial.relevant,
                            max(1, round(share * len(trial.candidates))),
                        )
                        for trial in self.trials
                    ]
                )
                for share in shares
            ]
        )


def metrics_of(k: int) -> dict[str, Callable[[Floats, NDArray[np.bool_]], float]]:
    """What is measured of each trial, `k` being the length of the list that is looked at."""
    return {
        "auc": metrics.auc,
        "average_precision": metrics.average_precision,
        "ndcg_10": metrics.ndcg,
        f"recall_{k}": lambda scores, relevant: metrics.recall(scores, relevant, k),
    }


def evaluate_playlists(
    hearing: Hearing,
    artists: Sequence[str | None],
    playlists: Mapping[str, Sequence[int]],
    *,
    n_seeds: int = 5,
    n_liked: int | None = None,
    unheard_artists: bool = False,
    on_trial: Callable[[int, int, str], None] | None = None,
) -> Evaluation:
    """Hide a part of each playlist, learn from the rest, and rank what is hidden among the library.

    All is as it would be for somebody who knows only the rest: the hidden tracks lie in the library
    among the other music that the profile is told from, and every candidate is scored as `rank`
    scores it.

    Parameters
    ----------
    hearing : Hearing
        All tracks: the playlists' and the library's.
    artists : sequence of str or None, shape (n_tracks,)
        A track without an artist counts as one of its own.
    playlists : mapping of str to sequence of int
        Indices of the tracks of each.
    n_seeds : int
        Draws of each playlist.
    n_liked : int, optional
        How many tracks are known; by default half.
    unheard_artists : bool
        Hide whole artists: none of a hidden track's tracks is known. The library's other tracks of
        known artists are no candidates then.
    on_trial : callable, optional
        Takes how many trials are done, of how many, and the name of the playlist.

    Raises
    ------
    ParameterError
        If a playlist has too few tracks or artists, or the library too few others.
    """
    known = np.array(
        [artist.casefold() if artist else f"\0{i}" for i, artist in enumerate(artists)]
    )
    everything = np.arange(len(known))
    trials: list[Trial] = []
    for name, indices in playlists.items():
        members = np.unique(np.asarray(indices, np.intp))
        others = np.setdiff1d(everything, members)
        if len(others) < MIN_OTHERS:
            raise ParameterError(
                f"{name}: the library holds {len(others)} tracks beside it, and at least"
                f" {MIN_OTHERS} are needed; name more music with --library"
            )
        for seed in range(n_seeds):
            rng = np.random.default_rng([seed, *name.encode("utf-8", "surrogateescape")])
            liked = _draw(name, members, n_liked, rng, known if unheard_artists else None)
            hidden = np.setdiff1d(members, liked)
            rest = np.setdiff1d(everything, liked)
            candidates = rest
            if unheard_artists:
                familiar = np.isin(known[rest], known[liked]) & ~np.isin(rest, hidden)
                candidates = rest[~familiar]
            profile = hearing.learn(liked, rest, seed=seed)
            directions = hearing.directions(rest)
            scores = {
                PROFILE: hearing.scores(profile, candidates),
                "centroid": baselines.centroid(directions, liked, candidates),
                "nearest": baselines.neighbours(directions, liked, candidates),
                "random": rng.random(len(candidates)),
            }
            trials.append(
                Trial(
                    playlist=name,
                    seed=seed,
                    liked=liked,
                    hidden=hidden,
                    candidates=candidates,
                    scores=scores,
                )
            )
            if on_trial is not None:
                on_trial(len(trials), n_seeds * len(playlists), name)
    return Evaluation(trials=tuple(trials))


def bootstrap_within(values: Floats, *, n_replicates: int = 2_000, seed: int = 0) -> Interval:
    """Compute the mean over playlists and its 95 % bootstrap interval.

    Playlists are resampled, and within each its draws (Davison and Hinkley, Bootstrap methods and
    their application, 1997, section 3.8). Of one playlist the interval says how much depends on
    what happened to be hidden, not how another playlist would do.

    Parameters
    ----------
    values : ndarray, shape (n_playlists, n_seeds)
    n_replicates, seed : int
    """
    rng = np.random.default_rng(seed)
    n_playlists, n_seeds = values.shape
    rows = rng.integers(n_playlists, size=(n_replicates, n_playlists, 1))
    columns = rng.integers(n_seeds, size=(n_replicates, n_playlists, n_seeds))
    low, high = np.quantile(values[rows, columns].mean((1, 2)), [0.025, 0.975])
    return Interval(value=float(values.mean()), low=float(low), high=float(high))


def _draw(
    name: str,
    members: Indices,
    n_liked: int | None,
    rng: np.random.Generator,
    artists: NDArray[np.str_] | None,
) -> Indices:
    """Draw what is known of a playlist; with artists, whole ones until there are enough tracks."""
    n = len(members) // 2 if n_liked is None else n_liked
    if not 1 <= n < len(members):
        raise ParameterError(
            f"{name}: {len(members)} tracks, of which {max(1, n)} are to be known and at least one"
            " hidden; name a longer playlist" + (", or lower --liked" if n_liked else "")
        )
    if artists is None:
        return np.sort(rng.permutation(members)[:n])
    names = rng.permutation(np.unique(artists[members]))
    if len(names) < 2:
        raise ParameterError(
            f"{name}: all its tracks are by one artist, so no unheard one can be hidden; leave out"
            " --unheard-artists"
        )
    counts = np.array([(artists[members] == artist).sum() for artist in names])
    # Whole artists until there are enough, but never all: the last one stays hidden.
    n_artists = min(int(np.searchsorted(counts.cumsum(), n)) + 1, len(names) - 1)
    return members[np.isin(artists[members], names[:n_artists])]
