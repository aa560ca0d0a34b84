"""Decode tracks into pieces, each in a file of its own below ``.parts``."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import audio, spectrogram
from recommender.dataset.manifest import DatasetParams, Piece
from recommender.errors import AudioDecodeError
from recommender.files import write_through

PARTS = ".parts"  # what is finished but not yet in its place


def file_name(source: str, params: DatasetParams) -> str:
    """Name of the ``.bin`` file that a track belongs to."""
    return f"{source if params.kind == 'tracks' else Path(source).parts[0]}.bin"


def part(out_dir: Path, name: str, sha256: str) -> Path:
    """Where a finished track or file waits; named after its content, it is never out of date."""
    digest = hashlib.sha256(os.fsencode(name) + bytes.fromhex(sha256))
    return out_dir / PARTS / f"{digest.hexdigest()}.bin"


def decode(
    music_dir: Path, out_dir: Path, sources: Sequence[str], params: DatasetParams, jobs: int
) -> Iterator[tuple[str, Piece | str]]:
    """Make the pieces of tracks, several at a time; yields them in order, or why one failed."""
    stop = threading.Event()
    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        futures: list[Future[Piece | str]] = [
            pool.submit(decode_one, music_dir, out_dir, source, params, stop) for source in sources
        ]
        try:
            for source, future in zip(sources, futures, strict=True):
                yield source, future.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def decode_one(
    music_dir: Path, out_dir: Path, source: str, params: DatasetParams, stop: threading.Event
) -> Piece | str:
    """Make the piece of a track, or tell why it failed."""
    try:
        return _make_piece(music_dir, out_dir, source, params, stop)
    except AudioDecodeError as error:
        return str(error).removeprefix(f"{music_dir / source}: ")


def _make_piece(
    music_dir: Path, out_dir: Path, source: str, params: DatasetParams, stop: threading.Event
) -> Piece:
    path = music_dir / source
    try:
        audio.check_readable(path)  # says more of what is wrong than `stat` does
        status = path.stat()
    except OSError as error:
        raise AudioDecodeError(f"{path}: cannot be read ({error.strerror})") from None
    _make_room(path, out_dir / file_name(source, params))
    temporary = out_dir / PARTS / f"{hashlib.sha256(os.fsencode(source)).hexdigest()}.part"
    digest, offsets = hashlib.sha256(), []
    try:
        with open(temporary, "wb") as file:
            for fragments, starts in _fragments(path, source, params):
                if stop.is_set():
                    raise AudioDecodeError(f"{path}: interrupted")
                content = fragments.astype("<f4", copy=False).tobytes()
                digest.update(content)
                file.write(content)
                offsets += starts
            write_through(file)  # of a part that is there, nothing but its size is looked at
        temporary.replace(part(out_dir, source, digest.hexdigest()))
    finally:
        temporary.unlink(missing_ok=True)
    return Piece(
        source=source,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        offsets=tuple(offsets),
        sha256=digest.hexdigest(),
    )


def _make_room(path: Path, target: Path) -> None:
    """Create the folder of a file to be; one whose name cannot be is told before the work."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            target.stat()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise AudioDecodeError(f"{path}: its name is too long for a file named after it") from None


def _fragments(
    path: Path, source: str, params: DatasetParams
) -> Iterator[tuple[NDArray[np.float32], list[int]]]:
    if params.kind == "genres":
        # Seeded by its own name, a track's offsets depend on no other track.
        name = hashlib.sha256(os.fsencode(source)).digest()
        rng = np.random.default_rng([params.seed, *np.frombuffer(name, "<u4").tolist()])
        n = params.fragments_per_track
        fragments, starts = spectrogram.random_fragments(path, params.spectrogram, n, rng)
        yield fragments, list(starts)
        return
    n_done, step = 0, params.spectrogram.fragment_length
    for fragments in spectrogram.fragments(path, params.spectrogram):
        yield fragments, [step * i for i in range(n_done, n_done + len(fragments))]
        n_done += len(fragments)
