"""Regenerate the spectrogram dataset from a folder of music."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import audio, spectrogram
from recommender.checkpoint import write_atomically
from recommender.dataset import manifest
from recommender.dataset.manifest import Dataset, DatasetFile, DatasetParams, Piece
from recommender.errors import AudioDecodeError, DatasetError
from recommender.parameters import fingerprint

_JOURNAL = ".progress.jsonl"  # a line for each finished track, until the manifest is written
_PARTS = ".parts"  # a genre's tracks, until its file is written


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What a build did: counts, and the failed sources with their reasons."""

    n_tracks: int
    n_reused: int
    n_fragments: int
    n_files: int
    failures: tuple[tuple[str, str], ...]


def build(
    music_dir: Path,
    out_dir: Path,
    params: DatasetParams,
    *,
    jobs: int = 1,
    on_track: Callable[[int, int, str], None] | None = None,
) -> BuildReport:
    """Build a dataset, or bring it up to date; what is finished is kept.

    The result depends on the music and the parameters alone, not on `jobs` or interruptions.

    Parameters
    ----------
    music_dir : Path
        Searched for audio files. With ``kind="genres"`` its folders are the genres.
    out_dir : Path
        Created where it does not exist.
    params : DatasetParams
    jobs : int
        Tracks that are decoded at the same time.
    on_track : callable, optional
        Called with (done, total, source) after each track.

    Raises
    ------
    DatasetError
        If there is no music, or `out_dir` holds something else or made with other parameters, or
        cannot be written.
    """
    music_dir, out_dir = music_dir.absolute(), out_dir.absolute()
    try:
        return _build(music_dir, out_dir, params, jobs, on_track)
    except OSError as error:
        raise DatasetError(
            f"{error.filename or out_dir}: {error.strerror}; make sure that there is room and that"
            " you may write there, and run this again: what is finished is kept"
        ) from error


def _build(
    music_dir: Path,
    out_dir: Path,
    params: DatasetParams,
    jobs: int,
    on_track: Callable[[int, int, str], None] | None,
) -> BuildReport:
    sources, failures = _find_sources(music_dir, params)
    finished = _open_folder(out_dir, params)
    by_file: defaultdict[str, list[str]] = defaultdict(list)
    for source in sources:
        by_file[_file_name(source, params)].append(source)
    kept = {
        file.name: file
        for file in finished
        if _is_unchanged(file, music_dir, out_dir, by_file[file.name], params)
    }
    done = {piece.source: piece for file in kept.values() for piece in file.pieces}
    wanted = set(sources)
    for piece in _journalled(out_dir):
        if piece.source in wanted and piece.is_of(music_dir / piece.source):
            part = _part(out_dir, piece.source, params)
            if part.is_file() and part.stat().st_size == len(piece.offsets) * params.fragment_bytes:
                done.setdefault(piece.source, piece)
    n_reused = len(done)
    todo = [source for source in sources if source not in done]
    with open(out_dir / _JOURNAL, "a", encoding="ascii") as journal:
        journal.write("\n")  # ends a line that was being written when the program was killed
        for n, (source, outcome) in enumerate(_work(music_dir, out_dir, todo, params, jobs), 1):
            if isinstance(outcome, Piece):
                done[source] = outcome
                journal.write(json.dumps(dataclasses.asdict(outcome)) + "\n")
                journal.flush()
            else:
                failures.append((source, outcome))
            if on_track is not None:
                on_track(n_reused + n, len(sources), source)
    pieces = [done[source] for source in sources if source in done]
    files = [
        kept.get(name) or _assemble(out_dir, name, tuple(group), params)
        for name, group in groupby(pieces, key=lambda piece: _file_name(piece.source, params))
    ]
    manifest.write(
        Dataset(folder=out_dir, params=params, files=tuple(files), failures=tuple(failures))
    )
    for name in {file.name for file in finished} - {file.name for file in files}:
        (out_dir / name).unlink(missing_ok=True)
    (out_dir / _JOURNAL).unlink()
    shutil.rmtree(out_dir / _PARTS, ignore_errors=True)
    return BuildReport(
        n_tracks=len(pieces),
        n_reused=n_reused,
        n_fragments=sum(file.count for file in files),
        n_files=len(files),
        failures=tuple(failures),
    )


def _find_sources(
    music_dir: Path, params: DatasetParams
) -> tuple[list[str], list[tuple[str, str]]]:
    """Paths below `music_dir`, sorted so that a genre's tracks follow one another."""
    if not music_dir.is_dir():
        raise DatasetError(f"{music_dir}: there is no such folder")
    failures: list[tuple[str, str]] = []

    def unreadable(error: OSError) -> None:
        failures.append((str(error.filename), f"cannot be read ({error.strerror})"))

    found = [
        os.path.relpath(path, music_dir)
        for path in audio.find_audio([music_dir], on_error=unreadable)
    ]
    if params.kind == "genres":
        loose = [source for source in found if os.sep not in source]
        failures += [(source, "not in a genre's folder") for source in loose]
        found = [source for source in found if os.sep in source]
    if not found:
        where = "in genre folders below it" if params.kind == "genres" else "in it"
        raise DatasetError(f"{music_dir}: there are no audio files {where}")
    return sorted(found, key=lambda s: [os.fsencode(part) for part in Path(s).parts]), failures


