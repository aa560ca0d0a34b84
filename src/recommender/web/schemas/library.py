"""The library, and jobs."""

from datetime import datetime
from typing import Any

from pydantic import Field

from recommender.web.schemas.base import JobKind, JobState, Model, Paths, example


class Status(Model):
    """The program and where its files lie."""

    model_config = example(
        version="0.1.0", home="/home/nina/.local/share/recommender", preprocessor="6f0d2a91c3b4"
    )

    version: str
    home: str
    preprocessor: str = Field(description="Fingerprint of the features that are made by default.")


class Root(Model):
    """A folder that is scanned."""

    path: str
    scanned_at: datetime
    is_away: bool = Field(description="Missing or empty now, perhaps on a drive that is away.")


class LibraryStatus(Model):
    """The library in figures."""

    model_config = example(
        n_tracks=812,
        n_files=815,
        n_missing=0,
        n_failures=2,
        n_warnings=1,
        n_analysed=812,
        n_fast=0,
        hours=51.4,
        file_bytes=6_100_000_000,
        library_bytes=42_000_000,
        failures_by_reason={"not an audio file that ffmpeg can read": 2},
        roots=[
            {"path": "/home/nina/Music", "scanned_at": "2025-05-01T09:30:00Z", "is_away": False}
        ],
    )

    n_tracks: int
    n_files: int
    n_missing: int = Field(description="Files that are not there now.")
    n_failures: int
    n_warnings: int
    n_analysed: int = Field(description="Recordings with features of the default preprocessor.")
    n_fast: int = Field(description="Those among them that were heard in a few windows only.")
    hours: float
    file_bytes: int
    library_bytes: int
    failures_by_reason: dict[str, int]
    roots: list[Root]


class ScanRequest(Model):
    """What to scan."""

    model_config = example(paths=["/home/nina/Music"], fast=False, retry=False)

    paths: Paths | None = Field(
        default=None, description="None: all folders that were scanned before."
    )
    fast: bool = Field(default=False, description="Listen to a few windows of each new file only.")
    retry: bool = Field(
        default=False, description="Try files again that failed and have not changed."
    )


class JobProgress(Model):
    """How far a job is."""

    done: int = 0
    total: int = Field(default=0, description="0 while it is not known.")
    text: str = Field(default="", description="What it is at.")


class Job(Model):
    """What takes long."""

    model_config = example(
        id="9f86d081884c7d65",
        kind="scan",
        arguments={"paths": ["/home/nina/Music"], "fast": False, "retry": False},
        state="running",
        progress={"done": 12, "total": 815, "text": "Sinnerman.flac"},
        created_at="2025-05-01T09:30:00Z",
        started_at="2025-05-01T09:30:00Z",
        finished_at=None,
        result=None,
        error=None,
    )

    id: str
    kind: JobKind
    arguments: dict[str, Any]
    state: JobState
    progress: JobProgress = JobProgress()
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: dict[str, Any] | None = None
    error: str | None = None


class Failure(Model):
    """A file that could not be used."""

    path: str
    reason: str
    failed_at: datetime


class Failures(Model):
    """Files that could not be used, sorted by path."""

    model_config = example(
        total=1,
        offset=0,
        items=[
            {
                "path": "/home/nina/Music/notes.mp3",
                "reason": "not an audio file that ffmpeg can read; is it damaged, or misnamed?",
                "failed_at": "2025-05-01T09:30:00Z",
            }
        ],
    )

    total: int
    offset: int
    items: list[Failure]


class Folder(Model):
    """A folder with music somewhere below it."""

    path: str
    name: str
    n_tracks: int


class Folders(Model):
    """The folders right below one, or the folders that are scanned."""

    model_config = example(
        path="/home/nina/Music",
        parent=None,
        n_tracks=812,
        folders=[{"path": "/home/nina/Music/Nina", "name": "Nina", "n_tracks": 61}],
    )

    path: str | None
    parent: str | None
    n_tracks: int
    folders: list[Folder]


class Point(Model):
    """A track on the map; tracks that sound alike lie near."""

    id: int
    x: float
    y: float
    score: float | None = None
    genre: str | None = None
    title: str | None = None
    artist: str | None = None


class Map(Model):
    """The library in two dimensions."""

    model_config = example(
        total=812,
        points=[
            {
                "id": 7,
                "x": 0.31,
                "y": -0.74,
                "score": 0.91,
                "genre": None,
                "title": "Sinnerman",
                "artist": "Nina Simone",
            }
        ],
    )

    total: int = Field(description="Of very many tracks, fewer are points.")
    points: list[Point]
