"""Templates to pages: every value is escaped; numbers and times are told in words."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recommender.ranking.telling import clock, counted
from recommender.web.schemas import Job

TEMPLATES = Path(__file__).parent / "templates"

_JOBS = {
    "scan": "Listening to music",
    "profile": "Making a profile",
    "evaluation": "Evaluating",
    "genres": "Learning genres",
}
_STATES = {
    "queued": "Waiting for other work to end",
    "running": "At work",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled; what was done is kept",
    "interrupted": "Interrupted; it can go on where it stopped",
}


def environment() -> Environment:
    """Return what renders the templates."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "bytes": size,
        "clock": clock,
        "counted": _counted,
        "day": day,
        "hours": hours,
        "job_state": lambda state: _STATES[state],
        "job_title": job_title,
        "plain_quality": plain_quality,
        "thousands": "{:,}".format,
        "titled": titled,
    }
    found.filters |= filters
    return found


def titled(track: Any) -> str:
    """Name anything that has a title or else a path."""
    return track.title or str(track.path).rsplit("/", 1)[-1]


def size(n_bytes: int) -> str:
    """Return a size as text: ``41.5 MB``."""
    value, unit = float(n_bytes), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"


def hours(n_hours: float) -> str:
    """Return a long duration as text: ``25 minutes``, ``51 hours``, ``12 days``."""
    if n_hours < 2:
        return counted(round(60 * n_hours), "minute")
    return counted(round(n_hours), "hour") if n_hours < 96 else counted(round(n_hours / 24), "day")


def day(time: datetime | str) -> str:
    """Return a day as text: ``21 November 2026``."""
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    return f"{time.day} {time:%B %Y}"


def job_title(job: Job) -> str:
    """Say what a job is for."""
    subject = job.arguments.get("name") or ", ".join(job.arguments.get("paths") or [])
    return f"{_JOBS[job.kind]}: {subject}" if subject else _JOBS[job.kind]


def plain_quality(auc: float) -> str:
    """Say in one sentence how good a profile is, by how it finds what is hidden from it."""
    for least, said in (
        (0.95, "Very good: it nearly always knows what is liked."),
        (0.85, "Good: most of what is liked would come first."),
        (0.7, "Fair: it helps, but expect surprises. More liked tracks of one kind would help."),
    ):
        if auc >= least:
            return said
    return (
        "Weak: what is liked is too varied to be told by sound. Make several profiles instead, one"
        " for each kind of music."
    )


def _counted(n: int, what: str) -> str:
    return counted(n, what) if n < 1000 else f"{n:,} {what}s"
