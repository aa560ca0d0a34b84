"""Where the bytes of a dataset's tracks are, and files put together from them."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from recommender.dataset import manifest
from recommender.dataset.manifest import DatasetFile, DatasetParams, Piece
from recommender.dataset.pieces import PARTS, part
from recommender.errors import DatasetError
from recommender.files import write_through

JOURNAL = ".progress.jsonl"  # what is known of the folder until the manifest is written
_BLOCK = 2**20  # bytes


@dataclass(frozen=True)
class Stored:
    """The bytes of a piece: those of a file from `start` on."""

    piece: Piece
    path: Path
    start: int


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes
    ----------
    stored : dict of str to Stored
        Tracks that need no decoding, since their sources are unchanged.
    in_place : dict of str to DatasetFile
        Whole files, by name.
    names : set of str
        Files that a build of this dataset ever put there.
    """

    stored: dict[str, Stored]
    in_place: dict[str, DatasetFile]
    names: set[str]


def find(
    music_dir: Path,
    out_dir: Path,
    sources: Sequence[str],
    described: Sequence[DatasetFile],
    params: DatasetParams,
) -> Found:
    """Look for tracks in the files that the manifest described, in parts, and in the journal's.

    A file that only the journal tells of may have been about to be replaced; it is taken if its
    hash is right.
    """
    wanted = set(sources)
    found = Found({}, {}, {file.name for file in described})

    def missing(pieces: Sequence[Piece]) -> set[str]:
        return {
            piece.source
            for piece in pieces
            if piece.source in wanted
            and piece.source not in found.stored
            and piece.is_of(music_dir / piece.source)
        }

    def take(pieces: Sequence[Piece], path: Path) -> None:
        needed, start = missing(pieces), 0
        for piece in pieces:
            if piece.source in needed:
                found.stored[piece.source] = Stored(piece, path, start)
            start += len(piece.offsets) * params.fragment_bytes

    for file in described:
        path = out_dir / file.name
        if _is_whole(path, file.pieces, params):
            found.in_place[file.name] = file
            take(file.pieces, path)
    journalled = list(_journalled(out_dir))[::-1]  # the newest first
    for line in journalled:
        if isinstance(line, Piece):
            path = part(out_dir, line.source, line.sha256)
            if _is_whole(path, [line], params):
                take([line], path)
    for line in journalled:
        if isinstance(line, DatasetFile):
            found.names.add(line.name)
            if not missing(line.pieces):
                continue
            path, waiting = out_dir / line.name, part(out_dir, line.name, line.sha256)
            if _is_whole(waiting, line.pieces, params):
                take(line.pieces, waiting)
            elif _is_whole(path, line.pieces, params) and _sha256(path) == line.sha256:
                found.in_place[line.name] = line
                take(line.pieces, path)
    return found


def note(journal: TextIO, *finished: Piece | DatasetFile) -> None:
    """Write lines into the journal."""
    for item in finished:
        fields = (
            dataclasses.asdict(item) if isinstance(item, Piece) else manifest.file_to_json(item)
        )
        journal.write(json.dumps(fields) + "\n")
    write_through(journal)


def _journalled(out_dir: Path) -> Iterator[Piece | DatasetFile]:
    with open(out_dir / JOURNAL, encoding="ascii", errors="replace") as lines:
        next(lines, None)  # the parameters
        for line in lines:
            try:
                fields = json.loads(line)
                if "source" in fields:
                    yield manifest.piece_from_json(fields)
                else:
                    yield manifest.file_from_json(fields)
            except (KeyError, TypeError, ValueError):
                continue  # the line that was being written when the program was killed


def _is_whole(path: Path, pieces: Sequence[Piece], params: DatasetParams) -> bool:
    size = sum(len(piece.offsets) for piece in pieces) * params.fragment_bytes
    return path.is_file() and path.stat().st_size == size


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def assemble(
    out_dir: Path, name: str, tracks: Sequence[Stored], params: DatasetParams
) -> tuple[DatasetFile, Path]:
    """Put a file together; returns it, and where it waits to be moved to its place.

    Raises
    ------
    DatasetError
        If the bytes of a track are not those that were written.
    """
    pieces, first = tuple(track.piece for track in tracks), tracks[0]
    if len(tracks) == 1 and first.path == part(out_dir, first.piece.source, first.piece.sha256):
        return DatasetFile(name=name, sha256=first.piece.sha256, pieces=pieces), first.path
    digest = hashlib.sha256()
    temporary = out_dir / PARTS / "file.part"
    with open(temporary, "wb") as file:
        for track in tracks:
            check = hashlib.sha256()
            for block in _blocks(track, params):
                digest.update(block)
                check.update(block)
                file.write(block)
            if check.hexdigest() != track.piece.sha256:
                raise DatasetError(f"{track.path}: damaged; delete it and build again")
        write_through(file)
    waiting = part(out_dir, name, digest.hexdigest())
    temporary.replace(waiting)
    return DatasetFile(name=name, sha256=digest.hexdigest(), pieces=pieces), waiting


def _blocks(track: Stored, params: DatasetParams) -> Iterator[bytes]:
    left = len(track.piece.offsets) * params.fragment_bytes
    with open(track.path, "rb") as file:
        file.seek(track.start)
        while block := file.read(min(left, _BLOCK)):
            left -= len(block)
            yield block
