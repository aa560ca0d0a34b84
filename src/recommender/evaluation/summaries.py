"""An evaluation in plain values, for JSON."""

from typing import Any

import numpy as np

from recommender.evaluation.playlists import METHODS, Evaluation


def summary(found: Evaluation) -> dict[str, Any]:
    """Tell the figures of each playlist, and of each method over all of them.

    Returns
    -------
    dict
        ``first``, how many places count as found; ``n_draws``; ``playlists``, a list of dict with
        ``name``, ``n_tracks``, means over draws (``n_hidden``, ``n_candidates``, ``found``,
        ``chance``) and ``metrics`` by method and name; ``metrics``, intervals by method and name.
    """
    return {
        "first": found.k,
        "n_draws": len(found.trials) // len(found.playlists),
        "playlists": [_playlist(found, row) for row in range(len(found.playlists))],
        "metrics": {
            method: {metric: vars(found.interval(metric, method)) for metric in found.metrics}
            for method in METHODS
        },
    }


def _playlist(found: Evaluation, row: int) -> dict[str, Any]:
    name = found.playlists[row]
    trials = found.of(name)
    return {
        "name": name,
        "n_tracks": len(trials[0].liked) + len(trials[0].hidden),
        "n_hidden": float(np.mean([len(trial.hidden) for trial in trials])),
        "n_candidates": float(np.mean([len(trial.candidates) for trial in trials])),
        "found": float(np.mean([trial.found(found.k) for trial in trials])),
        "chance": float(np.mean([trial.chance(found.k) for trial in trials])),
        "metrics": {
            method: {
                metric: float(found.values(metric, method)[row].mean()) for metric in found.metrics
            }
            for method in METHODS
        },
    }
