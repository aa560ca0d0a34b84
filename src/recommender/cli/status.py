"""``recommender library status`` and ``errors``: what the library holds, and what failed."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from recommender.cli.console import (
    Json,
    answer_json,
    counted,
    list_problems,
    open_library,
    problem,
    say,
    shown,
)

if TYPE_CHECKING:
    from recommender.library import Failure

_REASON = re.compile(r"[^,;:(]*\w")  # its first words; numbers and names come later
_FEW_HOURS_S = 3 * 3600


def status(as_json: Json = False) -> None:
    """Show what the library holds, where its music lies, what failed, and where it is."""
    import dataclasses

    from recommender import preprocessor
    from recommender.library import home, is_away
    from recommender.parameters import SHIPPED

    with open_library() as library:
        counts, roots = library.counts(), library.roots()
        reasons = _by_reason(library.failures())
    if as_json:
        answer_json(
            {
                "home": str(home()),
                **dataclasses.asdict(counts),
                "failures_by_reason": reasons,
                "roots": [
                    {"path": str(r.path), "scanned_at": r.scanned_at, "is_away": is_away(r.path)}
                    for r in roots
                ],
            }
        )
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
    if counts.n_files:
        typer.echo(f"{_length(counts.duration_s)} of music, {_size(counts.n_file_bytes)}")
    if counts.n_missing:
        missing = counted(counts.n_missing, "file")
        typer.echo(f"{missing} missing, kept until `recommender library prune`")
    for reason, n in reasons.items():
        typer.echo(f"{counted(n, 'failure')}: {shown(reason)}")
    for root in roots:
        when = f"{root.scanned_at.astimezone():%Y-%m-%d %H:%M}"
        is_there = ", not there now" if is_away(root.path) else ""
        typer.echo(f"{shown(root.path)} scanned {when}{is_there}")
    typer.echo(f"{_size(counts.n_bytes)} in {shown(home() / 'library.db')}")


def errors(as_json: Json = False) -> None:
    """List the files that could not be used, each with the reason."""
    with open_library() as library:
        failures, warnings = library.failures(), library.warnings()
    if as_json:
        answer_json(
            {
                "failures": [
                    {"path": str(f.path), "reason": f.reason, "at": f.failed_at, "by": f.version}
                    for f in failures
                ],
                "warnings": [{"path": str(path), "reason": reason} for path, reason in warnings],
            }
        )
        return
    for failure in failures:
        typer.echo(problem(failure.path, failure.reason))
    list_problems("Something is amiss with these:", warnings, "yellow")
    if not failures:
        say("No file failed.")


def _by_reason(failures: Iterable["Failure"]) -> dict[str, int]:
    """Count failures by the first words of their reasons, the most frequent first."""
    reasons = Counter[str]()
    for failure in failures:
        match = _REASON.match(failure.reason)
        reasons[match[0] if match else failure.reason] += 1
    return dict(reasons.most_common())


def _length(seconds: float) -> str:
    """Text such as "42 minutes" or "3,120 hours"."""
    if seconds < _FEW_HOURS_S:
        return counted(round(seconds / 60), "minute")
    return f"{seconds / 3600:,.0f} hours"


def _size(n_bytes: int) -> str:
    """Text such as "3.5 MB" or "1.2 GB"."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"
