"""``recommender library``: what was analysed, and what could not be."""

from pathlib import Path
from typing import Annotated

import typer

from recommender.cli.console import (
    N_JOBS,
    Jobs,
    Json,
    RecipeName,
    analyse,
    answer_json,
    list_problems,
    problem,
    say,
    shown,
)

app = typer.Typer(help="Analyse music ahead of time, and see what could not be used.")


@app.command("scan", epilog="Example: recommender library scan ~/Music")
def scan(
    paths: Annotated[list[Path], typer.Argument(help="Folders or files.")],
    recipe: Annotated[RecipeName, typer.Option(help="Whose features to compute.")] = "default",
    retry: Annotated[
        bool, typer.Option("--retry", help="Try files again that failed and have not changed.")
    ] = False,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Analyse music; a second run only looks, and an interrupted one goes on where it stopped."""
    from recommender import preprocessor
    from recommender.library import Library

    network = preprocessor.load(recipe)
    with Library.open() as library:
        report = analyse(library, paths, network, jobs, "Analysing", retry_failed=retry)
    if as_json:
        answer_json(
            {
                "n_seen": report.n_seen,
                "n_unchanged": report.n_unchanged,
                "n_known": report.n_known,
                "n_analysed": report.n_analysed,
                "n_gone": report.n_gone,
                "failures": [{"path": str(p), "reason": r} for p, r in report.failures],
                "warnings": [{"path": str(p), "reason": r} for p, r in report.warnings],
            }
        )
    raise typer.Exit(1 if report.failures else 0)


@app.command("status")
def status(as_json: Json = False) -> None:
    """Show what the library holds, and where it is."""
    import dataclasses

    from recommender.library import Library, home

    with Library.open() as library:
        counts = library.counts()
    values = {"home": str(home()), **dataclasses.asdict(counts)}
    if as_json:
        answer_json(values)
        return
    typer.echo(f"{counts.n_tracks} tracks in {counts.n_files} files, {counts.n_failures} failures")
    for fingerprint, n in counts.n_analysed.items():
        typer.echo(f"{n} tracks have features {fingerprint}")
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
    list_problems("These were used, but:", warnings, "yellow")
    if not failures:
        say("No file failed.")


@app.command("prune")
def prune() -> None:
    """Forget files that are there no more, with their analysis."""
    from recommender.library import Library

    with Library.open() as library:
        n_files, n_tracks = library.prune()
    say(f"Forgot {n_files} files and the analysis of {n_tracks} tracks")
