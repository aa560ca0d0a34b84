"""``recommender experiment``: the two experiments of the thesis, recipes side by side."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recommender.cli.console import (
    N_JOBS,
    Jobs,
    Json,
    analyse,
    answer_json,
    check_folder,
    open_library,
    progress,
    say,
    shown,
)
from recommender.cli.evaluation import close_line, experiment_values, mixed_line, title
from recommender.parameters import DEFAULT, THESIS

if TYPE_CHECKING:
    from recommender.evaluation import Counts, Draw, Experiment, Hearing
    from recommender.library import Library, Track
    from recommender.profile import ProfileEpoch

app = typer.Typer(help="Repeat the experiments of the thesis on your own music.")

_CLOSE_EXAMPLE = "Example: recommender experiment close ~/Music/playlist --library ~/Music"
_MIXED_EXAMPLE = "Example: recommender experiment mixed ~/Music/genres --plot mixed.png"

_RECIPES = {recipe.name: recipe for recipe in (DEFAULT, THESIS)}

_THESIS_CLOSE = (
    "mean score of the liked tracks 0.7207; 4 of 18 tracks within 20 % of it, judged the right"
    " ones; scores from 0.696 to 0.003."
)
_THESIS_MIXED = (
    "mean score of the liked tracks 0.512; hidden liked tracks got 0.0012, 0.0012, 0.0012 and"
    " 0.417: it failed."
)

_Gather = Callable[["Library", str], "tuple[list[Track], list[Track]]"]
"""Finds the tracks of the playlist, and the others, that have features of a fingerprint."""

Seeds = Annotated[int, typer.Option(min=1, metavar="N", help="Runs, each with other tracks.")]
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw all scores: PNG, SVG or PDF.")
]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report for a browser.")]
Negatives = Annotated[int, typer.Option(min=1, metavar="N", help="Other tracks to learn from.")]


@app.command("close", epilog=_CLOSE_EXAMPLE)
def close(
    playlist: Annotated[
        list[Path], typer.Argument(metavar="PLAYLIST", help="Tracks that sound alike.")
    ],
    library: Annotated[list[Path], typer.Option(metavar="PATH", help="Other music.")],
    seeds: Seeds = 5,
    liked: Annotated[int, typer.Option(min=1, metavar="N", help="Tracks to learn from.")] = 21,
    hidden: Annotated[
        int, typer.Option(min=1, metavar="N", help="Further tracks of the playlist to score.")
    ] = 4,
    others: Annotated[
        int, typer.Option(min=1, metavar="N", help="Tracks of other music to score.")
    ] = 14,
    fragments: Annotated[
        int, typer.Option(min=1, metavar="N", help="Random fragments of each liked track.")
    ] = 3,
    negatives: Negatives = 800,
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="Of the recipe `thesis`.")] = 20,
    plot: Plot = None,
    html: Html = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Learn from tracks that sound alike, and see which others come close to their scores.

    The maximum is the mean score of the tracks that were learned from. The thesis counts how many
    of 18 other tracks score within 20 % of it.
    """
    from recommender import evaluation
    from recommender import profile as profiles

    counts = dataclasses.replace(
        evaluation.CLOSE,
        liked=liked,
        hidden=hidden,
        others=others,
        negatives=negatives,
        fragments=fragments,
        thesis_epochs=epochs,
    )
    _check_outputs(plot, html)
    entries, notes = profiles.find_liked(playlist)

    def gather(catalogue: "Library", fingerprint: str) -> "tuple[list[Track], list[Track]]":
        mine, _ = profiles.tracks_of(catalogue, fingerprint, entries)
        ids = {track.id for track in mine}
        return mine, [t for t in catalogue.tracks(fingerprint, library) if t.id not in ids]

    music = _listen([*(entry.path for entry in entries), *library], gather, jobs)
    n = music.n_playlist
    everything = range(len(music.tracks))
    drawn = [evaluation.draw(counts, everything[:n], everything[n:], seed) for seed in range(seeds)]
    experiment = _run(counts, music, [draw for draw, _ in drawn])
    lines = [close_line(experiment, recipe) for recipe in experiment.recipes]
    notes = [*notes, *music.notes, *drawn[0][1]]
    _answer("Close-sounding", experiment, music, lines, _THESIS_CLOSE, notes, plot, html, as_json)
    raise typer.Exit(1 if music.failed else 0)


