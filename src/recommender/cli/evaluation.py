"""What `evaluate` and `experiment` answer: plain words, a table, values for JSON."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from recommender.cli.console import shown, span

if TYPE_CHECKING:
    from recommender.evaluation import Evaluation, Experiment, Role
    from recommender.library import Track
    from recommender.profile import TrackRef

_TABLE_WIDTH = 200


def title(track: "Track") -> str:
    """What to call a track: by its tags if it has any, else by its file."""
    part = span(track.start_s, track.end_s)
    name = " - ".join(text for text in (track.artist, track.title) if text) if track.title else ""
    return f"{name or track.path.name} {part}".rstrip()


def tell_evaluation(found: "Evaluation", answer: dict[str, Any]) -> None:
    """Print plain words about each playlist, then a table of all methods."""
    from rich.console import Console
    from rich.table import Table

    from recommender.evaluation import METHODS
    from recommender.reports import metric_name

    draws = f"mean of {answer['n_draws']} draws" if answer["n_draws"] > 1 else "one draw"
    for playlist in answer["playlists"]:
        hidden, candidates = (_number(playlist[key]) for key in ("n_hidden", "n_candidates"))
        typer.echo(
            f"{shown(playlist['name'])}: of {hidden} tracks that were hidden,"
            f" {_number(playlist['found'])} are in the first {found.k} of {candidates}; chance"
            f" would be {playlist['chance']:.1f} ({draws})"
        )
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for metric in found.metrics:
        table.add_column(metric_name(metric), justify="right", no_wrap=True)
    for method in METHODS:
        intervals = [found.interval(metric, method) for metric in found.metrics]
        table.add_row(method, *(f"{i.value:.3f} ({i.low:.2f}-{i.high:.2f})" for i in intervals))
    width = None if sys.stdout.isatty() else _TABLE_WIDTH
    typer.echo()
    Console(file=sys.stdout, markup=False, highlight=False, width=width).print(table)
    typer.echo("In brackets: 95 % bootstrap intervals")


def _number(x: float) -> str:
    return f"{x:.0f}" if x == round(x) else f"{x:.1f}"


def evaluation_values(found: "Evaluation", tracks: "Sequence[TrackRef]") -> dict[str, Any]:
    """Return an evaluation as plain values: each playlist, each method, each draw."""
    from recommender.evaluation import summary

    told = summary(found)
    for playlist in told["playlists"]:
        playlist["draws"] = [
            {
                "seed": trial.seed,
                "liked": [tracks[i].path for i in trial.liked],
                "hidden": [
                    {"path": tracks[i].path, "rank": rank}
                    for i, rank in zip(trial.hidden, trial.ranks().tolist(), strict=True)
                ],
            }
            for trial in found.of(playlist["name"])
        ]
    return told


def close_line(experiment: "Experiment", recipe: str) -> str:
    """Say in plain words how many tracks come close to the maximum."""
    trials = experiment.of(recipe)
    n_hidden, n_others = (len(trials[0].scores[role]) for role in ("hidden", "other"))
    hidden, others = (
        sum(trial.within(20, role) for trial in trials) / len(trials)
        for role in ("hidden", "other")
    )
    return (
        f"{recipe}: within 20 % of the maximum ({_mean_maximum(experiment, recipe):.3f}) are"
        f" {hidden:.3g} of {n_hidden} hidden tracks of the playlist, and {others:.3g} of {n_others}"
        f" tracks of other music{_over(trials)}"
    )


def mixed_line(experiment: "Experiment", recipe: str) -> str:
    """Say in plain words whether hidden tracks are above the median of other music."""
    trials = experiment.of(recipe)
    n_all = sum(trial.n_above_median == len(trial.scores["hidden"]) for trial in trials)
    n_above = sum(trial.n_above_median for trial in trials)
    n_hidden = sum(len(trial.scores["hidden"]) for trial in trials)
    return (
        f"{recipe}: every hidden track above the median of the other music in {n_all} of"
        f" {len(trials)} runs ({n_above} of {n_hidden} tracks); maximum"
        f" {_mean_maximum(experiment, recipe):.3f}"
    )


def _mean_maximum(experiment: "Experiment", recipe: str) -> float:
    trials = experiment.of(recipe)
    return sum(trial.maximum for trial in trials) / len(trials)


def _over(trials: Sequence[object]) -> str:
    return f" (mean of {len(trials)} runs)" if len(trials) > 1 else ""


def experiment_values(experiment: "Experiment", tracks: "Sequence[Track]") -> list[dict[str, Any]]:
    """Return every trial as plain values."""

    def scores(role: "Role", trial: Any) -> list[dict[str, Any]]:
        pairs = zip(trial.draw.tracks[role], trial.scores[role].tolist(), strict=True)
        return [{"path": str(tracks[i].path), "score": round(score, 6)} for i, score in pairs]

    return [
        {
            "recipe": trial.recipe,
            "seed": trial.draw.seed,
            "maximum": round(trial.maximum, 6),
            "median": round(trial.median, 6),
            "n_above_median": trial.n_above_median,
            "n_above_median_of_all": trial.n_above_all_median,
            "within_20_percent": {
                role: trial.within(20, role) for role in trial.scores if len(trial.scores[role])
            },
            "scores": {role: scores(role, trial) for role in trial.scores},
        }
        for trial in experiment.trials
    ]
