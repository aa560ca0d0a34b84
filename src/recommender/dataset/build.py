"""Regenerate the spectrogram dataset from a folder of music."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from recommender import audio
from recommender.dataset import manifest, pieces, storage
from recommender.dataset.manifest import Dataset, DatasetParams, Piece
from recommender.dataset.storage import JOURNAL, Stored
from recommender.errors import DatasetError
from recommender.files import is_left_over, write_atomically
from recommender.parameters import fingerprint

Decode = Callable[
    [Path, Path, Sequence[str], DatasetParams, int], Iterator[tuple[str, Piece | str]]
]
"""As `pieces.decode`."""


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
    decode: Decode = pieces.decode,
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
    decode : callable
        Does that; by default in threads of this process.
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
        return _build(music_dir, out_dir, params, jobs, decode, on_track)
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
    decode: Decode,
    on_track: Callable[[int, int, str], None] | None,
) -> BuildReport:
    sources, failures = _find_sources(music_dir, params)
    old = _open_folder(out_dir, params)
    (out_dir / pieces.PARTS).mkdir(exist_ok=True)
    found = storage.find(music_dir, out_dir, sources, old.files if old else (), params)
    stored = found.stored
    n_reused = len(stored)
    todo = [source for source in sources if source not in stored]
    with open(out_dir / JOURNAL, "a", encoding="ascii") as journal:
        journal.write("\n")  # ends a line that was being written when the program was killed
        results = decode(music_dir, out_dir, todo, params, jobs)
        for n, (source, result) in enumerate(results, n_reused + 1):
            if isinstance(result, Piece):
                storage.note(journal, result)
                stored[source] = Stored(result, pieces.part(out_dir, source, result.sha256), 0)
            else:
                failures.append((source, result))
            if on_track is not None:
                on_track(n, len(sources), source)
        files, waiting = [], {}
        tracks = [stored[source] for source in sources if source in stored]
        for name, group in groupby(tracks, lambda t: pieces.file_name(t.piece.source, params)):
            together = list(group)
            file = found.in_place.get(name)
            if file is None or file.pieces != tuple(track.piece for track in together):
                file, waiting[name] = storage.assemble(out_dir, name, together, params)
            files.append(file)
        new = Dataset(folder=out_dir, params=params, files=tuple(files), failures=tuple(failures))
        if waiting or new != old:
            storage.note(journal, *(old.files if old else ()), *new.files)
            _replace(new, waiting, found.names - {file.name for file in files})
    (out_dir / JOURNAL).unlink()
    shutil.rmtree(out_dir / pieces.PARTS, ignore_errors=True)
    for path in filter(is_left_over, list(out_dir.iterdir())):
        path.unlink(missing_ok=True)
    return BuildReport(
        n_tracks=len(tracks),
        n_reused=n_reused,
        n_fragments=sum(file.count for file in files),
        n_files=len(files),
        failures=tuple(failures),
    )


def _replace(new: Dataset, waiting: dict[str, Path], orphans: set[str]) -> None:
    """Move new files into place; a manifest is there only while all files are those it tells of."""
    (new.folder / manifest.MANIFEST).unlink(missing_ok=True)
    for name in orphans:
        (new.folder / name).unlink(missing_ok=True)
    for name, path in waiting.items():
        (new.folder / name).parent.mkdir(parents=True, exist_ok=True)
        path.replace(new.folder / name)
    manifest.write(new)


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


def _open_folder(out_dir: Path, params: DatasetParams) -> Dataset | None:
    """Create the folder, or return the finished dataset that is there, if it was made alike."""
    marker = out_dir / JOURNAL
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
        return existing
    if marker.exists():
        if not marker.read_text(encoding="ascii").startswith(mark):
            raise DatasetError(
                f"{out_dir}: holds the beginning of a dataset made with other parameters;"
                " name another folder, or delete it"
            )
    else:
        out_dir.mkdir(parents=True, exist_ok=True)
        if not all(map(is_left_over, out_dir.iterdir())):
            raise DatasetError(f"{out_dir}: is not empty and not a dataset; name another folder")
        write_atomically(marker, mark.encode())
    return None
