"""Scans that meet, and scans that are killed: real processes on one library."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import kills
from recommender.analysis import Progress, scan
from recommender.library import Library
from test_analysis import BandMeans, figures, noise, state, write_wav

N_FILES = 6


class Slow(BandMeans):
    def __call__(self, fragments: NDArray[np.float32]) -> NDArray[np.float32]:
        time.sleep(0.05)
        return super().__call__(fragments)


def start(library: Path, folder: Path) -> subprocess.Popen[str]:
    """Start a scan that prints a line after each file, and in the end its figures.

    It begins when it is told so, after it said that it is ready.
    """
    command = [sys.executable, __file__, str(library), str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("begin\n")
    process.stdin.flush()


@pytest.fixture
def music(tmp_path: Path) -> Path:
    for n in range(N_FILES):
        write_wav(tmp_path / f"music/{n}.wav", noise(9, seed=n))
    return tmp_path / "music"


@pytest.fixture
def undisturbed(tmp_path: Path, music: Path) -> object:
    with Library.open(tmp_path / "undisturbed.db") as library:
        scan(library, [music], BandMeans(), jobs=1)
        return state(library)


def test_two_scans_at_once_both_succeed(tmp_path: Path, music: Path, undisturbed: object) -> None:
    with (
        start(tmp_path / "library.db", music) as one,
        start(tmp_path / "library.db", music) as other,
    ):
        for process in (one, other):
            begin(process)
        for process in (one, other):
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            # What the other one was faster with is known.
            n_files, n_unchanged, n_known, n_analysed = map(int, output.splitlines()[-1].split())
            assert n_files == n_unchanged + n_known + n_analysed == N_FILES
    with Library.open(tmp_path / "library.db") as library:
        assert state(library) == undisturbed
        assert library.failures() == []
        assert figures(scan(library, [music], BandMeans(), jobs=1)) == (N_FILES, N_FILES, 0, 0)


@pytest.mark.parametrize("n_done", [0, 1, 3])
def test_of_three_scans_one_may_be_killed(
    tmp_path: Path, music: Path, undisturbed: object, n_done: int
) -> None:
    with (
        start(tmp_path / "library.db", music) as one,
        start(tmp_path / "library.db", music) as other,
        start(tmp_path / "library.db", music) as killed,
    ):
        for process in (killed, one, other):
            begin(process)
        assert killed.stdout is not None
        for _ in range(n_done):
            assert killed.stdout.readline()
        killed.kill()
        for process in (one, other):
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            n_files, n_unchanged, n_known, n_analysed = map(int, output.splitlines()[-1].split())
            assert n_files == n_unchanged + n_known + n_analysed == N_FILES
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL
    kills.check_integrity(tmp_path / "library.db")
    with Library.open(tmp_path / "library.db") as library:
        assert state(library) == undisturbed
        assert library.failures() == []
        assert figures(scan(library, [music], BandMeans(), jobs=1)) == (N_FILES, N_FILES, 0, 0)


@pytest.mark.parametrize("n_done", [1, 4])
def test_a_killed_scan_goes_on_where_it_stopped(
    tmp_path: Path, music: Path, undisturbed: object, n_done: int
) -> None:
    with start(tmp_path / "library.db", music) as process:
        begin(process)
        assert process.stdout is not None
        for _ in range(n_done):
            assert process.stdout.readline()
        process.kill()
    with Library.open(tmp_path / "library.db") as library:
        report = scan(library, [music], BandMeans(), jobs=1)
        assert report.n_unchanged >= n_done  # what was reported had been written
        assert report.n_unchanged + report.n_known + report.n_analysed == N_FILES
        assert state(library) == undisturbed


def say(progress: Progress) -> None:
    if progress.path is not None:
        print(progress.path, flush=True)


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    with Library.open(Path(sys.argv[1])) as library:
        print(*figures(scan(library, [Path(sys.argv[2])], Slow(), jobs=1, on_progress=say)))
