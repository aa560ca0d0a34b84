"""Scans that meet, and scans that are killed: real processes on one library."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.analysis import Progress, scan
from recommender.library import Library
from test_analysis import BandMeans, figures, noise, state, write_wav

N_FILES = 6


class Slow(BandMeans):
    def __call__(self, fragments: NDArray[np.float32]) -> NDArray[np.float32]:
        time.sleep(0.05)
        return super().__call__(fragments)


def start(library: Path, folder: Path) -> subprocess.Popen[str]:
    """Start a scan that prints a line after each file."""
    command = [sys.executable, __file__, str(library), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


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
    running = [start(tmp_path / "library.db", music) for _ in range(2)]
    for process in running:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert len(output.splitlines()) == N_FILES
    with Library.open(tmp_path / "library.db") as library:
        assert state(library) == undisturbed
        assert library.failures() == []
        assert figures(scan(library, [music], BandMeans(), jobs=1)) == (N_FILES, N_FILES, 0, 0)


@pytest.mark.parametrize("n_done", [1, 4])
def test_a_killed_scan_goes_on_where_it_stopped(
    tmp_path: Path, music: Path, undisturbed: object, n_done: int
) -> None:
    with start(tmp_path / "library.db", music) as process:
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
    with Library.open(Path(sys.argv[1])) as library:
        scan(library, [Path(sys.argv[2])], Slow(), jobs=1, on_progress=say)
