"""The command line; what takes time to import is imported inside the commands."""

import contextlib
import io
import os
import sys

import typer

from recommender.cli import dataset, demo, genre, library, profile, rank
from recommender.cli.console import complain
from recommender.errors import RecommenderError

app = typer.Typer(
    name="recommender",
    help="A music recommender that listens: from a playlist folder to a ranking of your library.",
    epilog="Start with: recommender profile build mine ~/Music/my-playlist,"
    " then: recommender rank mine ~/Music. Or see it at work: recommender demo.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo", rich_help_panel="Try it")(demo.demo)
app.add_typer(profile.app, name="profile", rich_help_panel="The three jobs")
app.command("rank", rich_help_panel="The three jobs", epilog=rank.EXAMPLES)(rank.rank)
app.add_typer(dataset.app, name="dataset", rich_help_panel="The three jobs")
app.add_typer(library.app, name="library", rich_help_panel="Behind them")
app.add_typer(genre.app, name="genre", rich_help_panel="Behind them")


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
