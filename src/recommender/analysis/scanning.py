"""A scan: what changed is found, worked on, and written as soon as it is there."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import threadpoolctl

from recommender import audio
from recommender.analysis.changes import Ledger
from recommender.analysis.listening import Extractor
from recommender.analysis.records import Done, Failed, Progress, ScanReport, Skipped
from recommender.analysis.sections import Options
from recommender.analysis.surveying import Findings, is_changed, listable, settle, write_absence
from recommender.analysis.work import Threads, Workers, outcomes
from recommender.errors import ParameterError, RecommenderError
from recommender.library import Library


def scan(
    library: Library,
    paths: Sequence[Path],
    preprocessor: Extractor,
    *,
    jobs: int,
    again: Sequence[Path] = (),
    as_roots: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    retry_failed: bool = False,
    fast: bool = False,
    max_duration_s: float | None = None,
    section_s: float | None = None,
    hand_out: Callable[[Extractor, Options], Workers] | None = None,
) -> ScanReport:
    """Bring the library up to date with folders and files.

    What is there no more is marked, and stays in the library.

    Parameters
    ----------
    library : Library
    paths : sequence of Path
        Folders and files. Links given here are resolved; names below them are kept as they are.
    preprocessor : Extractor
    jobs : int
        Files worked on at the same time, at least 1; the result does not depend on it.
    again : sequence of Path
        Folders and files to look at as well that the library knows, by its own names: links in them
        are kept, and they need not be there any more.
    as_roots : bool
        Remember the folders among `paths`: see `Library.roots`.
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
    hand_out : callable, optional
        Given extractor and options returns what does the work; by default threads of this process.

    Raises
    ------
    RecommenderError
        If a path does not exist, cannot be reached or is a playlist, or if nothing can decode.
    LibraryError
        If the library cannot be written; what was finished before stays.
    """
    if jobs < 1:
        raise ParameterError(f"jobs must be at least 1, not {jobs}")
    hand_out = hand_out or functools.partial(Threads, jobs=jobs)
    options = Options(fast=fast, max_duration_s=max_duration_s, section_s=section_s)
    roots = [_root(path) for path in paths]
    found = Findings()
    listing = audio.list_audio(
        [*roots, *listable(again)],
        on_error=lambda error: found.failures.update([_unreadable(error)]),
    )
    if as_roots:
        library.remember_roots(path for path in roots if path.is_dir())
    for folder, reason in found.failures.items():
        library.record_failure(folder, reason)
    images, problems = audio.find_images(listing.sheets)
    found.warnings.update(problems)
    scope = [*roots, *again]
    states = library.states(preprocessor.fingerprint, scope, fast=fast) if scope else {}
    missing = write_absence(library, listing, states, found)
    for sheet, reason in problems:
        if (known := states.get(str(sheet))) is None or known.failure != reason:
            library.record_failure(sheet, reason)

    todo = settle(listing, images, states, options, found, retry=retry_failed)
    library.mark_found(found.returned)
    if todo:
        audio.check_decoder()  # without it every file would fail, through no fault of its own
    changed = [str(seen.path) for seen in todo if is_changed(seen, states.get(str(seen.path)))]
    before = library.sounds([*changed, *missing]) if todo else {}
    ledger = Ledger(states=states, missing=missing, before=before)

    n_total, n_settled = len(listing.files), len(listing.files) - len(todo)
    report_progress = on_progress or (lambda _: None)
    report_progress(Progress(n_done=n_settled, n_total=n_total, n_failed=len(found.failures)))
    library.describe(preprocessor.fingerprint, _description(preprocessor))
    # The files are worked on in parallel already.
    with (
        threadpoolctl.threadpool_limits(1, user_api="blas"),
        contextlib.closing(outcomes(todo, library, preprocessor, options, hand_out)) as results,
    ):
        for n, outcome in enumerate(results, start=n_settled + 1):
            _write(library, outcome, preprocessor.fingerprint, found, ledger)
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
        n_returned=len(found.returned),
        n_outdated=found.n_outdated,
        failures=tuple(sorted(found.failures.items())),
        warnings=tuple(sorted(found.warnings.items())),
        skipped=tuple(sorted(found.skipped)),
        left_out=listing.left_out,
        **dataclasses.asdict(ledger.balance(library)),
    )


def _write(
    library: Library,
    outcome: Done | Failed | Skipped,
    fingerprint: str,
    found: Findings,
    ledger: Ledger,
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
    with library.batch():
        library.remember_sections(
            [(file, outcome.features.get(file.section)) for file in outcome.files],
            fingerprint,
            fast=outcome.fast,
        )
        ledger.note(outcome, library)
    found.n_known += not outcome.features
    found.n_analysed += bool(outcome.features)
    if (warning := outcome.files[0].warning) is not None:
        found.warnings[seen.path] = warning


def _root(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        what = getattr(error, "strerror", None) or error
        raise RecommenderError(f"{path}: {what}; name folders and files that exist") from error


def _unreadable(error: OSError) -> tuple[Path, str]:
    return Path(error.filename), f"the folder cannot be read ({error.strerror})"


def _description(preprocessor: Extractor) -> str:
    return json.dumps({"spectrogram": dataclasses.asdict(preprocessor.params)}, sort_keys=True)
