"""A scan: what changed is found, worked on, and written as soon as it is there."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import threadpoolctl

from recommender import audio
from recommender.analysis.listening import Extractor
from recommender.analysis.records import Done, Failed, Progress, ScanReport, Seen, Skipped, look
from recommender.analysis.sections import Division, Options, divide
from recommender.analysis.work import outcomes
from recommender.errors import ParameterError, RecommenderError
from recommender.library import FileState, Library, is_gone


def scan(
    library: Library,
    paths: Sequence[Path],
    preprocessor: Extractor,
    *,
    jobs: int,
    on_progress: Callable[[Progress], None] | None = None,
    retry_failed: bool = False,
    fast: bool = False,
    max_duration_s: float | None = None,
    section_s: float | None = None,
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
    fast : bool
        Analyse new recordings from a few windows of 8 s; whole ones are used where they are there.
        Without it, recordings of which there are only windows count as not analysed.
    max_duration_s : float, optional
        Leave out longer files, and longer tracks of CUE sheets; nothing is written about them.
    section_s : float, optional
        Divide longer files into parts of this length, as CUE sheets divide them into tracks.

    Raises
    ------
    RecommenderError
        If a path does not exist, cannot be reached or is a playlist, or if nothing can decode.
    LibraryError
        If the library cannot be written; what was finished before stays.
    """
    if jobs < 1:
        raise ParameterError(f"jobs must be at least 1, not {jobs}")
    options = Options(fast=fast, max_duration_s=max_duration_s, section_s=section_s)
    roots = [_root(path) for path in paths]
    found = _Findings()
    files, sheets = audio.find_audio_and_sheets(
        roots, on_error=lambda error: found.failures.update([_unreadable(error)])
    )
    for folder, reason in found.failures.items():
        library.record_failure(folder, reason)
    images, problems = audio.find_images(sheets)
    found.warnings.update(problems)
    states = library.states(preprocessor.fingerprint, roots, fast=fast) if roots else {}
    gone = [path for path in states.keys() - set(files) - set(found.failures) if _is_over(path)]
    library.forget(gone)
    library.forget(path for path in sheets if path in states and path not in found.warnings)
    for sheet, reason in problems:
        if sheet not in states or states[sheet].failure != reason:
            library.record_failure(sheet, reason)
    all_seen = [look(path, images.get(path)) for path in files]
    todo = [
        seen for seen in all_seen if not _settle(seen, states, options, found, retry=retry_failed)
    ]
    if todo:
        audio.check_decoder()  # without it every file would fail, through no fault of its own

    n_total, n_settled = len(files), len(files) - len(todo)
    report_progress = on_progress or (lambda _: None)
    report_progress(Progress(n_done=n_settled, n_total=n_total, n_failed=len(found.failures)))
    library.describe(preprocessor.fingerprint, _description(preprocessor))
    # The files are worked on in parallel already.
    with (
        threadpoolctl.threadpool_limits(1, user_api="blas"),
        contextlib.closing(outcomes(todo, library, preprocessor, options, jobs)) as results,
    ):
        for n, outcome in enumerate(results, start=n_settled + 1):
            _write(library, outcome, preprocessor.fingerprint, found)
            report_progress(
                Progress(
                    n_done=n,
                    n_total=n_total,
                    n_failed=len(found.failures),
                    path=outcome.seen.path,
                )
            )
    return ScanReport(
        n_seen=n_total,
        n_unchanged=found.n_unchanged,
        n_known=found.n_known,
        n_analysed=found.n_analysed,
        n_skipped=found.n_skipped,
        n_gone=len(gone),
        failures=tuple(sorted(found.failures.items())),
        warnings=tuple(sorted(found.warnings.items())),
        skipped=tuple(sorted(found.skipped)),
    )


@dataclass
class _Findings:
    """What a scan has found so far; see `ScanReport`."""

    n_unchanged: int = 0
    n_known: int = 0
    n_analysed: int = 0
    n_skipped: int = 0
    failures: dict[Path, str] = field(default_factory=dict)
    warnings: dict[Path, str] = field(default_factory=dict)
    skipped: list[tuple[Path, str]] = field(default_factory=list)

    def leave_out(self, path: Path, division: Division) -> None:
        self.skipped += [(path, reason) for _, reason in division.skipped]
        self.n_skipped += not division.kept


def _settle(
    seen: Seen,
    states: Mapping[Path, FileState],
    options: Options,
    found: _Findings,
    *,
    retry: bool,
) -> bool:
    """Note what is known of a file; tell whether it is all that is needed."""
    path, state = seen.path, states.get(seen.path)
    if state is None or (state.size, state.mtime_ns) != (seen.size, seen.mtime_ns):
        return False
    if state.failure is not None and not retry and seen.size is not None:
        found.failures[path] = state.failure
        return True
    division = divide(state.file_s, seen.image, options)
    if not _has_all(state, seen, division):
        return False
    found.leave_out(path, division)
    if division.kept:
        found.n_unchanged += 1
        if state.warning is not None:
            found.warnings[path] = state.warning
    return True


def _write(
    library: Library, outcome: Done | Failed | Skipped, fingerprint: str, found: _Findings
) -> None:
    seen = outcome.seen
    if isinstance(outcome, Failed):
        found.failures[seen.path] = outcome.reason
        library.record_failure(
            seen.path,
            outcome.reason,
            size=seen.size if outcome.lasting else None,
            mtime_ns=seen.mtime_ns if outcome.lasting else None,
        )
        return
    found.leave_out(seen.path, outcome.division)
    if isinstance(outcome, Skipped):
        library.forget([seen.path])  # it was another file
        return
    library.remember_sections(
        [(file, outcome.features.get(file.section)) for file in outcome.files],
        fingerprint,
        fast=outcome.fast,
    )
    found.n_known += not outcome.features
    found.n_analysed += bool(outcome.features)
    if (warning := outcome.files[0].warning) is not None:
        found.warnings[seen.path] = warning


def _has_all(state: FileState, seen: Seen, division: Division) -> bool:
    """Tell whether an unchanged file needs nothing, as it is to be divided now."""
    if not division.kept:
        return True
    return (
        state.sheet == (seen.image.digest if seen.image else None)
        # Tracks that are too long for this scan may have been analysed by another.
        and state.sections.keys() <= set(division.sections)
        and all(state.sections.get(section) for section in division.kept)
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
