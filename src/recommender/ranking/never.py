"""What nobody wants to hear again: folders, files and artists that every ranking leaves out."""

import dataclasses
import itertools
import json
import os
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender.errors import LibraryError, ParameterError
from recommender.files import alone, write_atomically
from recommender.library import Library

_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class NeverFile:
    """A file that is left out, wherever it is moved.

    Attributes
    ----------
    path : Path
    content_hashes : tuple of str
        Of the recordings in it, each 64 hexadecimal digits.
    """

    path: Path
    content_hashes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Never:
    """What every ranking leaves out.

    Attributes
    ----------
    folders : tuple of Path
        With all that lies below them; a recording that also lies elsewhere stays.
    files : tuple of NeverFile
        Recordings, whichever files hold them, and whatever lies at these paths.
    artists : tuple of str
        Names in tags; capitals make no difference.
    """

    folders: tuple[Path, ...] = ()
    files: tuple[NeverFile, ...] = ()
    artists: tuple[str, ...] = ()


def path_of(folder: Path) -> Path:
    """Where the list is kept below the home folder."""
    return folder / "never.json"


def load(folder: Path) -> Never:
    """Read the list below the home folder; where there is none, nothing is left out.

    Raises
    ------
    LibraryError
        If it cannot be read, or is damaged.
    """
    path = path_of(folder)
    try:
        return _parse(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Never()
    except OSError as error:
        raise LibraryError(f"{path}: cannot be read ({error.strerror})") from None
    except (KeyError, TypeError, ValueError) as error:
        raise LibraryError(
            f"{path}: is damaged ({error}); repair it, or delete it to begin a new list"
        ) from None


def change(folder: Path, how: Callable[[Never], Never]) -> tuple[Never, Never]:
    """Change the list below the home folder, whole or not at all; others who do so wait.

    Returns
    -------
    before, after : Never

    Raises
    ------
    LibraryError
        If there is no room or no permission, or as `load`.
    """
    path = path_of(folder)
    try:
        with alone(folder):
            before = load(folder)
            after = how(before)
            content = {"version": _VERSION, **dataclasses.asdict(after)}
            # ASCII: names that are not UTF-8 survive as escapes.
            write_atomically(path, json.dumps(content, indent=2, default=str).encode("ascii"))
    except OSError as error:
        raise LibraryError(f"{path}: cannot be written ({error.strerror})") from None
    return before, after


def added(
    never: Never,
    *,
    folders: Iterable[Path] = (),
    files: Iterable[NeverFile] = (),
    artists: Iterable[str] = (),
) -> Never:
    """Return the list with more on it; what is on it already takes the new one's place.

    Raises
    ------
    ParameterError
        If an artist has no name.
    """
    names = {folded(artist): artist for artist in (*never.artists, *artists)}
    if "" in names:
        raise ParameterError("--artist: name one; tracks without a tag cannot be left out by it")
    by_path = {file.path: file for file in (*never.files, *files)}
    return Never(
        folders=tuple(sorted({*never.folders, *folders}, key=os.fsencode)),
        files=tuple(by_path[path] for path in sorted(by_path, key=os.fsencode)),
        artists=tuple(names[name] for name in sorted(names)),
    )


def removed(
    never: Never,
    *,
    paths: Iterable[Path] = (),
    content_hashes: Iterable[str] = (),
    artists: Iterable[str] = (),
) -> Never:
    """Return the list without folders and files of these paths, these recordings and artists."""
    out, hashes, names = set(paths), set(content_hashes), {folded(artist) for artist in artists}
    return Never(
        folders=tuple(folder for folder in never.folders if folder not in out),
        files=tuple(
            file
            for file in never.files
            if file.path not in out and hashes.isdisjoint(file.content_hashes)
        ),
        artists=tuple(artist for artist in never.artists if folded(artist) not in names),
    )


def recordings(never: Never, library: Library, fingerprint: str) -> set[int]:
    """Return the ids of recordings that are left out as such, and not for where they lie.

    With one of its files an artist or a file goes as a whole.
    """
    hashes = {content_hash for file in never.files for content_hash in file.content_hashes}
    names = {folded(artist) for artist in never.artists}
    artists = [name for name in library.artists() if folded(name) in names] if names else []
    rows = itertools.chain(
        library.rows(fingerprint, content_hashes=hashes),
        library.rows(fingerprint, artists=artists),
        library.rows(fingerprint, paths=[file.path for file in never.files]),
    )
    return {row.id for row in rows}


def lies_below(never: Never) -> Callable[[bytes], bool]:
    """Return a test whether a path lies below a folder that is left out."""
    below = tuple(os.fsencode(str(folder).rstrip(os.sep) + os.sep) for folder in never.folders)
    return lambda path: path.startswith(below)


def folded(name: str | None) -> str:
    """Return a name as it is compared: without capitals, accents written one way only."""
    return unicodedata.normalize("NFC", " ".join((name or "").split()).casefold())


def _parse(content: Any) -> Never:
    if (version := content["version"]) != _VERSION:
        raise ValueError(f"its version is {version}, known is {_VERSION}")
    texts = [*content["folders"], *content["artists"]]
    files = tuple(
        NeverFile(path=Path(file["path"]), content_hashes=tuple(file["content_hashes"]))
        for file in content["files"]
    )
    texts += [content_hash for file in files for content_hash in file.content_hashes]
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError("it holds names that are no text")
    return Never(
        folders=tuple(Path(folder) for folder in content["folders"]),
        files=files,
        artists=tuple(content["artists"]),
    )
