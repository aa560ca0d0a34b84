"""The command line; what takes time to import is imported inside the commands."""

import contextlib
import inspect
import io
import os
import re
import sys
from typing import Annotated

import typer

from recommender.cli import (
    dataset,
    demo,
    evaluate,
    experiment,
    explain,
    genre,
    library,
    never,
    profile,
    rank,
    serve,
)
from recommender.cli.console import complain, say
from recommender.errors import RecommenderError

_INTERRUPTED = 130

app = typer.Typer(
    name="recommender",
    help="A music recommender that listens: from a playlist folder to a ranking of your library.",
    epilog="Start with: recommender profile build mine ~/Music/my-playlist,"
    " then: recommender rank mine ~/Music. Or see it at work: recommender demo.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"recommender {metadata.version('recommender')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show it and exit."),
    ] = False,
) -> None:
    del version  # its callback has ended the program


app.command("demo", rich_help_panel="Try it")(demo.demo)
app.add_typer(profile.app, name="profile", rich_help_panel="The three jobs")
app.command("rank", rich_help_panel="The three jobs", epilog=rank.EXAMPLES)(rank.rank)
app.add_typer(dataset.app, name="dataset", rich_help_panel="The three jobs")
app.command("serve", rich_help_panel="The three jobs", epilog=serve.EXAMPLES)(serve.serve)
app.add_typer(never.app, name="never", rich_help_panel="Behind them")
app.command("explain", rich_help_panel="Behind them", epilog=explain.EXAMPLES)(explain.explain)
app.add_typer(library.app, name="library", rich_help_panel="Behind them")
app.command("evaluate", rich_help_panel="Behind them", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.add_typer(experiment.app, name="experiment", rich_help_panel="Behind them")
app.add_typer(genre.app, name="genre", rich_help_panel="Behind them")


def _flow(group: typer.Typer) -> None:
    """Undo the line breaks inside the paragraphs of docstrings, which terminals break anew."""
    for command in group.registered_commands:
        text = inspect.getdoc(command.callback) or ""
        command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    for child in group.registered_groups:
        if child.typer_instance is not None:
            _flow(child.typer_instance)


_flow(app)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 some files failed (they are listed), 2 wrong usage or an error that the
    message explains, 130 interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal knows every letter
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # at exit it would be too late to explain a full disk
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            say(
                "Interrupted. Scans, datasets and trainings go on where they stopped: run it again."
            )
        raise
    except RecommenderError as error:
        complain(str(error))
        sys.exit(2)
    except OSError as error:  # of what is written, since unreadable files are explained before
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the rest, at exit
        if isinstance(error, BrokenPipeError):  # the reader has seen enough
            sys.exit(1)
        complain(f"{error.filename or 'standard output'}: {error.strerror}")
        sys.exit(2)