def _open_folder(out_dir: Path, params: DatasetParams) -> tuple[DatasetFile, ...]:
    """Create the folder, or return the files of what is there already, if it was made alike."""
    marker = out_dir / _JOURNAL
    mark = json.dumps({"fingerprint": fingerprint(params)}) + "\n"
    if (out_dir / manifest.MANIFEST).exists():
        existing = manifest.read(out_dir)
        if existing.params != params:
            raise DatasetError(
                f"{out_dir}: holds a dataset made with other parameters;"
                " name another folder, or delete it"
            )
        if not marker.exists():
            write_atomically(marker, mark.encode())
        return existing.files
    if marker.exists():
        if not marker.read_text(encoding="ascii").startswith(mark):
            raise DatasetError(
                f"{out_dir}: holds the beginning of a dataset made with other parameters;"
                " name another folder, or delete it"
            )
    else:
        out_dir.mkdir(parents=True, exist_ok=True)
        if any(out_dir.iterdir()):
            raise DatasetError(f"{out_dir}: is not empty and not a dataset; name another folder")
        write_atomically(marker, mark.encode())
    return ()


def _journalled(out_dir: Path) -> Iterator[Piece]:
    for line in (out_dir / _JOURNAL).read_text(encoding="ascii").splitlines()[1:]:
        try:
            yield manifest.piece_from_json(json.loads(line))
        except (KeyError, TypeError, ValueError):
            continue  # the line that was being written when the program was killed


def _file_name(source: str, params: DatasetParams) -> str:
    """Name of the ``.bin`` file that a track belongs to."""
    return f"{source if params.kind == 'tracks' else Path(source).parts[0]}.bin"


def _part(out_dir: Path, source: str, params: DatasetParams) -> Path:
    """Where a track's fragments are written first."""
    if params.kind == "tracks":
        return out_dir / _file_name(source, params)
    return out_dir / _PARTS / f"{hashlib.sha256(os.fsencode(source)).hexdigest()}.bin"


def _is_unchanged(
    file: DatasetFile, music_dir: Path, out_dir: Path, sources: list[str], params: DatasetParams
) -> bool:
    path = out_dir / file.name
    return (
        path.is_file()
        and path.stat().st_size == file.count * params.fragment_bytes
        and [piece.source for piece in file.pieces] == sources
        and all(piece.is_of(music_dir / piece.source) for piece in file.pieces)
    )


def _work(
    music_dir: Path, out_dir: Path, sources: Sequence[str], params: DatasetParams, jobs: int
) -> Iterator[tuple[str, Piece | str]]:
    """Make the pieces of tracks, several at a time; yields them in order, or why one failed."""
    stop = threading.Event()

    def work(source: str) -> Piece | str:
        try:
            return _make_piece(music_dir, out_dir, source, params, stop)
        except AudioDecodeError as error:
            return str(error).removeprefix(f"{music_dir / source}: ")

    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        futures: list[Future[Piece | str]] = [pool.submit(work, source) for source in sources]
        try:
            for source, future in zip(sources, futures, strict=True):
                yield source, future.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _make_piece(
    music_dir: Path, out_dir: Path, source: str, params: DatasetParams, stop: threading.Event
) -> Piece:
    path, part = music_dir / source, _part(out_dir, source, params)
    try:
        audio.check_readable(path)  # says more of what is wrong than `stat` does
        status = path.stat()
    except OSError as error:
        raise AudioDecodeError(f"{path}: cannot be read ({error.strerror})") from None
    part.parent.mkdir(parents=True, exist_ok=True)
    temporary = part.with_name(f".{hashlib.sha256(os.fsencode(source)).hexdigest()[:32]}.part")
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
        temporary.replace(part)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise AudioDecodeError(f"{path}: its name is too long for a file named after it") from None
    finally:
        temporary.unlink(missing_ok=True)
    return Piece(
        source=source,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        offsets=tuple(offsets),
        sha256=digest.hexdigest(),
    )


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


def _assemble(
    out_dir: Path, name: str, pieces: tuple[Piece, ...], params: DatasetParams
) -> DatasetFile:
    if params.kind == "tracks":
        return DatasetFile(name=name, sha256=pieces[0].sha256, pieces=pieces)
    digest = hashlib.sha256()
    temporary = out_dir / _PARTS / "genre.part"
    with open(temporary, "wb") as file:
        for piece in pieces:
            content = _part(out_dir, piece.source, params).read_bytes()
            digest.update(content)
            file.write(content)
    temporary.replace(out_dir / name)
    return DatasetFile(name=name, sha256=digest.hexdigest(), pieces=pieces)
