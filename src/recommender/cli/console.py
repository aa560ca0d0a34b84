"""What the commands share: output, progress, and the options that several of them have."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from recommender.analysis import Extractor, Options, ScanReport, Workers
    from recommender.library import Library
    from recommender.preprocessor import Preprocessor as Network

RecipeName = Literal["default", "network", "thesis"]
ShippedName = Literal["default", "thesis"]

Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", min=1, metavar="N", help="Files worked on at the same time."),
]
Preprocessor = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Frozen network from `genre cut`, instead of the shipped."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for scripts.")]
Fast = Annotated[
    bool,
    typer.Option(
        "--fast", help="Listen to a few windows of 8 s of each new file, at most 10: less exact."
    ),
]
MaxDuration = Annotated[
    float | None,
    typer.Option(
        "--max-duration", min=0.1, metavar="MINUTES", help="Leave out longer files, such as mixes."
    ),
]
Sections = Annotated[
    float | None,
    typer.Option(
        "--sections",
        min=0.1,
        metavar="MINUTES",
        help="Take longer files in parts of this length, each as a track.",
    ),
]
Step = Callable[[int, int, str], None]

N_JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

_MAX_LISTED = 20
_BAR_WIDTH = 16
_TIME_WIDTH = 8
_N_GAPS = 4
_CLOCK_SLACK_S = 0.05  # a track of 12 s may be a sample shorter


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


def check_folder(output: Path) -> None:
    """Refuse a file in a folder that is not there: better said before the work than after it.

    Raises
    ------
    ParameterError
    """
    from recommender.errors import ParameterError

    if not output.absolute().parent.is_dir():
        raise ParameterError(f"{output}: there is no folder {output.parent}; make it first")


@contextlib.contextmanager
def progress(what: str, *, keep: bool = True) -> Iterator[Step]:
    """Show a bar on a terminal, which stays if `keep`, from the first step on.

    Yields
    ------
    callable
        Takes how many are done, of how many, and what was done last.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    console = _console()
    if not console.is_interactive:
        yield lambda *_: None
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=_BAR_WIDTH),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[text]}", markup=False),
        console=console,
        transient=not keep,
    )
    task = bar.add_task(what, total=None, text="")

    def step(done: int, total: int, text: str) -> None:
        count_width = len(f"{total}/{total}")
        rest = len(what) + _BAR_WIDTH + count_width + _TIME_WIDTH + _N_GAPS
        last = Text(shown(text) if done < total else "")
        last.truncate(max(0, console.width - rest), overflow="ellipsis")
        bar.update(task, completed=done, total=total, text=last.plain)
        bar.start()

    try:
        yield step
    finally:
        bar.stop()


def problem(path: object, reason: str) -> str:
    """Text of a file and what is wrong with it; reasons may name the file already."""
    return shown(reason if reason.startswith(str(path)) else f"{path}: {reason}")


def list_problems(title: str, problems: Sequence[tuple[object, str]], style: str = "red") -> None:
    """Print files and what is wrong with them; nothing if there are none."""
    if problems:
        _console().print(title, style=f"bold {style}", markup=False)
        list_some([problem(path, reason) for path, reason in problems])


def list_some(lines: Sequence[str]) -> None:
    """Print the first of many lines, and how many more there are."""
    for line in lines[:_MAX_LISTED]:
        say(f"  {line}")
    if len(lines) > _MAX_LISTED:
        say(f"  … and {len(lines) - _MAX_LISTED} more")


def counted(n: int, what: str) -> str:
    """Text such as "1 file" or "2 files"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def open_library() -> "Library":
    """Open the user's library; one of an older version is rewritten, with a progress bar."""
    from recommender.library import Library

    with progress("Rewriting the library") as step:
        return Library.open(on_upgrade=lambda done, total: step(done, total, ""))


def analyse(
    library: "Library",
    paths: Sequence[Path],
    preprocessor: "Network",
    jobs: int,
    what: str,
    *,
    fast: bool = False,
    max_duration: float | None = None,
    sections: float | None = None,
    retry_failed: bool = False,
    again: Sequence[Path] = (),
    as_roots: bool = False,
    told: Collection[tuple[Path, str]] = (),
    hand_out: "Callable[[Extractor, Options], Workers] | None" = None,
    quiet: bool = False,
) -> "ScanReport":
    """Bring the library up to date with these paths, with a progress bar and a list of problems.

    `max_duration` and `sections` are in minutes; for the others see `analysis.scan`. If `quiet`,
    nothing is said where nothing was analysed and nothing failed but what was `told` before.
    """
    from recommender.analysis import Progress, scan

    with progress(what) as step:

        def on_progress(p: Progress) -> None:
            if p.path is not None or p.n_done < p.n_total:
                step(p.n_done, p.n_total, p.path.name if p.path else "")

        report = scan(
            library,
            paths,
            preprocessor,
            jobs=jobs,
            on_progress=on_progress,
            again=again,
            as_roots=as_roots,
            retry_failed=retry_failed,
            fast=fast,
            max_duration_s=in_seconds(max_duration),
            section_s=in_seconds(sections),
            hand_out=hand_out,
        )
    known = report.n_unchanged + report.n_known
    failed = report.n_seen - report.n_analysed - known - report.n_skipped
    failures = [failure for failure in report.failures if failure not in told]
    has_news = report.n_analysed > 0 or bool(failures) or not quiet
    if has_news:
        say(
            f"{counted(report.n_seen, 'file')}: {report.n_analysed} analysed, {known} known already"
            + (f", {failed} could not be used" if failed else "")
        )
    list_problems("These could not be used:", failures)
    if has_news:
        list_problems("Something is amiss with these:", report.warnings, "yellow")
    if n := len(report.skipped):
        what = counted(n, "file" if n == report.n_skipped else "track")
        are, were = ("is", "was") if n == 1 else ("are", "were")
        minutes = "1 minute" if max_duration == 1 else f"{max_duration:g} minutes"
        say(f"{what} {are} longer than {minutes} and {were} left out")
    if report.left_out and (has_news or not report.n_seen):
        say("Left out, since .nomedia or .notmusic in them says that they hold no music:")
        list_some([shown(folder) for folder in report.left_out])
    return report


def in_seconds(minutes: float | None) -> float | None:
    """Minutes in seconds; ``None`` stays."""
    return None if minutes is None else 60.0 * minutes


def span(start_s: float | None, end_s: float | None) -> str:
    """Text such as "03:12-07:45" for a part of a file; of a whole file, nothing."""
    if start_s is None:
        return ""
    return f"{_clock(start_s)}-{'end' if end_s is None else _clock(end_s)}"


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(int(time_s + _CLOCK_SLACK_S), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True)
