"""A scan: what changed is found, worked on, and written as soon as it is there."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import threadpoolctl

from recommender import audio
from recommender.analysis.work import Extractor, Failed, Seen, look, outcomes
from recommender.errors import ParameterError, RecommenderError
from recommender.library import Library, is_gone


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a scan is.

    Attributes
    ----------
    n_done, n_total : int
        Files; unchanged ones are done from the start.
    n_failed : int
    path : Path or None
        The file that was done last; ``None`` before the first.
    """

    n_done: int
    n_total: int
    n_failed: int
    path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ScanReport:
    """What a scan found; each file counts once, lists are sorted by path.

    Attributes
    ----------
    n_seen : int
        Audio files, whatever became of them.
    n_unchanged : int
        Only looked at.
    n_known : int
        Moved, retagged or copied: hashed, but not decoded.
    n_analysed : int
        Decoded.
    n_gone : int
        Files known before that are there no more.
    failures, warnings : tuple of (Path, str)
        Path and reason, of earlier scans too.
    """

    n_seen: int
    n_unchanged: int
    n_known: int
    n_analysed: int
    n_gone: int
    failures: tuple[tuple[Path, str], ...]
    warnings: tuple[tuple[Path, str], ...]


def scan(
    library: Library,
    paths: Sequence[Path],
    preprocessor: Extractor,
    *,
    jobs: int,
    on_progress: Callable[[Progress], None] | None = None,
    retry_failed: bool = False,
) -> ScanReport:
    """Bring the library up to date with folders and files.

    Parameters
    ----------
    library : Library
    paths : sequence of Path
        Folders and files. Links given here are resolved; names below them are kept as they are.
    preprocessor : Extractor
    jobs : int
        Files worked on at the same time, at least 1; the result does not depend on it.
    on_progress : callable, optional
        Called from this thread, at the start and after each file.
    retry_failed : bool
        Try unchanged files again that failed before.

    Raises
    ------
    RecommenderError
        If a path does not exist, cannot be reached or is a playlist, or if there is no ffmpeg.
    LibraryError
        If the library cannot be written; what was finished before stays.
    """
    if jobs < 1:
        raise ParameterError(f"jobs must be at least 1, not {jobs}")
    roots = [_root(path) for path in paths]
    failures: dict[Path, str] = {}
    files = audio.find_audio(roots, on_error=lambda error: failures.update([_unreadable(error)]))
    for folder, reason in failures.items():
        library.record_failure(folder, reason)

    states = library.states(preprocessor.fingerprint, roots) if roots else {}
    gone = [path for path in states.keys() - set(files) - set(failures) if _is_over(path)]
    library.forget(gone)
    todo: list[Seen] = []
    warnings: dict[Path, str] = {}
    for path in files:
        seen, state = look(path), states.get(path)
        if state is None or (state.size, state.mtime_ns) != (seen.size, seen.mtime_ns):
            todo.append(seen)
        elif state.failure is not None and not retry_failed and seen.size is not None:
            failures[path] = state.failure
        elif not state.analysed:
            todo.append(seen)
        elif state.warning is not None:
            warnings[path] = state.warning
    if todo:
        audio.ffmpeg_exe()  # without it every file would fail, through no fault of its own

    n_settled = len(files) - len(todo)
    n_unchanged = n_settled - sum(path in failures for path in files)
    n_known = n_analysed = 0
    report_progress = on_progress or (lambda _: None)
    report_progress(Progress(n_done=n_settled, n_total=len(files), n_failed=len(failures)))
    library.describe(preprocessor.fingerprint, _description(preprocessor))
    # The files are worked on in parallel already.
    with (
        threadpoolctl.threadpool_limits(1, user_api="blas"),
        contextlib.closing(outcomes(todo, library, preprocessor, jobs)) as results,
    ):
        for n, outcome in enumerate(results, start=n_settled + 1):
            if isinstance(outcome, Failed):
                path = outcome.seen.path
                failures[path] = outcome.reason
                library.record_failure(
                    path,
                    outcome.reason,
                    size=outcome.seen.size if outcome.lasting else None,
                    mtime_ns=outcome.seen.mtime_ns if outcome.lasting else None,
                )
            else:
                path = outcome.file.path
                library.remember(outcome.file, preprocessor.fingerprint, outcome.features)
                n_known += outcome.features is None
                n_analysed += outcome.features is not None
                if outcome.file.warning is not None:
                    warnings[path] = outcome.file.warning
            report_progress(
                Progress(n_done=n, n_total=len(files), n_failed=len(failures), path=path)
            )
    return ScanReport(
        n_seen=len(files),
        n_unchanged=n_unchanged,
        n_known=n_known,
        n_analysed=n_analysed,
        n_gone=len(gone),
        failures=tuple(sorted(failures.items())),
        warnings=tuple(sorted(warnings.items())),
    )


def _root(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        what = getattr(error, "strerror", None) or error
        raise RecommenderError(f"{path}: {what}; name folders and files that exist") from error


def _is_over(path: Path) -> bool:
    """Tell whether what was known of a path holds no longer: it is gone, or readable again."""
    return is_gone(path) or os.path.isdir(path)  # noqa: PTH112 (Path.is_dir may raise)


def _unreadable(error: OSError) -> tuple[Path, str]:
    return Path(error.filename), f"the folder cannot be read ({error.strerror})"


def _description(preprocessor: Extractor) -> str:
    return json.dumps({"spectrogram": dataclasses.asdict(preprocessor.params)}, sort_keys=True)
