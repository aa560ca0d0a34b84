"""The work of a scan: files identified and decoded in threads, each recording once."""

import itertools
import os
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender import audio
from recommender.analysis.listening import Extractor, listen, sample
from recommender.analysis.records import Done, Failed, Identity, Seen, Skipped
from recommender.analysis.sections import Options, divide, section_hash, section_tags
from recommender.errors import AudioDecodeError
from recommender.library import File, Library, Section

_CUT_OFF_SHARE, _CUT_OFF_S = 0.1, 5.0  # what may be missing before a file counts as cut off


Outcome = Done | Failed | Skipped


class Workers(Protocol):
    """What does the work, in threads or on other machines."""

    @property
    def n_at_once(self) -> int:
        """How many pieces of work keep it busy."""

    def submit(
        self, work: Callable[..., Identity | Outcome], *what: object
    ) -> Future[Identity | Outcome]:
        """Have `identify` or `analyse` done, given what comes before the extractor."""

    def stop(self) -> None:
        """End what is under way as soon as can be, and begin nothing more."""


class Threads:
    """Workers in threads of this process."""

    def __init__(self, extractor: Extractor, options: Options, jobs: int) -> None:
        self.n_at_once = 2 * jobs
        self._shared = (extractor, options)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="scan")

    def submit(
        self, work: Callable[..., Identity | Outcome], *what: object
    ) -> Future[Identity | Outcome]:
        """See `Workers`."""
        return self._pool.submit(work, *what, *self._shared, self._stop)

    def stop(self) -> None:
        """See `Workers`."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


def outcomes(
    todo: Sequence[Seen],
    library: Library,
    extractor: Extractor,
    options: Options,
    hand_out: Callable[[Extractor, Options], Workers],
) -> Generator[Outcome, None, None]:
    """Identify files, and decode each recording once; what is yielded has to be written at once.

    Workers never touch the library: an identified file comes back here, and only if a recording of
    it is not known a second piece of work is handed out. Copies wait for the one being decoded.
    """
    if not todo:
        return
    queue, workers = iter(todo), hand_out(extractor, options)
    running: set[Future[Identity | Outcome]] = set()
    waiting: dict[tuple[str, str | None], list[Identity]] = {}

    def settle(identity: Identity) -> Done | None:
        """Answer from the library, or hand out the decoding, or let a copy wait for it."""
        if (copies := waiting.get(identity.key)) is not None:
            copies.append(identity)
            return None
        known_s: dict[Section, float] = {}
        for section in identity.division.kept:
            known = library.duration_s(
                section_hash(identity.content_hash, section),
                extractor.fingerprint,
                fast=options.fast,
            )
            if known is not None:
                known_s[section] = known
        if len(known_s) == len(identity.division.kept):
            return _done(identity, known_s, {})
        waiting[identity.key] = []
        running.add(workers.submit(analyse, identity, known_s))
        return None

    try:
        while True:
            for seen in itertools.islice(queue, max(0, workers.n_at_once - len(running))):
                running.add(workers.submit(identify, seen))
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                result = future.result()
                running.remove(future)
                if isinstance(result, Identity):
                    copies = [result]
                else:
                    yield result
                    # If this one failed, a copy may fare better: a file can vanish meanwhile.
                    copies = waiting.pop(result.key, []) if result.key else []
                for identity in copies:
                    if (done := settle(identity)) is not None:
                        yield done
    except KeyboardInterrupt:
        workers.stop()
        for future in running:
            if not future.cancelled() and not future.exception():
                result = future.result()
                if isinstance(result, Done):
                    yield result
        raise
    finally:
        workers.stop()


def work_on(seen: Seen, extractor: Extractor, options: Options, stop: threading.Event) -> Outcome:
    """Identify a file and analyse all of it, whatever is known of its recordings."""
    found = identify(seen, extractor, options, stop)
    return analyse(found, {}, extractor, options, stop) if isinstance(found, Identity) else found


def identify(
    seen: Seen, extractor: Extractor, options: Options, stop: threading.Event
) -> Identity | Failed | Skipped:
    """Tell what can be known of a file without decoding it."""
    try:
        if seen.size is not None and not seen.path.is_file():  # opening a pipe would block
            return Failed(seen=seen, reason="not a regular file", lasting=True)
        tags = audio.read_tags(seen.path)
        file_s = tags.duration_s
        if file_s is None and (options.max_duration_s or options.section_s):
            file_s = listen(seen.path, (), extractor, stop).file_s
        division = divide(file_s, seen.image, options)
        if not division.kept:
            return Skipped(seen=seen, division=division)
        return Identity(
            seen=seen,
            content_hash=audio.content_hash(seen.path),
            tags=tags,
            file_s=file_s,
            division=division,
        )
    except (AudioDecodeError, OSError) as error:
        return _failed(seen, error)


def analyse(
    identity: Identity,
    known_s: Mapping[Section, float],
    extractor: Extractor,
    options: Options,
    stop: threading.Event,
) -> Outcome:
    """Decode a file for the features of those recordings whose length is not known."""
    seen, division = identity.seen, identity.division
    wanted = [section for section in division.kept if section not in known_s]
    heard = None
    try:
        if options.fast and identity.file_s is not None:
            heard = sample(seen.path, wanted, identity.file_s, extractor, stop)
        if heard is None:
            heard = listen(seen.path, wanted, extractor, stop)
    except (AudioDecodeError, OSError) as error:
        return _failed(seen, error, identity.key)
    if len(heard.features) < len(wanted):
        # The file is shorter than it said: it is divided by what was heard.
        division = divide(heard.file_s, seen.image, options)
        if not division.kept:
            return Skipped(seen=seen, division=division, key=identity.key)
        if division.sections != identity.division.sections:
            shorter = replace(identity, file_s=heard.file_s, division=division)
            return analyse(shorter, {}, extractor, options, stop)
    if not heard.features:
        reason = f"too short, at least {extractor.params.frame_duration_s:g} s of sound are needed"
        return Failed(seen=seen, reason=reason, lasting=True, key=identity.key)
    if identity.file_s is None:
        identity = replace(identity, file_s=heard.file_s)
    return _done(identity, {**known_s, **heard.durations_s}, heard.features, fast=heard.fast)


def _done(
    identity: Identity,
    durations_s: Mapping[Section, float],
    features: Mapping[Section, NDArray[np.float16]],
    *,
    fast: bool = False,
) -> Done:
    seen, division = identity.seen, identity.division
    last = division.sections[-1]
    warnings = [division.warning] if division.warning else []
    heard_s = None
    if last in durations_s:
        heard_s = (last.start_s or 0.0) + durations_s[last]
        warnings += _cut_off(heard_s, identity.tags.duration_s or 0.0)
    files = tuple(
        File(
            path=seen.path,
            section=section,
            size=seen.size or 0,
            mtime_ns=seen.mtime_ns or 0,
            content_hash=section_hash(identity.content_hash, section),
            duration_s=durations_s[section],
            tags=section_tags(identity.tags, section, seen.image),
            file_s=heard_s if identity.file_s is None else identity.file_s,
            sheet=seen.image.digest if seen.image else None,
            warning="; ".join(warnings) or None,
        )
        for section in division.kept
        if section in durations_s
    )
    return Done(
        seen=seen,
        files=files,
        division=division,
        key=identity.key,
        features=features,
        fast=fast,
    )


def _cut_off(heard_s: float, stated_s: float) -> list[str]:
    if stated_s - heard_s <= max(_CUT_OFF_S, _CUT_OFF_SHARE * stated_s):
        return []
    return [
        f"only {heard_s:.0f} of {stated_s:.0f} s could be decoded: the file seems to be cut off"
    ]


def _failed(seen: Seen, error: Exception, key: tuple[str, str | None] | None = None) -> Failed:
    return Failed(
        seen=seen,
        reason=str(error).removeprefix(f"{seen.path}: "),
        # Permissions change without changing the file, and so does what OSErrors are about.
        lasting=isinstance(error, AudioDecodeError) and os.access(seen.path, os.R_OK),
        key=key,
    )
