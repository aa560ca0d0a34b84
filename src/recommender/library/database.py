"""One SQLite database: where it is, how it is opened, and what its errors mean."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import platformdirs

from recommender import schema
from recommender.errors import LibraryError
from recommender.library.coding import Coded
from recommender.library.upgrading import insert_features, move_old_features

BUSY_TIMEOUT_S = 60.0
"""How long one process waits for another that is writing."""


def home() -> Path:
    """Folder of the library and the profiles: ``RECOMMENDER_HOME``, else the user's data folder."""
    if named := os.environ.get("RECOMMENDER_HOME"):
        return Path(named).expanduser().absolute()
    return platformdirs.user_data_path("recommender", appauthor=False)


class Database:
    """A connection to SQLite; several processes may use one database at the same time.

    Use it from one thread, and as a context manager. Every method raises `LibraryError` if the
    database cannot be read or written; what was written before stays.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(
        cls, path: Path | None = None, *, on_upgrade: Callable[[int, int], None] | None = None
    ) -> Self:
        """Open a library, or begin one; one of an older version is brought up to date.

        Parameters
        ----------
        path : Path, optional
            The database; by default ``library.db`` in `home`.
        on_upgrade : callable, optional
            Called with (done, total) recordings, if their features have to be written anew.

        Raises
        ------
        LibraryError
            If the file is no library, was written by a newer program, or cannot be written.
        """
        path = home() / "library.db" if path is None else path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(
                f"{path.parent}: cannot be made a folder ({error.strerror});"
                " set RECOMMENDER_HOME to a folder that you may write to"
            ) from error
        with _explained(path), contextlib.ExitStack() as on_error:
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            on_error.callback(connection.close)
            if (found := schema.version(connection)) > schema.VERSION:
                raise LibraryError(
                    f"{path}: written by a newer version of this program (its tables are version"
                    f" {found}, known are up to {schema.VERSION}); update the program"
                )
            _configure(connection)
            schema.migrate(connection)
            move_old_features(connection, on_upgrade)
            on_error.pop_all()
        return cls(path, connection)

    def close(self) -> None:
        """Close the connection; nothing else can be done with the library then."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _explained(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield rows without holding all of them; nothing may be written before the last."""
        with _explained(self.path):
            yield from self._connection.execute(sql, values)

    def _insert_features(
        self, track_id: int, fingerprint_id: int, coded: Coded, *, fast: bool
    ) -> None:
        with _explained(self.path):
            insert_features(self._connection, track_id, fingerprint_id, coded, fast=fast)

    def _give_space_back(self) -> None:
        with _explained(self.path):
            # As a script: `execute` takes one step only, which frees a single page.
            self._connection.executescript("PRAGMA incremental_vacuum")

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Write all that is written within at once, or nothing of it."""
        with self._transaction():
            yield

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._connection.in_transaction:  # part of a batch
            yield
            return
        # IMMEDIATE: waits for another writer at the start, where waiting is allowed.
        self._rows("BEGIN IMMEDIATE")
        try:
            yield
            self._rows("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._rows("ROLLBACK")


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only while the file is empty
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        # The change to WAL does not wait for other processes by itself, unlike everything else.
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    # A file's analysis takes longer than a disk takes to write it down: what is reported as done
    # outlasts a power failure, too.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.create_function("from_hex", 1, bytes.fromhex, deterministic=True)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        remedy = next(
            (remedy for prefix, remedy in _REMEDIES.items() if name.startswith(prefix)),
            "close other programs that use it and try again",
        )
        raise LibraryError(f"{path}: {error}; {remedy}") from error


_REMEDIES = {
    "SQLITE_FULL": "make room on the disk and run this again: what was written so far is kept",
    "SQLITE_IOERR": "make sure that the disk is neither full nor failing, and run this again",
    "SQLITE_NOTADB": "this is no library: move it away, or set RECOMMENDER_HOME elsewhere",
    "SQLITE_CORRUPT": "the library is damaged: move it away and scan again",
    "SQLITE_READONLY": "make the file and its folder writable, or set RECOMMENDER_HOME elsewhere",
    "SQLITE_CANTOPEN": "make the file and its folder writable, or set RECOMMENDER_HOME elsewhere",
    "SQLITE_BUSY": "another program has been writing to it for long: wait, or end that program",
}
