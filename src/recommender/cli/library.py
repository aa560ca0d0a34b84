"""``recommender library``: analysing ahead of time, and looking after what was analysed."""

from pathlib import Path
from typing import Annotated

import typer

from recommender.cli import importing, status
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
    list_some,
    open_library,
    say,
    shown,
)
from recommender.cli.engine import Engine, RayAddress, hand_out
from recommender.cli.scanning import (
    ScanOptions,
    figures,
    known_roots,
    tell_changes,
    watch_folders,
)

app = typer.Typer(help="Analyse music ahead of time, and look after what was analysed.")
app.command("status")(status.status)
app.command("errors")(status.errors)


_EXAMPLES = """Examples:

recommender library scan ~/Music

recommender library scan

recommender library scan --watch

recommender library scan ~/Mixes --fast --sections 10 --max-duration 180"""


@app.command("scan", epilog=_EXAMPLES)
def scan(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Folders or files; by default the folders that were scanned before.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[ShippedName, typer.Option(help="Whose features to compute.")] = "default",
    preprocessor: Preprocessor = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try files again that failed and have not changed.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Stay, and analyse what changes; Ctrl-C ends it."),
    ] = False,
    fast: Fast = False,
    max_duration: MaxDuration = None,
    sections: Sections = None,
    jobs: Jobs = N_JOBS,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    as_json: Json = False,
) -> None:
    """Analyse music; a second run only looks, and an interrupted one goes on where it stopped.

    A file with a CUE sheet beside it counts as the tracks that the sheet names. What was analysed
    with --fast is analysed fully by a later run without it.

    Folders that are named are remembered: without PATH all of them are scanned. Files that are gone
    are kept out of rankings, but their analysis stays until `recommender library prune`: the drive
    may come back. A folder in which there is a file called .nomedia or .notmusic is left out, with
    all that lies below it.

    With --engine ray the machines of a cluster do the work, for which the files have to have the
    same paths everywhere; the library stays here.
    """
    from recommender import preprocessor as preprocessors
    from recommender.errors import ParameterError
    from recommender.library import home

    if watch and as_json:
        raise ParameterError("--watch does not end, so that --json could answer: give one of them")
    if watch and engine == "ray":
        raise ParameterError("--watch analyses what changes on this machine: leave out --engine")
    nodes = hand_out(engine, ray_address, jobs)
    network = preprocessors.load(preprocessor or recipe)
    with open_library() as library:
        if preprocessor is not None:
            preprocessors.keep(preprocessor, network, home())
        named, away = (paths, []) if paths else known_roots(library)
        options: ScanOptions = {"fast": fast, "max_duration": max_duration, "sections": sections}
        report = analyse(
            library,
            named,
            network,
            jobs,
            "Analysing",
            again=away,
            as_roots=True,
            retry_failed=retry,
            hand_out=nodes,
            **options,
        )
        tell_changes(report)
        if as_json:
            answer_json({**figures(report), "away": [str(path) for path in away]})
        if watch:
            watch_folders(library, network, jobs, report, options)
    raise typer.Exit(1 if report.failures else 0)


@app.command("retry")
def retry(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Only what failed in these folders, or these files; by default all.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[ShippedName, typer.Option(help="Whose features to compute.")] = "default",
    fast: Fast = False,
    max_duration: MaxDuration = None,
    sections: Sections = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Try again what failed, for example with a newer version of this program."""
    from recommender import preprocessor as preprocessors
    from recommender.library import is_gone

    network = preprocessors.load(recipe)
    with open_library() as library:
        failed = [failure.path for failure in library.failures(paths or ())]
        n_gone = sum(map(is_gone, failed))
        report = analyse(
            library,
            [],
            network,
            jobs,
            "Trying again",
            fast=fast,
            max_duration=max_duration,
            sections=sections,
            retry_failed=True,
            again=failed,
            quiet=n_gone == len(failed),
        )
    if as_json:
        answer_json(figures(report))
    if not failed:
        say("No file failed.")
    if n_gone:
        say(f"{counted(n_gone, 'file')} that failed {'is' if n_gone == 1 else 'are'} not there now")
    raise typer.Exit(1 if report.failures else 0)


@app.command("prune")
def prune(
    missing_folders: Annotated[
        bool,
        typer.Option("--all", help="Also what lay in folders that are missing or empty now."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be forgotten.")
    ] = False,
) -> None:
    """Forget files that are there no more, with their analysis."""
    with open_library() as library:
        pruned = library.prune(missing_folders=missing_folders, dry_run=dry_run)
    n_files, n_tracks = counted(len(pruned.files), "file"), counted(pruned.n_tracks, "track")
    say(f"{'Would forget' if dry_run else 'Forgot'} {n_files} and the analysis of {n_tracks}")
    list_some([shown(path) for path in pruned.files])
    if pruned.kept_folders:
        say("Kept what lay in folders that are missing or empty, perhaps on a drive that is away;")
        say("--all forgets them too:")
        list_some([shown(path) for path in pruned.kept_folders])


@app.command("forget")
def forget(
    folders: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Folders, or files; they may be gone.")
    ],
) -> None:
    """Take folders out of the library: `library scan` looks at them no more.

    Their files are forgotten; what was analysed stays until `recommender library prune`, for when
    they are scanned once more.
    """
    import os

    with open_library() as library:
        for folder in folders:
            path = Path(os.path.realpath(folder))
            say(f"{shown(folder)}: {counted(library.forget_below(path), 'file')} forgotten")
            for root in library.roots():
                if root.path in path.parents:
                    say(
                        f"It lies in {shown(root.path)}, which is still scanned: put a file called"
                        " .nomedia into it, or it comes back"
                    )


app.command("extract", epilog=importing.EXTRACT_EXAMPLES)(importing.extract)
app.command("import", epilog=importing.IMPORT_EXAMPLES)(importing.import_shards)
