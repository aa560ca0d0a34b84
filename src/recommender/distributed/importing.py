"""Shards into the library of this machine."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recommender.distributed import rows
from recommender.distributed.places import is_url
from recommender.distributed.shards import Shard, Shards
from recommender.errors import DistributedError
from recommender.library import FileState, Library, decode
from recommender.preprocessor import Preprocessor


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What shards brought.

    Attributes
    ----------
    n_files : int
        Files whose recordings are in the library now.
    n_known : int
        Of these, files of which nothing was new.
    n_skipped : int
        Files that were left out when the shards were made.
    failures : tuple of (Path, str)
        Files that could not be used when the shards were made, and why.
    """

    n_files: int
    n_known: int
    n_skipped: int
    failures: tuple[tuple[Path, str], ...]


def import_shards(
    library: Library,
    shards: Shards,
    preprocessor: Preprocessor,
    *,
    moved: Mapping[str, str] | None = None,
    on_shard: Callable[[int, int], None] | None = None,
) -> Imported:
    """Write what shards tell of files into the library, as if they had been scanned here.

    Each shard is written at once or not at all; what the library has already stays, so that an
    interrupted import may be repeated.

    Parameters
    ----------
    library : Library
    shards : Shards
    preprocessor : Preprocessor
        Whose features they are.
    moved : mapping of str to str, optional
        What shards call the key, a folder or URL, is the value here.
    on_shard : callable, optional
        Called with (done, total) after each shard.

    Raises
    ------
    DistributedError
        If a shard is damaged or missing, has features of another preprocessor, or names a URL that
        is nowhere here.
    LibraryError
        If the library cannot be written; shards that were written before stay.
    """
    origin = shards.origin
    if (origin.fingerprint, origin.spectrogram) != (preprocessor.fingerprint, preprocessor.params):
        raise DistributedError(
            f"{shards.place}: has features of another preprocessor ({origin.fingerprint}, not"
            f" {preprocessor.fingerprint})"
        )
    fingerprint = origin.fingerprint
    described = json.dumps({"spectrogram": asdict(origin.spectrogram)}, sort_keys=True)
    library.describe(fingerprint, described)
    states = library.states(fingerprint, fast=origin.options.fast)
    n_files = n_known = n_skipped = 0
    failures: dict[Path, str] = {}
    for n, shard in enumerate(shards.shards, 1):
        table = _checked(shards, shard, preprocessor.n_features)
        with library.batch():
            for file in rows.files_in(table):
                path = _here(file[0]["path"], moved or {})
                state = states.get(str(path))
                if file[0]["status"] == rows.SKIPPED:
                    n_skipped += 1
                elif file[0]["status"] == rows.FAILED:
                    failures[path] = file[0]["reason"]
                    if state is None:
                        _write_failure(library, path, file[0])
                else:
                    n_files += 1
                    if _is_known(state, file):
                        n_known += 1
                    else:
                        _write(library, path, file, fingerprint)
        if on_shard is not None:
            on_shard(n, len(shards.shards))
    return Imported(
        n_files=n_files,
        n_known=n_known,
        n_skipped=n_skipped,
        failures=tuple(sorted(failures.items())),
    )


def _checked(shards: Shards, shard: Shard, n_features: int) -> Any:
    """Read a shard that is what it was when it was written."""
    place = shards.place / shard.name
    try:
        content = place.read()
    except OSError as error:
        raise DistributedError(f"{place}: cannot be read ({error})") from None
    if hashlib.sha256(content).hexdigest() != shard.sha256:
        raise DistributedError(f"{place}: damaged; delete it, and run the extraction again")
    table = shards.read(shard)
    if not table.schema.equals(rows.schema()):
        raise DistributedError(f"{place}: has other columns than this program's version knows")
    for row in table.to_pylist():
        n = row["n_fragments"]
        if n is not None and (len(row["scales"]), len(row["values"])) != (4 * n, n * n_features):
            raise DistributedError(f"{place}: has no features of {n_features} numbers a fragment")
    return table


def _here(name: bytes, moved: Mapping[str, str]) -> Path:
    """Path on this machine of what shards call so."""
    text = os.fsdecode(name)
    for old, new in sorted(moved.items(), key=lambda item: -len(item[0])):
        rest = text.removeprefix(old.rstrip("/"))
        if rest != text and rest[:1] in ("", "/"):
            text = f"{new.rstrip('/')}{rest}"
            break
    if is_url(text) or not os.path.isabs(text):  # noqa: PTH117 (a name, not a path of ours yet)
        raise DistributedError(
            f"{text}: is no path of this machine; say where it is with --map OLD=NEW, such as"
            f" --map {text.rpartition('/')[0]}=~/Music"
        )
    return Path(os.path.normpath(text))


def _is_known(state: FileState | None, file: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether the library has all that is told of a file."""
    if state is None or (state.size, state.mtime_ns) != (file[0]["size"], file[0]["mtime_ns"]):
        return False
    sheet = file[0]["sheet"]
    numbers = {section.number for section, analysed in state.sections.items() if analysed}
    return state.sheet == (sheet.hex() if sheet else None) and numbers == {
        row["number"] for row in file
    }


def _write(library: Library, path: Path, file: Sequence[dict[str, Any]], fingerprint: str) -> None:
    sections = []
    for row in file:
        known = row["n_fragments"] is not None
        features = decode(rows.coded([row["values"]], [row["scales"]])) if known else None
        sections.append((rows.file_of(row, path), features))
    library.remember_sections(sections, fingerprint, fast=file[0]["fast"])


def _write_failure(library: Library, path: Path, row: Mapping[str, Any]) -> None:
    library.record_failure(path, row["reason"], size=row["size"], mtime_ns=row["mtime_ns"])
