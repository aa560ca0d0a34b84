"""What the commands share: output, progress, and the options that several of them have."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from recommender.analysis import ScanReport
    from recommender.library import Library
    from recommender.preprocessor import Preprocessor

RecipeName = Literal["default", "thesis"]

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Files worked on at the same time.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for scripts.")]
Step = Callable[[int, int, str], None]

N_JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

_MAX_LISTED = 20
_BAR_WIDTH = 24
_BAR_ROOM = _BAR_WIDTH + 30  # with counts and times beside it


def shown(value: object) -> str:
    """Text that any terminal can print: control characters and broken names become visible."""
    text = os.fsencode(str(value)).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(text: str = "") -> None:
    """Print a line about the work, on standard error so that standard output stays the answer."""
    _console().print(text, markup=False, highlight=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print an error."""
    _console().print(f"Error: {shown(text)}", style="bold red", markup=False, soft_wrap=True)


def answer_json(value: Any) -> None:
    """Print JSON on standard output; ASCII, since names that are not UTF-8 survive as escapes."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


@contextlib.contextmanager
def progress(what: str, *, keep: bool = True) -> Iterator[Step]:
    """Show a bar, which stays if `keep`; call what this gives with (done, total, text)."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=_BAR_WIDTH),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        console=_console(),
        transient=not keep,
        disable=not keep and not _console().is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=None, text="")

        def step(done: int, total: int, text: str) -> None:
            room = max(0, bar.console.width - len(what) - _BAR_ROOM)
            bar.update(task, completed=done, total=total, text=shown(text)[:room])

        yield step


def problem(path: object, reason: str) -> str:
    """Text of a file and what is wrong with it; reasons may name the file already."""
    return shown(reason if reason.startswith(str(path)) else f"{path}: {reason}")


def list_problems(title: str, problems: Sequence[tuple[object, str]], style: str = "red") -> None:
    """Print files and what is wrong with them; nothing if there are none."""
    if not problems:
        return
    _console().print(title, style=f"bold {style}", markup=False)
    for path, reason in problems[:_MAX_LISTED]:
        say(f"  {problem(path, reason)}")
    if len(problems) > _MAX_LISTED:
        say(f"  … and {len(problems) - _MAX_LISTED} more")


def analyse(
    library: "Library",
    paths: Sequence[Path],
    preprocessor: "Preprocessor",
    jobs: int,
    what: str,
    *,
    retry_failed: bool = False,
) -> "ScanReport":
    """Bring the library up to date with these paths, with a progress bar and a list of problems."""
    from recommender.analysis import Progress, scan

    with progress(what) as step:

        def on_progress(p: Progress) -> None:
            step(p.n_done, p.n_total, p.path.name if p.path else "")

        report = scan(
            library,
            paths,
            preprocessor,
            jobs=jobs,
            on_progress=on_progress,
            retry_failed=retry_failed,
        )
    known = report.n_unchanged + report.n_known
    say(f"{report.n_seen} files: {report.n_analysed} analysed, {known} known already")
    list_problems("These could not be used:", report.failures)
    list_problems("These were used, but:", report.warnings, "yellow")
    return report


def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True)
