"""Which files there are: on disks that all machines share, and in object storage."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from recommender import audio
from recommender.audio.cue import CueTrack
from recommender.distributed.places import Place, is_url, locate
from recommender.errors import DistributedError
from recommender.extras import need

_LONGEST_SHEET = 2**20 + 1  # bytes; a longer one is refused by whoever reads it


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Files to work on.

    Attributes
    ----------
    table : pyarrow.Table
        Sorted by ``path``: bytes of the absolute path, or the URL. ``root``: number of the place
        among `roots` below which it lies; -1: it is a path of every machine. ``size`` and
        ``mtime_ns``, where known. ``image``: how its CUE sheet divides it, as JSON, and ``sheet``:
        the hash of that sheet. ``reason``: why it cannot be used, if that is known already.
    roots : tuple of Place
    """

    table: Any
    roots: tuple[Place, ...]


def list_files(paths: Sequence[str | Path]) -> Listing:
    """List the audio files below folders, and the files named themselves, each once.

    Parameters
    ----------
    paths : sequence of str or Path
        Paths, which have to be the same on all machines, and URLs. Links given here are resolved.

    Raises
    ------
    RecommenderError
        If a path does not exist or cannot be reached, or is a playlist.
    """
    local = [_resolved(Path(path)) for path in paths if not is_url(str(path))]
    roots = tuple(locate(str(path)) for path in paths if is_url(str(path)))
    rows = {row["path"]: row for row in _list_local(local)}
    for number, place in enumerate(roots):
        rows |= {row["path"]: row for row in _list_remote(place, number)}
    arrow = need("pyarrow", "ray")
    found = [rows[path] for path in sorted(rows)]
    return Listing(table=arrow.Table.from_pylist(found, schema=_schema()), roots=roots)


def image_from_json(text: str | None) -> audio.Image | None:
    """Return how a file is divided, as its row tells."""
    if text is None:
        return None
    fields = json.loads(text)
    tracks = tuple(CueTrack(**track) for track in fields.pop("tracks"))
    return audio.Image(sheet=Path(fields.pop("sheet")), tracks=tracks, **fields)


def _schema() -> Any:
    arrow = need("pyarrow", "ray")
    return arrow.schema(
        [
            ("path", arrow.binary()),
            ("root", arrow.int32()),
            ("size", arrow.int64()),
            ("mtime_ns", arrow.int64()),
            ("image", arrow.string()),
            ("sheet", arrow.binary(32)),
            ("reason", arrow.string()),
        ]
    )


def _list_local(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    problems: list[tuple[str, str]] = []
    listing = audio.list_audio(
        paths,
        on_error=lambda e: problems.append(
            (str(e.filename), f"the folder cannot be read ({e.strerror})")
        ),
    )
    images, useless = audio.find_images(listing.sheets)
    problems += [(str(path), reason) for path, reason in useless]
    for name, stamp in listing.files.items():
        yield _row(os.fsencode(name), -1, stamp, images.get(Path(name)))
    for name, reason in problems:
        yield {"path": os.fsencode(name), "root": -1, "reason": reason}


def _list_remote(place: Place, number: int) -> Iterator[dict[str, Any]]:
    found, named = _files_at(place)
    marked = {_folder(each.path) for each in found if each.base_name in audio.MARKERS}
    found = [each for each in found if marked.isdisjoint(_folders(each.path))]
    sheets = [each.path for each in found if audio.is_sheet_name(each.base_name)]
    music = {each.path: each for each in found if audio.is_audio_name(each.base_name)}
    images, problems = _images(place, sheets, music)
    for each in named or music.values():
        stamp = (each.size, each.mtime_ns or 0)
        yield _row(str(place.at(each.path)).encode(), number, stamp, images.get(each.path))
    for path, reason in problems:
        yield {"path": str(place.at(path)).encode(), "root": number, "reason": reason}


def _files_at(place: Place) -> tuple[list[Any], list[Any]]:
    """List the files below a folder; or those beside a file that is named itself, and that file."""
    fs = need("pyarrow.fs", "ray")
    try:
        info = place.filesystem.get_file_info(place.path)
        if info.type == fs.FileType.NotFound:
            raise DistributedError(f"{place}: there is nothing; name folders and files that exist")
        named = [info] if info.is_file else []
        folder = _folder(place.path) if named else place.path
        selector = fs.FileSelector(folder, recursive=not named)
        found = [each for each in place.filesystem.get_file_info(selector) if each.is_file]
    except OSError as error:
        raise DistributedError(f"{place}: cannot be listed ({error})") from None
    return found, named


def _images(
    place: Place, sheets: Iterable[str], music: Iterable[str]
) -> tuple[dict[str, audio.Image], list[tuple[str, str]]]:
    """Find the files that CUE sheets divide: in a copy of each folder that holds only names."""
    in_folders: dict[str, list[str]] = {}
    for path in sheets:
        in_folders.setdefault(_folder(path), []).append(path)
    beside: dict[str, list[str]] = {folder: [] for folder in in_folders}
    for path in music:
        if (folder := _folder(path)) in beside:
            beside[folder].append(path)
    images: dict[str, audio.Image] = {}
    problems: list[tuple[str, str]] = []
    for folder, of_folder in in_folders.items():
        with tempfile.TemporaryDirectory() as name:
            copies: Mapping[Path, str] = {
                Path(name, path.rpartition("/")[2]): path for path in beside[folder] + of_folder
            }
            for copy, path in copies.items():
                is_sheet = audio.is_sheet_name(copy.name)
                copy.write_bytes(place.at(path).read(_LONGEST_SHEET) if is_sheet else b"")
            found, useless = audio.find_images(sorted(c for c in copies if _is_sheet(c)))
            images |= {copies[copy]: image for copy, image in found.items()}
            problems += [(copies[copy], reason) for copy, reason in useless]
    return images, problems


def _row(
    path: bytes, root: int, stamp: audio.Stamp | None, image: audio.Image | None
) -> dict[str, Any]:
    size, mtime_ns = stamp or (None, None)
    row: dict[str, Any] = {"path": path, "root": root, "size": size, "mtime_ns": mtime_ns}
    if image is not None:
        # ASCII, in which names that are no valid text survive.
        row["image"] = json.dumps(dataclasses.asdict(image) | {"sheet": image.sheet.name})
        row["sheet"] = bytes.fromhex(image.digest)
    return row


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _folders(path: str) -> Iterator[str]:
    return map(str, PurePosixPath(path).parents)


def _is_sheet(path: Path) -> bool:
    return audio.is_sheet_name(path.name)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        what = getattr(error, "strerror", None) or error
        raise DistributedError(f"{path}: {what}; name folders and files that exist") from error
