"""The work of a scan: files identified and decoded in threads, each recording once."""

import contextlib
import itertools
import os
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender import audio, spectrogram
from recommender.errors import AudioDecodeError
from recommender.library import File, Library
from recommender.parameters import SpectrogramParams

_BATCH = 16  # fragments a call of the preprocessor: 0.5 MB of them
_CUT_OFF_SHARE, _CUT_OFF_S = 0.1, 5.0  # what may be missing before a file counts as cut off


class Extractor(Protocol):
    """What `scan` asks of a preprocessor; it is called from several threads."""

    @property
    def params(self) -> SpectrogramParams:
        """Of the fragments it takes."""

    @property
    def fingerprint(self) -> str:
        """Names the features."""

    def __call__(self, fragments: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Compute features, ``(n, n_frames, n_mels)`` to ``(n, n_features)``."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A file as `stat` shows it; without size and time it could not be looked at."""

    path: Path
    size: int | None
    mtime_ns: int | None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What can be known of a file without decoding it."""

    seen: Seen
    content_hash: str
    tags: audio.Tags


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A lasting failure needs another file before another attempt makes sense."""

    seen: Seen
    reason: str
    lasting: bool
    content_hash: str | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """Without features, the recording was known."""

    file: File
    features: NDArray[np.float16] | None


def look(path: Path) -> Seen:
    """Ask the file system for a file's size and time of change."""
    try:
        status = path.stat()
    except OSError:
        return Seen(path=path, size=None, mtime_ns=None)
    return Seen(path=path, size=status.st_size, mtime_ns=status.st_mtime_ns)


def outcomes(
    todo: Iterable[Seen], library: Library, preprocessor: Extractor, jobs: int
) -> Generator[Done | Failed, None, None]:
    """Identify files, and decode each recording once; what is yielded has to be written at once.

    Workers never touch the library: an identified file comes back here, and only if its recording
    is not known a second piece of work is handed out. Copies wait for the one being decoded.
    """
    queue = iter(todo)
    running: set[Future[Identity | Done | Failed]] = set()
    waiting: dict[str, list[Identity]] = {}
    stop = threading.Event()
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="scan")
    try:
        while True:
            for seen in itertools.islice(queue, max(0, 2 * jobs - len(running))):
                running.add(pool.submit(_identify, seen))
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                result = future.result()
                running.remove(future)
                if isinstance(result, Identity):
                    if (copies := waiting.get(result.content_hash)) is not None:
                        copies.append(result)
                        continue
                    known_s = library.duration_s(result.content_hash, preprocessor.fingerprint)
                    if known_s is not None:
                        yield Done(file=_file(result, known_s), features=None)
                        continue
                    waiting[result.content_hash] = []
                    running.add(pool.submit(_analyse, result, preprocessor, stop))
                    continue
                yield result
                if isinstance(result, Done):
                    for copy in waiting.pop(result.file.content_hash):
                        yield Done(file=_file(copy, result.file.duration_s), features=None)
                elif result.content_hash and (copies := waiting.pop(result.content_hash)):
                    # The copy may fare better: a file can vanish while it is being decoded.
                    waiting[result.content_hash] = copies[1:]
                    running.add(pool.submit(_analyse, copies[0], preprocessor, stop))
    except KeyboardInterrupt:
        stop.set()
        pool.shutdown(cancel_futures=True)
        for future in running:
            if not future.cancelled() and not future.exception():
                result = future.result()
                if isinstance(result, Done):
                    yield result
        raise
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _identify(seen: Seen) -> Identity | Failed:
    try:
        if seen.size is not None and not seen.path.is_file():  # opening a pipe would block
            return Failed(seen=seen, reason="not a regular file", lasting=True)
        return Identity(
            seen=seen,
            content_hash=audio.content_hash(seen.path),
            tags=audio.read_tags(seen.path),
        )
    except (AudioDecodeError, OSError) as error:
        return _failed(seen, error)


def _analyse(identity: Identity, preprocessor: Extractor, stop: threading.Event) -> Done | Failed:
    path, params = identity.seen.path, preprocessor.params
    n_samples = 0

    def heard() -> Iterator[NDArray[np.int16]]:
        nonlocal n_samples
        # Closed here and now, not when the garbage is collected: that ends the decoder.
        with contextlib.closing(audio.blocks(path, sr=params.sr)) as blocks:
            for block in blocks:
                if stop.is_set():
                    return
                n_samples += block.size
                yield block

    try:
        features = [
            preprocessor(batch).astype(np.float16)
            for batch in _batches(spectrogram.stream(heard(), params))
        ]
    except (AudioDecodeError, OSError) as error:
        return _failed(identity.seen, error, identity.content_hash)
    if stop.is_set():
        raise CancelledError
    if not features:
        reason = f"too short, at least {params.frame_duration_s:g} s of sound are needed"
        return Failed(
            seen=identity.seen, reason=reason, lasting=True, content_hash=identity.content_hash
        )
    return Done(file=_file(identity, n_samples / params.sr), features=np.concatenate(features))


def _batches(chunks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Gather small chunks; the decoder's come with a fragment or none."""
    gathered: list[NDArray[np.float32]] = []
    for chunk in chunks:
        gathered.append(chunk)
        if sum(map(len, gathered)) >= _BATCH:
            yield np.concatenate(gathered)
            gathered.clear()
    if gathered:
        yield np.concatenate(gathered)


def _file(identity: Identity, duration_s: float) -> File:
    stated_s = identity.tags.duration_s or 0.0
    seen, warning = identity.seen, None
    if stated_s - duration_s > max(_CUT_OFF_S, _CUT_OFF_SHARE * stated_s):
        warning = (
            f"only {duration_s:.0f} of {stated_s:.0f} s could be decoded:"
            " the file seems to be cut off"
        )
    return File(
        path=seen.path,
        size=seen.size or 0,
        mtime_ns=seen.mtime_ns or 0,
        content_hash=identity.content_hash,
        duration_s=duration_s,
        tags=identity.tags,
        warning=warning,
    )


def _failed(seen: Seen, error: Exception, content_hash: str | None = None) -> Failed:
    return Failed(
        seen=seen,
        reason=str(error).removeprefix(f"{seen.path}: "),
        # Permissions change without changing the file, and so does what OSErrors are about.
        lasting=isinstance(error, AudioDecodeError) and os.access(seen.path, os.R_OK),
        content_hash=content_hash,
    )
