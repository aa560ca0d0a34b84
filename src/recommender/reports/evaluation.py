"""The page of an evaluation: how many of a playlist's hidden tracks a profile finds."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recommender import plots
from recommender.reports import rendering

if TYPE_CHECKING:
    from recommender.evaluation import Evaluation

_MOST_PLAYLISTS = 200
_MOST_TRACKS = 500
_N_POINTS = 60
_METRIC_NAMES = {"auc": "AUC", "average_precision": "AP", "ndcg_10": "nDCG@10"}


def write_evaluation(
    path: Path,
    evaluation: "Evaluation",
    *,
    titles: Sequence[str],
    methods: Mapping[str, str],
    recipe: str,
    settings: Mapping[str, object],
    notes: Sequence[str] = (),
) -> None:
    """Write an evaluation as one HTML file.

    Parameters
    ----------
    path : Path
    evaluation : Evaluation
    titles : sequence of str, shape (n_tracks,)
        What to call each track.
    methods : mapping of str to str
        Names of the ways to score, and what they do; the first is the profile.
    recipe : str
    settings : mapping of str to object
        How it was measured.
    notes : sequence of str
        What was left out and why.

    Raises
    ------
    ParameterError
        If the file cannot be written.
    """
    trials = evaluation.trials
    playlists = [_playlist(evaluation, name) for name in evaluation.playlists]
    most = max(len(trial.candidates) for trial in trials)
    shares = np.geomspace(min(0.1, max(1 / most, 1e-4)), 1.0, _N_POINTS).tolist()
    rendering.write(
        path,
        "evaluation.html",
        recipe=recipe,
        k=evaluation.k,
        n_seeds=len(trials) // len(evaluation.playlists),
        playlists=playlists[:_MOST_PLAYLISTS],
        n_playlists=len(playlists),
        total={
            key: sum(playlist[key] for playlist in playlists)
            for key in ("n_hidden", "found", "chance")
        },
        metrics=[(name, metric_name(name)) for name in evaluation.metrics],
        methods=[
            {
                "name": name,
                "what": what,
                "intervals": [evaluation.interval(metric, name) for metric in evaluation.metrics],
            }
            for name, what in methods.items()
        ],
        curve=plots.found_curve(
            shares, {name: evaluation.found_shares(shares, name) for name in methods}
        ),
        tracks=_tracks(evaluation, titles)[:_MOST_TRACKS],
        settings=[(name, str(value)) for name, value in settings.items()],
        notes=list(notes),
    )


def metric_name(metric: str) -> str:
    """Name of a metric as people write it."""
    return _METRIC_NAMES.get(metric, metric.replace("_", "@"))


def _playlist(evaluation: "Evaluation", name: str) -> dict[str, Any]:
    trials, k = evaluation.of(name), evaluation.k
    row = evaluation.playlists.index(name)
    return {
        "name": name,
        "n_tracks": len(trials[0].liked) + len(trials[0].hidden),
        "n_hidden": float(np.mean([len(trial.hidden) for trial in trials])),
        "n_candidates": float(np.mean([len(trial.candidates) for trial in trials])),
        "found": float(np.mean([trial.found(k) for trial in trials])),
        "chance": float(np.mean([trial.chance(k) for trial in trials])),
        "values": [float(evaluation.values(m)[row].mean()) for m in evaluation.metrics],
    }


def _tracks(evaluation: "Evaluation", titles: Sequence[str]) -> list[dict[str, Any]]:
    """Each track of each playlist with the ranks that it had when it was hidden; worst first."""
    ranks: dict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)
    for trial in evaluation.trials:
        for i, rank in zip(trial.hidden.tolist(), trial.ranks().tolist(), strict=True):
            ranks[trial.playlist, i].append((rank, len(trial.candidates)))
    rows = [
        {
            "playlist": playlist,
            "title": titles[i],
            "n_hidden": len(found),
            "n_found": sum(rank <= evaluation.k for rank, _ in found),
            "rank": float(np.mean([rank for rank, _ in found])),
            "share": float(np.mean([rank / n for rank, n in found])),
        }
        for (playlist, i), found in ranks.items()
    ]
    order = {name: i for i, name in enumerate(evaluation.playlists)}
    return sorted(rows, key=lambda row: (order[row["playlist"]], -row["share"], row["title"]))
