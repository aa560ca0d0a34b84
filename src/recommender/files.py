"""Files that are written whole or not at all."""

import contextlib
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: under a temporary name beside it, then renamed.

    A link stays, and the file that it points to is written. A new file gets the permissions that
    the umask leaves, an old one keeps its own. What is no regular file, such as a named pipe or
    ``/dev/stdout``, cannot be replaced and is written to directly.

    Raises
    ------
    OSError
        If there is no room or no permission; what stood at `path` is still there then.
    """
    try:
        # Asked before links are resolved: /dev/stdout may lead to a pipe, which has no name.
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content)
    except OSError as error:
        error.filename = str(path)  # not the temporary name, which means nothing to anybody
        raise


def write_through(file: IO[Any]) -> None:
    """Have what was written so far outlast a power failure."""
    file.flush()
    os.fsync(file.fileno())


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in here with a folder; create it if there is none.

    The lock ends with the process, however that ends. Where the file system knows no locks there
    is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_left_over(path: Path) -> bool:
    """Tell by its name whether a file was being written when the program was killed."""
    return re.fullmatch(r"\.[0-9a-f]{16}\.part", path.name) is not None


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(temporary, "xb") as file:
            if path.exists():
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            file.write(content)
            write_through(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _write_name_through(path.parent)


def _write_name_through(folder: Path) -> None:
    """Have names outlast a power failure, where the file system knows how to do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
