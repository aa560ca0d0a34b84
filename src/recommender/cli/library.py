"""``recommender library``: what was analysed, and what could not be."""

from pathlib import Path
from typing import Annotated

import typer

from recommender.cli.console import (
    N_JOBS,
    Fast,
    Jobs,
    Json,
    MaxDuration,
    Preprocessor,
    Sections,
    ShippedName,
    analyse,
    answer_json,
    counted,
    list_problems,
    list_some,
    problem,
    say,
    shown,
)

app = typer.Typer(help="Analyse music ahead of time, and see what could not be used.")


_EXAMPLES = """Examples:

recommender library scan ~/Music

recommender library scan ~/Mixes --fast --sections 10 --max-duration 180"""


@app.command("scan", epilog=_EXAMPLES)
def scan(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Folders or files.")],
    recipe: Annotated[ShippedName, typer.Option(help="Whose features to compute.")] = "default",
    preprocessor: Preprocessor = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try files again that failed and have not changed.")
    ] = False,
    fast: Fast = False,
    max_duration: MaxDuration = None,
    sections: Sections = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Analyse music; a second run only looks, and an interrupted one goes on where it stopped.

    A file with a CUE sheet beside it counts as the tracks that the sheet names. What was analysed
    with --fast is analysed fully by a later run without it.
    """
    from recommender import preprocessor as preprocessors
    from recommender.library import Library, home

    network = preprocessors.load(preprocessor or recipe)
    with Library.open() as library:
        if preprocessor is not None:
            preprocessors.keep(preprocessor, network, home())
        report = analyse(
            library,
            paths,
            network,
            jobs,
            "Analysing",
            fast=fast,
            max_duration=max_duration,
            sections=sections,
            retry_failed=retry,
        )
    if as_json:
        answer_json(
            {
                "n_seen": report.n_seen,
                "n_unchanged": report.n_unchanged,
                "n_known": report.n_known,
                "n_analysed": report.n_analysed,
                "n_skipped": report.n_skipped,
                "n_gone": report.n_gone,
                "failures": [{"path": str(p), "reason": r} for p, r in report.failures],
                "warnings": [{"path": str(p), "reason": r} for p, r in report.warnings],
                "skipped": [{"path": str(p), "reason": r} for p, r in report.skipped],
            }
        )
    raise typer.Exit(1 if report.failures else 0)


@app.command("status")
def status(as_json: Json = False) -> None:
    """Show what the library holds, and where it is."""
    import dataclasses

    from recommender import preprocessor
    from recommender.library import Library, home
    from recommender.parameters import SHIPPED

    with Library.open() as library:
        counts = library.counts()
    values = {"home": str(home()), **dataclasses.asdict(counts)}
    if as_json:
        answer_json(values)
        return
    n_tracks, n_files = counted(counts.n_tracks, "track"), counted(counts.n_files, "file")
    typer.echo(f"{n_tracks} in {n_files}, {counted(counts.n_failures, 'failure')}")
    recipes = {preprocessor.load(recipe).fingerprint: recipe for recipe in SHIPPED}
    for fingerprint, n in counts.n_analysed.items():
        recipe = recipes.get(fingerprint)
        whose = f"for recipe {recipe}" if recipe else "with another preprocessor"
        n_fast = counts.n_fast[fingerprint]
        fast = f", {n_fast} of them fast" if n_fast else ""
        typer.echo(f"{counted(n, 'track')} analysed {whose} ({fingerprint}){fast}")
    typer.echo(f"{counts.n_bytes / 1e6:.1f} MB in {shown(home() / 'library.db')}")


@app.command("errors")
def errors(as_json: Json = False) -> None:
    """List the files that could not be used, each with the reason."""
    from recommender.library import Library

    with Library.open() as library:
        failures, warnings = library.failures(), library.warnings()
    if as_json:
        answer_json(
            [{"path": str(f.path), "reason": f.reason, "at": f.failed_at} for f in failures]
        )
        return
    for failure in failures:
        typer.echo(problem(failure.path, failure.reason))
    list_problems("Something is amiss with these:", warnings, "yellow")
    if not failures:
        say("No file failed.")


@app.command("prune")
def prune(
    missing_folders: Annotated[
        bool, typer.Option("--all", help="Also what lay in folders that are not there now.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be forgotten.")
    ] = False,
) -> None:
    """Forget files that are there no more, with their analysis."""
    from recommender.library import Library

    with Library.open() as library:
        pruned = library.prune(missing_folders=missing_folders, dry_run=dry_run)
    n_files, n_tracks = counted(len(pruned.files), "file"), counted(pruned.n_tracks, "track")
    say(f"{'Would forget' if dry_run else 'Forgot'} {n_files} and the analysis of {n_tracks}")
    list_some([shown(path) for path in pruned.files])
    if pruned.kept_folders:
        say("Kept what lies in folders that are not there now, perhaps on a drive that is away;")
        say("--all forgets them too:")
        list_some([shown(path) for path in pruned.kept_folders])
