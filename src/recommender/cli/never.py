"""``recommender never``: what every ranking leaves out."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recommender.cli.console import Json, answer_json, counted, open_library, say, shown

if TYPE_CHECKING:
    from recommender.library import Library
    from recommender.ranking import Never, NeverFile

app = typer.Typer(help="Folders, files and artists that no ranking shows, of any profile.")

_ADD_EXAMPLES = """Examples:

recommender never add ~/Music/Christmas ~/Music/b-side.mp3

recommender never add --artist 'The Shouters'"""

_REMOVE_EXAMPLE = "Example: recommender never remove ~/Music/Christmas"

Paths = Annotated[
    list[Path] | None, typer.Argument(metavar="PATH", help="Folders and files.", show_default=False)
]
Artists = Annotated[
    list[str] | None,
    typer.Option("--artist", metavar="NAME", help="An artist, as the tags have it."),
]


@app.command("add", epilog=_ADD_EXAMPLES)
def add(paths: Paths = None, artists: Artists = None) -> None:
    """Leave folders, files or artists out of every ranking from now on.

    A file stays out wherever it is moved, and so do other files that sound the same. A recording
    that lies in a folder of the list and elsewhere too is still shown, as the other file. Of
    artists' names capitals make no difference. Profiles do not learn from this list: tell them with
    `recommender profile dislike`.
    """
    from recommender.library import home
    from recommender.ranking import never

    _check_named(paths, artists)
    with open_library() as library:
        files = [_identified(library, path) for path in paths or [] if not path.is_dir()]
    folders = [_real(path) for path in paths or [] if path.is_dir()]
    before, after = never.change(
        home(),
        lambda now: never.added(now, folders=folders, files=files, artists=artists or []),
    )
    _tell(before, after)


@app.command("remove", epilog=_REMOVE_EXAMPLE)
def remove(paths: Paths = None, artists: Artists = None) -> None:
    """Let rankings show folders, files or artists again.

    A file may be named where it lies now, or as the list has it.
    """
    from recommender.errors import ParameterError
    from recommender.library import home
    from recommender.ranking import never

    _check_named(paths, artists)
    with open_library() as library:
        hashes = {
            path: _identified(library, path).content_hashes if path.is_file() else ()
            for path in paths or []
        }

    def without(now: "Never") -> "Never":
        for path in paths or []:
            left = never.removed(now, paths=[_real(path)], content_hashes=hashes[path])
            if left == now:
                folder = next((f for f in now.folders if _real(path).is_relative_to(f)), None)
                raise ParameterError(
                    f"{path}: is not on the list"
                    + (f", but its folder {folder} is" if folder else "")
                    + "; see `recommender never list`"
                )
            now = left
        for artist in artists or []:
            left = never.removed(now, artists=[artist])
            if left == now:
                raise ParameterError(
                    f"--artist {artist}: is not on the list; see `recommender never list`"
                )
            now = left
        return now

    before, after = never.change(home(), without)
    _tell(before, after)


@app.command("list")
def list_never(as_json: Json = False) -> None:
    """List what every ranking leaves out."""
    from recommender.library import home
    from recommender.ranking import never

    found = never.load(home())
    if as_json:
        answer_json(
            {
                "folders": list(found.folders),
                "files": [file.path for file in found.files],
                "artists": list(found.artists),
            }
        )
        return
    for line in _lines(found):
        typer.echo(line)
    if found == type(found)():
        say("Nothing is left out; see `recommender never add --help`.")


def _check_named(paths: list[Path] | None, artists: list[str] | None) -> None:
    from recommender.errors import ParameterError

    if not paths and not artists:
        raise ParameterError("name folders or files, or artists with --artist NAME")


def _identified(library: "Library", path: Path) -> "NeverFile":
    """Return a file with the hashes of the recordings in it, also of those that it is divided into.

    Raises
    ------
    ParameterError
        If it does not exist.
    AudioDecodeError
        If it is no music.
    """
    from recommender import audio
    from recommender.errors import ParameterError
    from recommender.ranking import NeverFile

    if not path.exists():
        raise ParameterError(f"{path}: there is no such folder or file")
    hashes = {audio.content_hash(path)}
    for fingerprint in library.counts().n_analysed:
        hashes.update(track.content_hash for track in library.tracks(fingerprint, [path]))
    return NeverFile(path=_real(path), content_hashes=tuple(sorted(hashes)))


def _real(path: Path) -> Path:
    """Return a path as the library has it."""
    return Path(os.path.realpath(path))


def _lines(never: "Never") -> list[str]:
    rows = [("folder", folder) for folder in never.folders]
    rows += [("file", file.path) for file in never.files]
    texts = [*rows, *(("artist", artist) for artist in never.artists)]
    return [f"{kind:7} {shown(value)}" for kind, value in texts]


def _tell(before: "Never", after: "Never") -> None:
    old, new = _lines(before), _lines(after)
    for line in new:
        if line not in old:
            say(f"Never again: {line}")
    for line in old:
        if line not in new:
            say(f"Allowed again: {line}")
    say(f"{counted(len(new), 'line')} on the list")
