"""Folders that all machines reach: of a shared file system, or of object storage by URL."""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender.errors import DistributedError
from recommender.extras import need
from recommender.files import write_atomically

_BLOCK = 1 << 20  # bytes that are copied at a time


@dataclass(frozen=True, kw_only=True)
class Place:
    """A file or folder, and how it is reached.

    Attributes
    ----------
    filesystem : pyarrow.fs.FileSystem
        May be sent to other machines.
    path : str
        In that file system.
    prefix : str
        Put before a path it makes a name that tells all: nothing where paths do so themselves, else
        as in "s3://".
    """

    filesystem: Any
    path: str
    prefix: str = ""

    def __truediv__(self, name: str) -> "Place":
        """Return what lies in this folder under a name."""
        return self.at(f"{self.path.rstrip('/')}/{name}")

    def at(self, path: str) -> "Place":
        """Return another place in this file system."""
        return Place(filesystem=self.filesystem, path=path, prefix=self.prefix)

    def __str__(self) -> str:
        return f"{self.prefix}{self.path}"

    def read(self, n_most: int | None = None) -> bytes:
        """Return a file's first bytes, or all; raises FileNotFoundError or another OSError."""
        with _os_errors(), self.filesystem.open_input_stream(self.path) as stream:
            return bytes(stream.read(n_most))

    def write(self, content: bytes) -> None:
        """Write a file whole or not at all, and the folder that it lies in; raises OSError."""
        if not self.prefix:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(Path(self.path), content)
            return
        folder = self.path.rpartition("/")[0]
        # Under a name of its own: the same file may be written by two machines at once.
        temporary = f"{folder}/.{secrets.token_hex(8)}.part"
        with _os_errors():
            self.filesystem.create_dir(folder, recursive=True)
            try:
                with self.filesystem.open_output_stream(temporary) as stream:
                    stream.write(content)
                self.filesystem.move(temporary, self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    self.filesystem.delete_file(temporary)
                raise

    def delete(self) -> None:
        """Delete a file, if it is there."""
        with _os_errors(), contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path)

    def names(self) -> list[str]:
        """Names of the files in this folder, sorted; none if there is no folder."""
        fs = need("pyarrow.fs", "ray")
        with _os_errors():
            found = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(each.base_name for each in found if each.is_file)

    def fetch(self, folder: Path) -> Path:
        """Copy a file into a folder of this machine, under a short name with its suffix."""
        path = folder / f"music{os.path.splitext(self.path)[1]}"
        with (
            _os_errors(),
            self.filesystem.open_input_stream(self.path) as stream,
            open(path, "wb") as file,
        ):
            while block := stream.read(_BLOCK):
                file.write(block)
        return path


def is_url(text: str) -> bool:
    """Tell a URL from a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.:-]*://", text) is not None


def locate(text: str | Path) -> Place:
    """Find a place by its path or URL: those of pyarrow, such as ``s3://``, and of fsspec.

    Raises
    ------
    DistributedError
        If there is no way to reach such a place from here.
    """
    fs = need("pyarrow.fs", "ray")
    if not is_url(str(text)):
        return Place(filesystem=fs.LocalFileSystem(), path=os.path.abspath(text))  # noqa: PTH100
    prefix = f"{str(text).partition('://')[0]}://"
    arrow = need("pyarrow", "ray")
    try:
        filesystem, path = fs.FileSystem.from_uri(str(text))
    except arrow.ArrowInvalid:  # not one of its own
        filesystem, path = _by_fsspec(str(text))
    except OSError as error:
        raise DistributedError(f"{text}: cannot be reached ({error})") from None
    return Place(filesystem=filesystem, path=path.rstrip("/") or "/", prefix=prefix)


def _by_fsspec(url: str) -> tuple[Any, str]:
    fs = need("pyarrow.fs", "ray")
    core = need("fsspec.core", "ray")
    try:
        filesystem, path = core.url_to_fs(url)
    except (ImportError, ValueError, OSError) as error:
        raise DistributedError(f"{url}: cannot be reached ({error})") from None
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), path


@contextlib.contextmanager
def _os_errors() -> Iterator[None]:
    """Turn what object storages say into OSError."""
    arrow = need("pyarrow", "ray")
    try:
        yield
    except OSError:
        raise
    except arrow.ArrowException as error:
        raise OSError(str(error)) from None