@app.command("mixed", epilog=_MIXED_EXAMPLE)
def mixed(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Genre folders, or a table of files (CSV) with their genres."
        ),
    ],
    seeds: Seeds = 5,
    genres: Annotated[
        int, typer.Option(min=1, metavar="N", help="Genres of the playlist, drawn at random.")
    ] = 5,
    liked: Annotated[int, typer.Option(min=1, metavar="N", help="Tracks to learn from.")] = 25,
    hidden: Annotated[
        int, typer.Option(min=1, metavar="N", help="Further tracks of the playlist to score.")
    ] = 6,
    negatives: Negatives = 800,
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="Of the recipe `thesis`.")] = 500,
    plot: Plot = None,
    html: Html = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Learn from tracks of several genres, and see whether hidden ones score above other music.

    Other music is that of the genres that the playlist has not; one half is learned from, at most
    as much as --negatives says, and of the other half the median is taken. Other tracks of the
    playlist's genres are scored too, but not learned from: they might be liked as well.
    """
    from recommender import evaluation
    from recommender.genres import sources

    counts = dataclasses.replace(
        evaluation.MIXED, liked=liked, hidden=hidden, negatives=negatives, thesis_epochs=epochs
    )
    _check_outputs(plot, html)
    collection = sources.read(folder)
    labels = {Path(os.path.realpath(t.path)): t.genre for t in collection.tracks}

    def gather(catalogue: "Library", fingerprint: str) -> "tuple[list[Track], list[Track]]":
        tracks = catalogue.tracks(fingerprint, list(labels))
        return [], [track for track in tracks if track.path in labels]

    music = _listen(list(labels), gather, jobs)
    names = [labels[track.path] for track in music.tracks]
    drawn = [evaluation.draw_mixed(counts, names, genres, seed) for seed in range(seeds)]
    experiment = _run(counts, music, [draw for draw, _ in drawn])
    lines = [mixed_line(experiment, recipe) for recipe in experiment.recipes]
    notes = [*music.notes, *drawn[0][1]]
    _answer("Mixed", experiment, music, lines, _THESIS_MIXED, notes, plot, html, as_json)
    raise typer.Exit(1 if music.failed else 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Music:
    """Tracks that every recipe has heard, those of the playlist first."""

    tracks: "list[Track]"
    n_playlist: int
    hearings: "dict[str, Hearing]"
    notes: list[str]
    failed: bool


def _check_outputs(plot: Path | None, html: Path | None) -> None:
    from recommender import plots

    for output in (plot, html):
        if output is not None:
            check_folder(output)
    if plot is not None:
        plots.check_suffix(plot)


def _listen(paths: Sequence[Path], gather: _Gather, jobs: int) -> _Music:
    """Analyse music for all recipes, and read what each has heard of it."""
    from recommender import evaluation
    from recommender import preprocessor as preprocessors

    networks = {name: preprocessors.load(recipe.preprocessor) for name, recipe in _RECIPES.items()}
    failed = False
    with open_library() as catalogue:
        for recipe, network in networks.items():
            report = analyse(catalogue, paths, network, jobs, f"Analysing ({recipe})", quiet=True)
            failed |= bool(report.failures)
        found = [gather(catalogue, network.fingerprint) for network in networks.values()]
        common = set.intersection(*({t.id for some in both for t in some} for both in found))
        mine, others = ([track for track in some if track.id in common] for some in found[0])
        tracks, notes = evaluation.at_most(mine, others)
        hearings = {
            recipe: evaluation.hear(
                catalogue,
                tracks,
                _RECIPES[recipe].suited(whitened=network.fusion is not None),
                network.fingerprint,
            )
            for recipe, network in networks.items()
        }
    return _Music(
        tracks=tracks, n_playlist=len(mine), hearings=hearings, notes=notes, failed=failed
    )


def _run(counts: "Counts", music: _Music, draws: "Sequence[Draw]") -> "Experiment":
    from recommender import evaluation

    per_trial = 1000
    with progress("Learning") as step:

        def on_epoch(n_done: int, n_total: int, recipe: str, epoch: "ProfileEpoch | None") -> None:
            part = per_trial * epoch.number // epoch.n_epochs if epoch else 0
            text = f"{recipe}, run {n_done // len(music.hearings) + 1}"
            step(per_trial * n_done + part, per_trial * n_total, text)

        return evaluation.run_experiment(counts, music.hearings, draws, on_epoch=on_epoch)


def _answer(
    name: str,
    experiment: "Experiment",
    music: _Music,
    lines: Sequence[str],
    thesis: str,
    notes: Sequence[str],
    plot: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    for note in notes:
        say(f"Note: {shown(note)}")
    if as_json:
        answer_json(
            {
                "experiment": name,
                "notes": list(notes),
                "trials": experiment_values(experiment, music.tracks),
            }
        )
    else:
        typer.echo("\n".join(lines))
        say(f"The thesis reports: {thesis}")
    if plot is not None:
        from recommender import plots, reports

        plots.save(reports.experiment_figure(experiment), plot)
        say(f"Picture in {shown(plot)}")
    if html is not None:
        from recommender import reports

        reports.write_experiment(
            html,
            experiment,
            title=name,
            lead=lines,
            titles=[title(track) for track in music.tracks],
            thesis=thesis,
            notes=notes,
        )
        say(f"Report in {shown(html)}")
