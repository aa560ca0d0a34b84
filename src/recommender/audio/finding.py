"""Which files are music."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from recommender.errors import RecommenderError

SUFFIXES = frozenset(
    ".aac .ac3 .aif .aifc .aiff .alac .ape .au .caf .dsf .flac .m4a .m4b .mka .mp2 .mp3 .mp4 .mpc"
    " .oga .ogg .opus .spx .tta .wav .wave .webm .wma .wv".split()
)
"""What counts as audio when a folder is searched; a file that is named itself may be another."""

PLAYLIST_SUFFIXES = frozenset(".m3u .m3u8 .pls .xspf".split())
"""What names music but is none, and so is refused where a file is named itself."""


def find_audio(
    paths: Iterable[Path], *, on_error: Callable[[OSError], None] | None = None
) -> list[Path]:
    """List the audio files below folders, and the files named themselves, sorted, each once.

    Links to folders are followed, loops are not. Dangling links with an audio file's name are
    listed: opening them tells what is wrong.

    Parameters
    ----------
    paths : iterable of Path
        Folders and files.
    on_error : callable, optional
        Called for each folder that cannot be read; without it such folders raise.

    Raises
    ------
    RecommenderError
        If a file that is named itself is a playlist.
    """
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.update(_walk(path.absolute(), on_error))
        elif path.suffix.lower() in PLAYLIST_SUFFIXES:
            raise RecommenderError(
                f"{path}: is a playlist, not music; name its folder, or build a profile from it"
            )
        else:
            found.add(path.absolute())
    return sorted(found, key=os.fsencode)


def _walk(folder: Path, on_error: Callable[[OSError], None] | None) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        if on_error is None:
            raise error
        on_error(error)

    visited: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, onerror=complain, followlinks=True):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        yield from (Path(root, f) for f in files if os.path.splitext(f)[1].lower() in SUFFIXES)
