"""What ``recommender library scan`` says of what changed, and its watch over folders."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from recommender.cli.console import analyse, counted, list_some, say, shown

if TYPE_CHECKING:
    from recommender.analysis import ScanReport
    from recommender.library import Library
    from recommender.preprocessor import Preprocessor


class ScanOptions(TypedDict):
    """What scans have in common; in minutes."""

    fast: bool
    max_duration: float | None
    sections: float | None


def known_roots(library: "Library") -> tuple[list[Path], list[Path]]:
    """Return the folders that were scanned before, and those of them that are not there now.

    Raises
    ------
    RecommenderError
        If there are none, or none is there now.
    """
    from recommender.errors import RecommenderError
    from recommender.library import is_away

    roots = [root.path for root in library.roots()]
    away = [path for path in roots if is_away(path)]
    there = [path for path in roots if path not in away]
    if not roots:
        raise RecommenderError(
            "no folder was scanned yet; name one: recommender library scan ~/Music"
        )
    if not there:
        raise RecommenderError(
            f"{', '.join(map(shown, roots))}: missing or empty now; connect the drive, or name"
            " another folder"
        )
    if away:
        say("These are missing or empty now, perhaps on a drive that is away; nothing is lost:")
        list_some([shown(path) for path in away])
    return there, away


def tell_changes(report: "ScanReport") -> None:
    """Say what became of files since the last scan, where there was one, and what to do."""
    parts = [
        f"{n} {what}"
        for n, what in (
            (report.n_new, "new"),
            (report.n_moved, "moved or renamed"),
            (report.n_copied, "copied"),
            (report.n_retagged, "with new tags"),
            (report.n_replaced, "with other sound"),
            (report.n_gone, "gone"),
            (report.n_away, "gone with their folders"),
            (report.n_returned, "back"),
        )
        if n
    ]
    if parts and parts != [f"{report.n_analysed} new"]:  # else it has been said already
        say(f"Since the last scan: {', '.join(parts)}")
    if report.n_gone + report.n_away:
        say(
            "What is gone is out of rankings, but its analysis is kept for when it comes back,"
            " until `recommender library prune`"
        )
    if n := report.n_outdated:
        say(
            f"{counted(n, 'failure')} of an older version of this program:"
            " `recommender library retry` tries again"
        )


def figures(report: "ScanReport") -> dict[str, Any]:
    """Return a report for JSON."""
    import dataclasses

    values = dataclasses.asdict(report)
    for name in ("failures", "warnings", "skipped"):
        values[name] = [{"path": str(path), "reason": why} for path, why in values[name]]
    return values


def watch_folders(
    library: "Library",
    network: "Preprocessor",
    jobs: int,
    report: "ScanReport",
    options: ScanOptions,
) -> None:
    """Analyse what changes in the folders that are scanned, until Ctrl-C.

    Raises
    ------
    RecommenderError
        If there is no such folder, or it cannot be watched.
    """
    from recommender.analysis import watching
    from recommender.errors import RecommenderError

    roots = [root.path for root in library.roots()]
    if not roots:
        raise RecommenderError("there is no folder to watch; name one: files alone will not do")
    say(f"Watching {counted(len(roots), 'folder')} for changes; Ctrl-C ends it")
    with contextlib.closing(watching.changes(roots)) as batches:
        for changed in batches:
            again = watching.affected(changed, library)
            if not again:
                continue
            report = analyse(
                library,
                [],
                network,
                jobs,
                "Analysing",
                again=again,
                told=report.failures,
                quiet=True,
                **options,
            )
            tell_changes(report)
