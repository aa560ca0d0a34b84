"""Disks that become full in the midst of a scan, or of bringing an old library up to date."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import kills
from commands import finish, refused, run, start
from test_bad_homes import resize, wait_until

MIB = 2**20


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 64 MiB, where the home folder is."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(mounted)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a small disk, and mounting one takes root")
    monkeypatch.setenv("RECOMMENDER_HOME", str(mounted))
    yield mounted
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def fill(disk: Path) -> Path:
    """Write a file that leaves no room."""
    path = disk / "large"
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


def undisturbed(folder: Path, *words: object) -> kills.Contents:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(folder))
        assert run(*words).code in (0, 1)
    return kills.contents(folder / "library.db")


def test_a_scan_goes_on_after_there_was_no_room(disk: Path, tmp_path: Path) -> None:
    music = kills.write_music(tmp_path / "music")
    words = ("library", "scan", music)
    library = disk / "library.db"

    def n_files() -> int:
        return len(kills.contents(library)["files"])

    process = start(*words)
    wait_until(lambda: library.exists() and n_files() > 5, process)
    large = fill(disk)
    refused(finish(process), library, "full", "is kept")
    kills.check_integrity(library)
    n_kept = n_files()
    assert n_kept > 5
    refused(run(*words), library, "full")  # nothing is better yet
    large.unlink()
    again = run(*words, "--json")
    assert again.code == 1  # some files are no music
    assert again.json["n_unchanged"] >= n_kept - 3  # three tracks are one file
    assert kills.contents(library) == undisturbed(tmp_path / "undisturbed", *words)


def test_moving_an_old_library_goes_on_after_there_was_no_room(disk: Path, tmp_path: Path) -> None:
    library = kills.write_old_library(tmp_path / "old", n_tracks=8000)
    words = ("library", "status")
    shutil.copytree(library.parent, tmp_path / "undisturbed")
    wanted = undisturbed(tmp_path / "undisturbed", *words)
    shutil.copy(library, disk)
    library = disk / library.name
    n_refused = 0
    for spare in (0, 4096, 65_536, 200_000, MIB, 2 * MIB, 3 * MIB, 20 * MIB):
        used = sum(path.stat().st_size for path in disk.iterdir())
        resize(disk, used + spare)
        answer = run(*words)
        if answer.code:
            refused(answer, library, "full", "run this again")
            n_refused += 1
        kills.check_sound(library, tmp_path)
    assert answer.code == 0
    assert n_refused >= 3
    assert kills.contents(library) == wanted
