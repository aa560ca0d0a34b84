"""Programs that are killed at moments that tests choose, and libraries compared after it."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sounds
from commands import COMMAND
from recommender import schema
from test_analysis import noise, write_wav

GONE_WITHIN_S = 10.0  # a decoder may have to finish what it is reading

TABLES = {
    "fingerprints": "SELECT fingerprint, description FROM fingerprints",
    "files": """SELECT path, number, start_s, end_s, hex(content_hash), size, mtime_ns, file_s,
        sheet, artist, title, album, genre, warning, missing_since IS NULL
        FROM files JOIN tracks ON tracks.id = track_id""",
    "tracks": "SELECT hex(content_hash), duration_s FROM tracks",
    "features": """SELECT hex(content_hash), fingerprint, fast, n_fragments, n_features, scales,
        features."values", scale, summaries."values"
        FROM features JOIN tracks ON tracks.id = track_id
        JOIN fingerprints ON fingerprints.id = fingerprint_id
        LEFT JOIN summaries ON features_id = features.id""",
    "failures": "SELECT path, size, mtime_ns, reason FROM failures",
    "roots": "SELECT path FROM roots",
}
"""What a library holds, without numbers and times that differ from run to run."""

Contents = dict[str, set[tuple[Any, ...]]]


def contents(database: Path) -> Contents:
    """Read all that a library holds; nothing if it has not the tables of today yet."""
    with closing(sqlite3.connect(database)) as connection:
        if schema.version(connection) < schema.VERSION:
            return {table: set() for table in TABLES}
        found = {}
        for table, sql in TABLES.items():
            rows = connection.execute(sql).fetchall()
            found[table] = set(rows)
            assert len(found[table]) == len(rows)
        return found


def check_sound(database: Path, scratch: Path) -> Contents:
    """Check what SQLite can check, on a copy: what comes next has to get along by itself.

    Returns
    -------
    dict
        As `contents`.
    """
    folder = scratch / "copy"
    folder.mkdir()
    for path in (database, database.with_name(f"{database.name}-wal")):
        if path.exists():
            shutil.copy(path, folder)
    copy = folder / database.name
    check_integrity(copy)
    found = contents(copy)
    shutil.rmtree(folder)
    return found


def check_integrity(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@dataclass(frozen=True)
class Command:
    """A command that works on a library, and how long it takes if nothing happens.

    Attributes
    ----------
    words : tuple of object
        Of the command line.
    start_s, work_s : float
        Until the library is opened, and from then on.
    """

    words: tuple[object, ...]
    start_s: float = 60.0
    work_s: float = 60.0

    def timed(self, library: Path) -> "Command":
        """Run it undisturbed, and note how long it took; `library` is the database."""
        since = time.monotonic()
        process = self._begin()
        wait_for(lambda: has_opened(process, library), process)
        start_s = time.monotonic() - since
        assert process.wait() in (0, 1)
        work_s = time.monotonic() - since - start_s
        return replace(self, start_s=start_s, work_s=work_s)

    def killed(self, library: Path, share: float, *, with_decoders: bool = False) -> bool:
        """Run it and kill it.

        Parameters
        ----------
        library : Path
            The database.
        share : float
            How much of its work is done then, 0 to 1; what is negative means a share of its start.
        with_decoders : bool
            Whether they are killed at the same moment, or are to notice it.

        Returns
        -------
        bool
            Whether it was killed; ``False`` if it had ended before.
        """
        process = self._begin()
        try:
            if share >= 0:
                wait_for(lambda: has_opened(process, library), process)
            process.wait(timeout=share * self.work_s if share >= 0 else -share * self.start_s)
        except subprocess.TimeoutExpired:
            process.kill()
            for pid in members(process.pid) if with_decoders else ():
                os.kill(pid, signal.SIGKILL)
        code = process.wait()
        wait_for_the_end_of(process.pid)
        return code == -signal.SIGKILL

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*COMMAND, *map(str, self.words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def has_opened(process: subprocess.Popen[bytes], path: Path) -> bool:
    """Tell whether a process has a file open."""
    for link in Path(f"/proc/{process.pid}/fd").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if link.readlink() == path:
                return True
    return False


def wait_for(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until something is so, or the process has ended."""
    while not is_so() and process.poll() is None:
        time.sleep(0.001)


def members(session: int) -> Iterator[int]:
    """Processes of a session that have not ended; a decoder stays in that of its program."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session, *_ = (
                path.read_text(errors="replace").rpartition(")")[2].split()
            )
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        if int(its_session) == session and state not in "ZX":
            yield int(path.parent.name)


def wait_for_the_end_of(session: int) -> None:
    """Check that no process of a killed program lives on."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while left := list(members(session)):
        assert time.monotonic() < deadline, f"processes {left} live on"
        time.sleep(0.02)


def write_old_library(folder: Path, *, n_tracks: int) -> Path:
    """Write a library of version 2, whose features were float16."""
    folder.mkdir()
    path = folder / "library.db"
    rng = np.random.default_rng(0)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
            patch.setattr(schema, "VERSION", 2)
            schema.migrate(connection)
        connection.execute("BEGIN")
        connection.execute("INSERT INTO fingerprints VALUES (1, 'old', '{}')")
        for n in range(n_tracks):
            values = rng.standard_normal((5, 100)).astype("<f2").tobytes()
            name, content_hash = f"/nowhere/{n:05}.mp3".encode(), rng.bytes(32)
            connection.execute("INSERT INTO tracks VALUES (?, ?, 40)", (n, content_hash))
            connection.execute(
                "INSERT INTO features VALUES (?, 1, 5, 100, ?, ?)", (n, values, n % 2)
            )
            connection.execute(
                """INSERT INTO files VALUES
                    (?, 0, NULL, NULL, ?, 1000, 2000, 40, NULL, NULL, NULL, NULL, NULL, NULL)""",
                (name, n),
            )
        connection.execute("COMMIT")
    return path


def write_music(folder: Path, *, n_songs: int = 30) -> Path:
    """Write songs, some twice, a disc with its CUE sheet, and files that are no music."""
    for n in range(n_songs):
        write_wav(folder / f"{n % 3}/{n:02}.wav", noise(10 + 4 * (n % 5), seed=n))
    shutil.copy(folder / "0/00.wav", folder / "copy.wav")
    sounds.tone(folder / "song.mp3", 9, hz=300)
    sounds.tone(folder / "song.flac", 18, hz=500)
    song = (folder / "song.flac").read_bytes()
    (folder / "cut off.flac").write_bytes(song[: len(song) // 2])
    write_wav(folder / "disc/disc.wav", noise(30, seed=100))
    (folder / "disc/disc.cue").write_text(
        'FILE "disc.wav" WAVE\n'
        + "".join(
            f'  TRACK {n:02} AUDIO\n    TITLE "{n}"\n    INDEX 01 00:{10 * (n - 1):02}:00\n'
            for n in (1, 2, 3)
        )
    )
    write_wav(folder / "bad/short.wav", noise(0.01, seed=101))
    (folder / "bad/empty.mp3").touch()
    (folder / "bad/diary.mp3").write_text("dear diary " * 500)
    (folder / "bad/nowhere.wav").symlink_to("nothing")
    return folder
