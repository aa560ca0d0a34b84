"""The page of one of the thesis's experiments, recipes side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from recommender import plots
from recommender.reports import rendering

if TYPE_CHECKING:
    from recommender.evaluation import Experiment, Role

_PERCENTS = range(0, 101)
_MOST_SCORES = 60
_NAMES: Mapping["Role", str] = {
    "liked": "liked, learned from",
    "hidden": "liked, hidden",
    "kin": "of the same genres",
    "other": "other music",
    "negative": "other music, learned from",
}


def experiment_figure(experiment: "Experiment") -> Figure:
    """Draw the scores of the first draw, and tracks within x % of the maximum over all draws."""
    first = {recipe: experiment.of(recipe)[0] for recipe in experiment.recipes}
    return plots.experiment(
        {
            recipe: {
                name: trial.scores[role] for role, name in _NAMES.items() if _some(trial, role)
            }
            for recipe, trial in first.items()
        },
        {recipe: trial.maximum for recipe, trial in first.items()},
        _PERCENTS,
        {
            recipe: {
                _NAMES[role]: experiment.within_shares(recipe, _PERCENTS, role)
                for role in ("hidden", "other")
            }
            for recipe in experiment.recipes
        },
    )


def write_experiment(
    path: Path,
    experiment: "Experiment",
    *,
    title: str,
    lead: Sequence[str],
    titles: Sequence[str],
    thesis: str,
    notes: Sequence[str] = (),
) -> None:
    """Write an experiment as one HTML file.

    Parameters
    ----------
    path : Path
    experiment : Experiment
    title : str
    lead : sequence of str
        What came out, in plain words.
    titles : sequence of str, shape (n_tracks,)
        What to call each track.
    thesis : str
        What the thesis reports.
    notes : sequence of str
        What had to be less, and why.

    Raises
    ------
    ParameterError
        If the file cannot be written.
    """
    draw = experiment.trials[0].draw
    rendering.write(
        path,
        "experiment.html",
        title=title,
        lead=list(lead),
        thesis=thesis,
        notes=list(notes),
        recipes=experiment.recipes,
        n_seeds=len(experiment.of(experiment.recipes[0])),
        first_seed=draw.seed,
        figure=experiment_figure(experiment),
        roles=[(_NAMES[role], len(some)) for role, some in draw.tracks.items() if len(some)],
        runs=[
            {
                "seed": trial.draw.seed,
                "recipe": trial.recipe,
                "maximum": trial.maximum,
                "hidden": float(trial.scores["hidden"].mean()),
                "median": trial.median,
                "within": [(trial.within(20, role), len(trial.scores[role])) for role in _SCORED],
                "above": (trial.n_above_median, len(trial.scores["hidden"])),
            }
            for trial in experiment.trials
        ],
        scores=[
            (name, n, _scores(experiment, role, titles))
            for role, name in _NAMES.items()
            if (n := len(draw.tracks[role]))
        ],
        most=_MOST_SCORES,
    )


_SCORED: tuple["Role", ...] = ("hidden", "other")


def _some(trial: Any, role: "Role") -> bool:
    return len(trial.scores[role]) > 0


def _scores(experiment: "Experiment", role: "Role", titles: Sequence[str]) -> list[dict[str, Any]]:
    """Tracks of one role in the first draw, sorted by the first recipe's score; of many, some."""
    trials = [experiment.of(recipe)[0] for recipe in experiment.recipes]
    indices = trials[0].draw.tracks[role]
    order = np.argsort(-trials[0].scores[role], kind="stable")
    if len(order) > _MOST_SCORES:  # evenly from the best to the worst
        order = order[np.linspace(0, len(order) - 1, _MOST_SCORES).round().astype(np.intp)]
    return [
        {
            "title": titles[indices[i]],
            "scores": [float(trial.scores[role][i]) for trial in trials],
        }
        for i in order
    ]
