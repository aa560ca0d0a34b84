"""Opening the files that the library holds, and no others.

A link in a folder of music may lead anywhere, and may be set after the folder was scanned. So the
name that the library has is resolved when it is asked for, what it leads to is judged, and exactly
that is opened: no part of the resolved name may be a link by then.
"""

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from recommender.library import Library
from recommender.web.problems import Problem
from recommender.web.texts import shown

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe would wait for ever.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def open_first(library: Library, paths: Sequence[bytes]) -> tuple[int, IO[bytes]]:
    """Open the first of the files of a recording that can be.

    Parameters
    ----------
    library : Library
    paths : sequence of bytes
        At least one, as the library has them.

    Returns
    -------
    int
        Which of them it is.
    file
        Unbuffered.

    Raises
    ------
    Problem
        404 if they are gone, 403 if they may not be served; of the first of them.
    """
    problems = []
    for i, path in enumerate(paths):
        try:
            return i, open_held(library, path)
        except Problem as problem:
            problems.append(problem)
    raise problems[0]


def open_held(library: Library, path: bytes) -> IO[bytes]:
    """Open a file that the library holds; see `open_first`."""
    try:
        real = resolved(library, path)
        return os.fdopen(_open_exactly(real), "rb", buffering=0)
    except FileNotFoundError:
        raise Problem(404, f"{shown(os.fsdecode(path))}: is not there now") from None
    except OSError as error:
        raise Problem(
            403, f"{shown(os.fsdecode(path))}: cannot be read ({error.strerror})"
        ) from None


def resolved(library: Library, path: bytes) -> bytes:
    """Resolve the links in a name that the library has.

    Raises
    ------
    Problem
        403 if it leads to what is neither in a folder that is scanned nor itself in the library.
    OSError
        If it leads nowhere.
    """
    real = os.path.realpath(path, strict=True)
    if real == path or is_within_roots(library, real) or library.sounds([os.fsdecode(real)]):
        return real
    raise Problem(
        403,
        f"{shown(os.fsdecode(path))}: is a link that leads out of the folders that are scanned;"
        " scan the folder that it leads to",
    )


def is_within_roots(library: Library, real: bytes) -> bool:
    """Tell whether a name without links lies in a folder that was scanned as such."""
    parents = {real, *map(os.fsencode, Path(os.fsdecode(real)).parents)}
    return any(os.fsencode(root.path) in parents for root in library.roots())


def _open_exactly(real: bytes) -> int:
    """Open a file by an absolute name in which no part is a link.

    Raises
    ------
    OSError
        Also if it is no regular file.
    """
    *folders, name = real.split(b"/")[1:]
    with contextlib.ExitStack() as stack:
        folder = os.open("/", _FOLDER)
        stack.callback(os.close, folder)
        for part in folders:
            folder = os.open(part, _FOLDER, dir_fd=folder)
            stack.callback(os.close, folder)
        file = os.open(name, _FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(0, "not a regular file")
    return file
