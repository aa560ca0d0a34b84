"""Power failures: what a disk may hold then of a scan that was writing."""

import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import kills
from recommender.analysis import Progress, scan
from recommender.library import Library
from test_analysis import BandMeans, noise, write_wav

N_FILES = 40
WAL_HEADER, FRAME_HEADER = 32, 24  # bytes; of SQLite's write-ahead log, as its format has them
SALT = slice(16, 24)  # other ones whenever the log begins anew


@dataclass(frozen=True)
class Wide(BandMeans):
    """So many features that the log comes to be moved into the database in the midst of a scan."""

    fingerprint: str = "wide"

    def __call__(self, fragments: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tile(super().__call__(fragments), 10_000)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for n in range(N_FILES):
        write_wav(folder / f"{n:02}.wav", noise(9 + n % 9, seed=n))
    return folder


@pytest.fixture(scope="module")
def undisturbed(music: Path, tmp_path_factory: pytest.TempPathFactory) -> kills.Contents:
    path = tmp_path_factory.mktemp("undisturbed") / "library.db"
    with Library.open(path) as library:
        scan(library, [music], Wide(), jobs=1)
    return kills.contents(path)


@dataclass(frozen=True)
class Log:
    """The write-ahead log of a database, as its index in shared memory has it.

    Attributes
    ----------
    content : bytes
    n_moved : int
        Bytes from its beginning that may be in the database already, all or some of them; they
        were written through to the disk before.
    n_written : int
        Bytes up to the end of the last transaction.
    """

    content: bytes
    n_moved: int
    n_written: int


def read_log(database: Path) -> Log:
    content = database.with_name(f"{database.name}-wal").read_bytes()
    index = database.with_name(f"{database.name}-shm").read_bytes()
    if len(content) < WAL_HEADER or content[SALT] != index[32:40]:
        # Moved as a whole, and about to begin anew.
        return Log(content=content, n_moved=len(content), n_written=len(content))
    page_size, n_written = struct.unpack_from("=HI", index, 14)
    (n_moved,) = struct.unpack_from("=I", index, 128)
    frame = FRAME_HEADER + page_size
    return Log(
        content=content,
        n_moved=min(WAL_HEADER + n_moved * frame, len(content)),
        n_written=min(WAL_HEADER + n_written * frame, len(content)),
    )


def lose_power(database: Path, rng: np.random.Generator, folder: Path, *, honest: bool) -> Path:
    """Return a copy as it may be found after a power failure at this moment.

    All that was not written through to the disk may have arrived there or not: the end of the log
    is missing, zero, or anything. A disk that is not honest says that it has written while it has
    not; but what is moved comes after what it is moved from.
    """
    log = read_log(database)
    cut = int(rng.integers(log.n_written if honest else log.n_moved, len(log.content) + 1))
    rest = [b"", bytes(len(log.content) - cut), rng.bytes(len(log.content) - cut)]
    shutil.copy(database, folder)
    (folder / "library.db-wal").write_bytes(log.content[:cut] + rest[rng.integers(3)])
    return folder / "library.db"


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs to know that a process has stopped")
def test_a_power_failure_costs_no_more_than_the_files_in_flight(
    music: Path, undisturbed: kills.Contents, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    database, folder = tmp_path / "library.db", tmp_path / "copy"
    n_copies, salts = 0, set()
    for n_reported in stops([str(database), str(music)], tmp_path / "output", rng):
        salts.add(read_log(database).content[SALT])
        for honest in (True, False, False):
            folder.mkdir()
            copy = lose_power(database, rng, folder, honest=honest)
            kills.check_integrity(copy)
            found = kills.contents(copy)
            for table, rows in found.items():
                assert rows <= undisturbed[table]
            hashes = {row[4] for row in found["files"]}
            assert hashes == {row[0] for row in found["features"]}
            assert hashes == {row[0] for row in found["tracks"]}
            if honest:
                assert len(hashes) >= n_reported
            if n_copies % 20 == 0:
                with Library.open(copy) as library:
                    scan(library, [music], Wide(), jobs=1)
                assert kills.contents(copy) == undisturbed
            shutil.rmtree(folder)
            n_copies += 1
    assert kills.contents(database) == undisturbed
    assert n_copies >= 30
    assert len(salts) >= 2  # the log was moved, and began anew


def stops(words: Sequence[str], output: Path, rng: np.random.Generator) -> Iterator[int]:
    """Run this file, and stop it again and again; yields how many files it reports as done."""
    with open(output, "wb") as file:
        process = subprocess.Popen([sys.executable, __file__, *words], stdout=file)
    try:
        while process.poll() is None:
            time.sleep(rng.uniform(0.005, 0.04))
            if not output.read_bytes():
                continue  # nothing is written yet
            os.kill(process.pid, signal.SIGSTOP)
            how = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            assert how is not None
            lines = output.read_bytes().splitlines()
            if how.si_code == os.CLD_STOPPED and lines[-1] != b"end":
                yield len(lines) - 1  # the first one tells that it begins
            os.kill(process.pid, signal.SIGCONT)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


def test_every_transaction_is_written_through_to_the_disk(tmp_path: Path) -> None:
    with Library.open(tmp_path / "library.db") as library:
        full = 2
        assert library._rows("PRAGMA synchronous") == [(full,)]


def say(progress: Progress) -> None:
    print(progress.path, flush=True)


if __name__ == "__main__":
    with Library.open(Path(sys.argv[1])) as library:
        scan(library, [Path(sys.argv[2])], Wide(), jobs=1, on_progress=say)
        print("end", flush=True)
